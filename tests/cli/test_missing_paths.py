"""A path that is not there is reported with what to do, by every command that reads one."""

from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.tagged_archive import Capture


@pytest.mark.parametrize(
    "arguments",
    [
        "verify no",
        "verify no.tar",
        "verify here --sums no",
        "verify a.tar --manifest no.manifest.json",
        "verify a.tar --torrent no.torrent",
        "verify a.tar --release no",
        "repair no.tar",
        "repair no.tar --manifest no.manifest.json",
        "repair a.tar --torrent no.torrent",
        "rebuild no.tar --from here",
        "rebuild no.manifest.json --from here",
        "extract no.tar",
        "extract a.tar --manifest no.manifest.json",
        "seed no.tar",
        "seed a.tar --torrent no.torrent",
        "inspect no",
        "inspect no.torrent",
        "torrent no",
        "get x --release no --to here",
        "scan --config no.toml",
    ],
)
def test_a_path_that_is_not_there_is_reported_with_its_fix(
    tmp_path: Path, arguments: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "a.tar").touch()
    assert main(arguments.split()) == 2
    *_, error, fix = capsys.readouterr().err.splitlines()
    label, where, what = error.split(": ", 2)
    assert label == "error"
    assert "no" in f"{where}: {what}"
    assert what
    assert fix.removeprefix("fix:   ")[0].isupper()
