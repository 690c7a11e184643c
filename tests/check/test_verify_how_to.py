"""The commands of the page on verify do what the page says."""

import shutil
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from tests.check.test_how_to import SHARD, commands


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden shard's project, released, and the folder one is in."""
    shutil.copytree(SHARD / "source", tmp_path / "source")
    for name in ("records.csv", "packager.toml"):
        shutil.copyfile(SHARD / name, tmp_path / name)
    api.release(tmp_path / "packager.toml", processes=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_finds_all_good(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands("verify.md")
    assert len(found) == 7
    for command in found:
        assert main(command) == 0, (command, capsys.readouterr())
    assert Path("scrub.state").exists()
