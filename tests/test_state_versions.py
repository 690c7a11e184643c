"""State folders of other versions of the tool: an older one is taken on, a newer one is refused in a sentence."""

import json
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.state_format import STATE_FORMAT
from tests.projects import Project, make_project
from tests.test_growing import assert_frozen, new_shards, release

Capture = pytest.CaptureFixture[str]
COMMANDS = ("scan", "plan", "pack", "publish", "release", "status")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", files=5)


def strip(path: Path, *fields: str) -> None:
    """Take fields out of a JSON document, wherever they stand."""

    def stripped(value: object) -> object:
        if isinstance(value, dict):
            return {key: stripped(each) for key, each in value.items() if key not in fields}
        return [stripped(each) for each in value] if isinstance(value, list) else value

    path.write_text(json.dumps(stripped(json.loads(path.read_text())), indent=2) + "\n")


def make_older(project: Project) -> None:
    """Leave of the state folder what packager 0.1.0 would have left there."""
    state = project.root / ".packager"
    (state / "format").unlink()
    for name in ("frozen.parquet", "mtimes.parquet"):
        for path in state.rglob(name):
            path.unlink()
    young = ("frozen", "container", "superseded", "kept", "changed", "gone", "withdrawals", "virtual")
    strip(state / "plan" / "plan.json", *young)
    plan = json.loads((state / "plan" / "plan.json").read_text())
    (state / "plan" / "plan.json").write_text(json.dumps({k: v for k, v in plan.items() if k != "records"}))
    for path in state.rglob("packed.json"):
        strip(path, *young)


def test_the_state_of_the_first_version_is_taken_on(project: Project, capsys: Capture) -> None:
    first = release(project, capsys)
    before = project.published()
    make_older(project)
    assert json.loads(project.run(capsys, "status", "--json").out)["serial"] == 1
    ran = project.run(capsys, "publish")
    assert (ran.code, "run: packager release" in ran.err) == (2, True)
    assert release(project, capsys) == first
    assert project.published() == before
    make_older(project)
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
    assert ran.err.endswith("; update packager\n")
    (project.root / ".packager" / "format").write_text("new\n")
    assert "is no version of a state folder" in project.run(capsys, command).err


@pytest.mark.parametrize(("name", "known"), [("plan/plan.json", 1), ("releases/1.json", 2)])
def test_a_newer_document_of_the_state_is_refused(project: Project, capsys: Capture, name: str, known: int) -> None:
    release(project, capsys)
    path = project.root / ".packager" / name
    path.write_text(path.read_text().replace('"format": 1', f'"format": {known + 1}', 1))
    for command in ("release", "status"):
        ran = project.run(capsys, command)
        assert (ran.code, f"format {known + 1} is newer than {known}; update packager" in ran.err) == (2, True), ran.err


def test_documents_say_format_1_until_they_tell_what_that_lacks(project: Project, capsys: Capture) -> None:
    assert release(project, capsys)["format"] == 1
    (project.source / "new.txt").write_bytes(b"new")
    assert release(project, capsys)["format"] == 2
    manifest = project.root / "output" / "manifests" / "tones-rest-00001.manifest.json"
    assert json.loads(manifest.read_text())["format"] == 1
    assert project.run(capsys, "withdraw", "--id", "notes.txt", "--reason", "x", "--keep-shards").code == 0
    release(project, capsys)
    assert json.loads(manifest.read_text())["format"] == 2


def test_a_newer_file_of_withdrawals_is_refused(project: Project, capsys: Capture) -> None:
    (project.root / "withdrawals.json").write_text('{"format": 2, "type": "withdrawals", "zones": []}')
    ran = project.run(capsys, "release")
    assert (ran.code, "format 2 is newer than 1; update packager" in ran.err) == (2, True)


def test_a_newer_mirrors_state_is_refused(project: Project, tmp_path: Path, capsys: Capture) -> None:
    release(project, capsys)
    mirror = tmp_path / "mirror"
    follow = ["mirror", "follow", str(project.root / "output"), "--to", str(mirror), "--budget", "1 GiB", "--unsigned"]
    assert main([*follow, "--client", "none", "--reserve", "0", "--yes"]) in (0, 3)
    state = mirror / ".packager-mirror" / "mirror.json"
    state.write_text(state.read_text().replace('"format": 1', '"format": 2', 1))
    capsys.readouterr()
    for command in ("sync", "status", "magnets"):
        assert main(["mirror", command, "--to", str(mirror)]) == 2
        assert "format 2 is newer than 1; update packager" in capsys.readouterr().err
