"""The commands of the pages on extract and rebuild do what the pages say."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from packager import api
from packager.cli.app import main

ROOT = Path(__file__).parents[2]
SHARD = ROOT / "manifests/vectors/shard"
NAME = "example-texts-00001"


def commands(page: str) -> list[list[str]]:
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines()
    return [shlex.split(line.replace("NAME", NAME))[1:] for line in lines]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden shard's project, released, and the folder one is in."""
    shutil.copytree(SHARD / "source", tmp_path / "source")
    for name in ("records.csv", "packager.toml"):
        shutil.copyfile(SHARD / name, tmp_path / name)
    api.release(tmp_path / "packager.toml", workers=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_files_come_out_as_the_page_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands("get-files-out.md"):
        assert main(command) == 0, capsys.readouterr().err
    old = {path.relative_to("old"): path.read_bytes() for path in Path("old").rglob("*") if path.is_file()}
    source = {path.relative_to("source"): path.read_bytes() for path in Path("source").rglob("*") if path.is_file()}
    assert old.items() <= source.items()
    assert sorted(path.name.partition(" ")[0] for path in Path("player").iterdir()) == [
        str(number) for number in range(1, len(old) + 1)
    ]


def test_a_shard_is_rebuilt_as_the_page_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (project / f"shards/{NAME}.tar").read_bytes()
    (project / f"shards/{NAME}.tar").unlink()
    (project / "more").mkdir()
    folders = {"/music": "source", "/more": "more"}
    for command in commands("rebuild.md"):
        assert main([folders.get(word, word) for word in command]) == 0, capsys.readouterr().err
    for tar in (Path(f"{NAME}.tar"), Path(f"shards/{NAME}.tar")):
        assert tar.read_bytes() == whole
