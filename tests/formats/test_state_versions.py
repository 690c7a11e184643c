"""State folders of other versions of the tool: an older one is taken on, a newer one is refused in a sentence."""

import json
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.project.state_format import STATE_FORMAT
from tests.end_to_end.test_growing import assert_frozen, new_shards, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
COMMANDS = ("scan", "plan", "pack", "publish", "release", "status")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", files=5)


def test_rows_of_published_shards_that_are_missing_are_made_again(project: Project, capsys: Capture) -> None:
    first = release(project, capsys)
    for name in ("published.parquet", "mtimes.parquet"):
        for path in (project.root / ".packager").rglob(name):
            path.unlink()
    assert release(project, capsys) == first
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    assert_frozen(first, second)
    assert new_shards(first, second) == ["tones-metadata-00002", "tones-rest-00002"]
    assert (project.root / ".packager" / "format").read_text() == f"{STATE_FORMAT}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_state_folder_is_refused_by_every_command(project: Project, capsys: Capture, command: str) -> None:
    assert project.run(capsys, "scan").code == 0
    (project.root / ".packager" / "format").write_text("99\n")
    ran = project.run(capsys, command)
    assert ran.code == 2
    assert "was written by a newer packager (state 99, this one knows" in ran.err
    assert as_sentence(ran.err).endswith("; update packager\n")
    (project.root / ".packager" / "format").write_text("new\n")
    assert "is no version of a state folder" in project.run(capsys, command).err


@pytest.mark.parametrize(("name", "format_"), [("plan/plan.json", 2), ("releases/1.json", 2), ("releases/1.json", 0)])
def test_another_format_of_the_state_is_refused(project: Project, capsys: Capture, name: str, format_: int) -> None:
    release(project, capsys)
    path = project.root / ".packager" / name
    path.write_text(path.read_text().replace('"format": 1', f'"format": {format_}', 1))
    for command in ("release", "status"):
        ran = project.run(capsys, command)
        told = "format 2 is newer than 1; update packager" if format_ == 2 else "format 0 does not exist"
        assert (ran.code, told in as_sentence(ran.err)) == (2, True), ran.err


def test_every_document_says_format_1(project: Project, capsys: Capture) -> None:
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "x", "--keep-shards").code == 0
    (project.source / "new.txt").write_bytes(b"new")
    assert release(project, capsys)["format"] == 1
    for path in (project.root / "site" / "manifests").glob("*.json"):
        assert json.loads(path.read_text())["format"] == 1


def test_a_newer_file_of_withdrawals_is_refused(project: Project, capsys: Capture) -> None:
    (project.root / "withdrawals.json").write_text('{"format": 2, "type": "withdrawals", "zones": []}')
    ran = project.run(capsys, "release")
    assert (ran.code, "format 2 is newer than 1; update packager" in as_sentence(ran.err)) == (2, True)


def test_a_newer_mirrors_state_is_refused(project: Project, tmp_path: Path, capsys: Capture) -> None:
    release(project, capsys)
    mirror = tmp_path / "mirror"
    follow = ["mirror", "follow", str(project.root / "site"), str(mirror), "--budget", "1 GiB", "--allow-unsigned"]
    assert main([*follow, "--client", "none", "--reserve", "0", "--yes"]) in (0, 3)
    state = mirror / ".packager-mirror" / "mirror.json"
    state.write_text(state.read_text().replace('"format": 1', '"format": 2', 1))
    capsys.readouterr()
    for command in ("sync", "status", "magnets"):
        assert main(["mirror", command, str(mirror)]) == 2
        assert "format 2 is newer than 1; update packager" in as_sentence(capsys.readouterr().err)
