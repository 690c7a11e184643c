"""The commands of the page on verify do what the page says."""

import shutil
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main
from tests.docs.test_check_how_to import SHARD, commands
from tests.helpers.http_server import serving

ADDRESS = "https://archive.example.org/"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden shard's project, released, and the folder one is in."""
    shutil.copytree(SHARD / "source", tmp_path / "source")
    for name in ("records.csv", "packager.toml"):
        shutil.copyfile(SHARD / name, tmp_path / name)
    api.keygen(tmp_path / "publisher.key", tmp_path / "publisher.pub", password=None)
    config = (tmp_path / "packager.toml").read_text()
    (tmp_path / "packager.toml").write_text(config.replace("[release]", '[release]\nsecret_key = "publisher.key"'))
    api.release(tmp_path / "packager.toml", workers=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def test_every_command_of_the_page_finds_all_good(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands("verify.md")
    assert len(found) == 8
    output = project / "site"
    published = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with serving(published) as site:
        for command in found:
            here = [site.address if argument == ADDRESS else argument for argument in command]
            assert main(here) == 0, (command, capsys.readouterr())
        assert site.requests
    assert Path("scrub.state").exists()
