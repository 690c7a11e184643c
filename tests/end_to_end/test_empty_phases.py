"""A phase that selects no record is reported at plan and not published; a release of nothing is refused."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_growing import read_release, release
from tests.helpers.projects import PHASES, Project, make_project

Capture = pytest.CaptureFixture[str]
NONE = '[[phases]]\nname = "video"\ntitle = "Films"\nwhere = "kind = \'video\'"\n'
NO_RECORD = '[[phases]]\nname = "old"\ntitle = "Old list"\ncontent = "catalogue"\nwhere = "year < 1900"\n'
TINY = '[[phases]]\nname = "tiny"\ntitle = "Tiny"\nbudget = "1 B"\n'


@pytest.mark.parametrize(
    ("phase", "name", "warning"),
    [
        (NONE, "video", "selects no record, so it has nothing to publish"),
        (NO_RECORD, "old", "selects no record, so it has nothing to publish"),
        (TINY, "tiny", "its budget has no room for any of its 7 files"),
    ],
)
def test_an_empty_phase_is_reported_and_not_published(
    tmp_path: Path, capsys: Capture, phase: str, name: str, warning: str
) -> None:
    project = make_project(tmp_path / "project", files=3)
    project.write_config(phases=phase + PHASES)
    assert project.run(capsys, "scan").code == 0
    assert f"warning: {name}: {warning}" in project.run(capsys, "plan").out
    document = release(project, capsys)
    states = {phase["name"]: phase["state"] for phase in document["phases"]}
    assert states == {name: "planned", "metadata": "published", "audio": "published", "rest": "published"}
    site = project.root / "site"
    assert not (site / "phases" / name).exists()
    assert f"phases/{name}" not in "".join(path.read_text() for path in site.rglob("*.html"))
    assert not project.run(capsys, "status", "--json").out.count('"next": "packager publish"')
    assert json.loads(project.run(capsys, "status", "--json").out)["next"] == ""
    ran = project.run(capsys, "publish", "--phase", name)
    assert ran.code == 2
    assert "there is nothing to publish" in ran.err


def test_an_empty_phase_is_published_once_it_has_a_file(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    project.write_config(phases=PHASES + NONE.replace("kind = 'video'", "path LIKE 'later%'").replace("[[", "\n[["))
    text = (project.root / "packager.toml").read_text()
    rest = text[text.index('[[phases]]\nname = "rest"') : text.index('[[phases]]\nname = "video"')]
    (project.root / "packager.toml").write_text(text.replace(rest, "").replace("[release]", rest + "[release]"))
    first = release(project, capsys)
    assert {phase["name"]: phase["state"] for phase in first["phases"]}["video"] == "planned"
    (project.source / "later.txt").write_bytes(b"a film's words")
    second = release(project, capsys)
    assert {phase["name"]: phase["state"] for phase in second["phases"]}["video"] == "published"
    assert (project.root / "site" / "phases" / "video" / "magnets.txt").read_text().startswith("magnet:")


def test_a_phase_that_was_published_stays_so_when_it_is_emptied(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project", files=3)
    release(project, capsys)
    project.write_config(phases=PHASES.replace("kind = 'audio'", "kind = 'video'"))
    (project.source / "new.txt").write_bytes(b"something new")
    second = release(project, capsys)
    assert all(phase["state"] == "published" for phase in second["phases"])


@pytest.fixture
def closed(tmp_path: Path) -> Project:
    """A project whose only phase with files is under embargo."""
    project = make_project(tmp_path / "project", files=2)
    every = '[[phases]]\nname = "all"\nembargo = "2999-01-01"\n'
    project.write_config(phases=NONE + every)
    return project


def test_a_release_of_nothing_is_refused_before_packing(closed: Project, capsys: Capture) -> None:
    ran = closed.run(capsys, "release")
    assert ran.code == 2
    assert "nothing would be published: all phases with files are under embargo until 2999-01-01" in ran.err
    assert not (closed.root / "shards").exists()
    assert not (closed.root / "site").exists()
    assert closed.run(capsys, "pack").code == 0, "what is packed early is ready when the embargo ends"
    ran = closed.run(capsys, "publish")
    assert ran.code == 2
    assert "nothing would be published" in ran.err
    closed.write_config(phases=NONE + '[[phases]]\nname = "all"\n')
    release(closed, capsys)
    assert read_release(closed)["serial"] == 1
