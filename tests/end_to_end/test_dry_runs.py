"""-n: each command that writes, sends or deletes says what it would do, and leaves every file as it was."""

import json
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("dry") / "project", files=6)
    project.release()
    return project


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder but those of the state folder, with their bytes."""
    kept = (path for path in folder.rglob("*") if path.is_file() and ".packager" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def test_the_steps_of_a_release_say_what_they_would_make(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "p", files=6)
    before = files_of(project.root)
    ran = project.run(capsys, "release", "-n")
    assert (ran.code, "Dry run: would pack " in ran.out) == (0, True), ran.err
    assert json.loads(project.run(capsys, "release", "--dry-run", "--json").out)["publish"] is None
    ran = project.run(capsys, "pack", "-n")
    assert (ran.code, "Dry run: would pack " in ran.out) == (0, True), ran.err
    assert files_of(project.root) == before
    assert project.run(capsys, "pack").code == 0
    before = files_of(project.root)
    ran = project.run(capsys, "publish", "-n", "--to", f"file://{tmp_path}/to")
    assert (ran.code, "Dry run: would publish release 1: " in ran.out) == (0, True), ran.err
    assert not (tmp_path / "to").exists()
    assert files_of(project.root) == before


def test_after_a_release_nothing_is_written_either(released: Project, tmp_path: Path, capsys: Capture) -> None:
    before = files_of(released.root)
    to = tmp_path / "to"
    for arguments, told in (
        (("export", "tones-rest-00001", "--to", str(to)), "Dry run: would write 1 tar, "),
        (("publish",), "Dry run: would publish release 1: "),
        (("pack",), "Dry run: would pack 0 shards, 0 B; "),
    ):
        ran = released.run(capsys, *arguments, "-n")
        assert (ran.code, told in ran.out) == (0, True), (ran.out, ran.err)
    site = ("--release", str(released.root / "site"))
    command = ["rebuild", "tones-rest-00001", *site, "--from", str(released.source), "--to", str(to)]
    assert main([*command, "--index", str(tmp_path / "index"), "-n"]) == 0, capsys.readouterr().err
    assert "Dry run: every member is found; would write " in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    command[command.index("--from") + 1] = str(tmp_path / "empty")
    assert main([*command, "--index", str(tmp_path / "index"), "-n"]) == 3
    assert main(["torrent", str(released.source), "--to", str(to), "-n"]) == 0
    assert "magnet:?" in capsys.readouterr().out
    assert not to.exists()
    assert files_of(released.root) == before
