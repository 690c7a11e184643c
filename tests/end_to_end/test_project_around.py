"""Commands find the project of the current folder: its packager.toml, its release and its tars."""

import json
import os
import shutil
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
NAME = "tones-audio-00001"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose site is in public/; it is packed and not published."""
    project = make_project(tmp_path_factory.mktemp("around") / "project", files=4)
    config = project.root / "packager.toml"
    config.write_text(config.read_text() + '[site]\nfolder = "public"\n')
    for command in ("scan", "plan", "pack"):
        assert main([command, "--config", str(config)]) == 0
    return project


@pytest.fixture(scope="module")
def released(packed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same project, published."""
    project = packed.copy(tmp_path_factory.mktemp("released") / "project")
    assert main(["publish", "--config", str(project.root / "packager.toml")]) == 0
    return project


@pytest.mark.parametrize("folder", [".", "shards", "source/album 0"])
def test_packager_toml_is_the_nearest_one_upwards(
    released: Project, monkeypatch: pytest.MonkeyPatch, capsys: Capture, folder: str
) -> None:
    monkeypatch.chdir(released.root / folder)
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["serial"] == 1


def test_a_packager_toml_that_is_named_is_not_looked_for_above(
    released: Project, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(released.root / "shards")
    assert main(["status", "--config", "other.toml"]) == 2
    assert "other.toml: not found" in capsys.readouterr().err


def test_without_one_the_command_says_how_to_create_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 2
    assert "packager.toml: not found" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["shards"], ["shards/" + NAME + ".tar"], []])
@pytest.mark.parametrize("state", ["packed", "released"])
def test_verify_finds_the_projects_release(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], state: str
) -> None:
    monkeypatch.chdir(request.getfixturevalue(state).root)
    assert main(["verify", *arguments, "--workers", "1"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert ("release 1 of tones in" in first and "public" in first) == (state == "released"), first
    assert first.startswith("Compared with ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed", "--listen", "127.0.0.1:0", "--for", "0.1 s"],
        ["seed", "shards", "--listen", "127.0.0.1:0", "--for", "0.1 s"],
        ["repair", f"shards/{NAME}.tar", "--workers", "1"],
        ["extract", f"shards/{NAME}.tar", "--to", "{to}"],
        ["rebuild", NAME, "--from", "source", "--to", "{to}.tar"],
        ["get", "notes.txt", "--from", "source", "--to", "{to}"],
    ],
    ids=lambda each: " ".join(each[:2]),
)
def test_other_commands_find_it_too(
    released: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str]
) -> None:
    monkeypatch.chdir(released.root)
    assert main([each.format(to=tmp_path / "to") for each in arguments]) == 0, capsys.readouterr().err


def test_tars_on_another_disk_belong_to_the_project_here_that_writes_them(
    released: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    project = released.copy(tmp_path / "project")
    config = project.root / "packager.toml"
    shutil.move(project.root / "shards", tmp_path / "disk")
    config.write_text(config.read_text().replace("[shards]", f'[shards]\nfolder = "{tmp_path / "disk"}"'))
    monkeypatch.chdir(project.root)
    assert main(["verify", "--workers", "1"]) == 0
    assert "release 1 of tones" in capsys.readouterr().out.splitlines()[0]
    shutil.copytree(tmp_path / "disk", tmp_path / "strangers")  # of these the project says nothing
    assert main(["verify", str(tmp_path / "strangers")]) == 2
    monkeypatch.chdir("/")
    assert main(["verify", str(tmp_path / "disk")]) == 2


@pytest.mark.parametrize("command", ["verify", "seed"])
def test_without_a_project_there_is_nothing_to_check_or_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 2
    assert "no tar is named, and there is no project or mirror here" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
