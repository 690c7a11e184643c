"""Verifying by the workers of a cluster: the report of one machine."""

import json
import os
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import make_project

Capture = pytest.CaptureFixture[str]


def report(capsys: Capture, *arguments: str) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(["verify", "--json", *arguments])
    return code, {**json.loads(capsys.readouterr().out), "seconds": 0}


def test_the_report_of_bad_tars_is_the_one_of_this_machine(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    project.write_config(size="64 KiB")
    assert project.run(capsys, "release", "--workers", "1").code == 0
    tars = sorted((project.root / "shards").glob("*.tar"))
    with open(tars[0], "r+b") as bad:
        bad.seek(5000)
        bad.write(b"\0wrong\0")
    os.truncate(tars[1], 6000)
    tars[2].unlink()
    monkeypatch.chdir(project.root)  # workers stand in other folders
    here = report(capsys, "shards", "--release", "site", "--workers", "1")
    there = report(capsys, "shards", "--release", "site", "--cluster", "local:2")
    assert there == here
    assert here[0] == 1


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--cluster", "local:2", "--workers", "2"], "--workers cannot be used with --cluster"),
        (["--cluster", "here:2"], '"here:2" is not an address'),
        (["--cluster", "local:2", "--read-limit", "1 MB/s"], "--read-limit cannot be used with --cluster"),
        (["--cluster", "ftp://127.0.0.1:1"], '"ftp://127.0.0.1:1" is not an address'),
    ],
)
def test_options_that_make_no_cluster_are_refused(
    options: list[str], what: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "x.bin").write_bytes(b"x")
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  x.bin\n")
    assert main(["verify", str(tmp_path), "--sums", str(tmp_path / "SHA256SUMS"), *options]) == 2
    assert what in capsys.readouterr().err
