"""A question is asked on a terminal only; --yes answers it, and the answer no is exit code 130."""

from functools import partial

import pytest

from packager.cli import confirm_change
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("asked") / "project", files=4)
    project.release()
    return project


@pytest.mark.parametrize("command", [("withdraw", "notes.txt"), ("replace", "tones-rest-00001")])
def test_no_changes_nothing_and_yes_goes_on(
    released: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: tuple[str, str]
) -> None:
    asked: list[str] = []

    def answering(answer: bool, question: str, *, default: bool) -> bool:
        assert default is False  # Enter changes nothing
        asked.append(question)
        return answer

    notes = released.root / "withdrawals.json"
    monkeypatch.setattr(confirm_change, "is_asked", lambda *, yes: not yes)
    for answer, code in ((False, 130), (True, 0)):
        monkeypatch.setattr(confirm_change, "confirm", partial(answering, answer))
        before = notes.read_bytes() if notes.exists() else b""
        ran = released.run(capsys, *command, "--reason", "x")
        assert ran.code == code, ran.err
        assert (notes.exists() and notes.read_bytes() != before) is answer
    assert [question.split()[0] for question in asked] == [command[0].capitalize()] * 2
    assert released.run(capsys, *command, "--reason", "again", "--yes").code == 0
    assert len(asked) == 2
