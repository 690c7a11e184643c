"""Shards that are kept as files: verified, taken out of, and what is not done with them said in a sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pack.test_files_container import FILES, project, whole_folder
from projects import Project

from packager.cli.app import main

NAME = "tones-all-00001"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=["hybrid", "v1", "v2"])
def made(tmp_path: Path, capsys: Capture, request: pytest.FixtureRequest) -> Project:
    held = project(tmp_path / "project", version=request.param)
    assert held.run(capsys, "release").code == 0
    return held


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def faults(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    code, out, err = run(capsys, "verify", *arguments, "--json", "--workers", 1)
    report = json.loads(out)
    assert code == (0 if report["good"] else 1), out + err
    found = report["faults"]
    assert isinstance(found, list)
    return found


def test_a_downloaded_folder_is_proved_and_each_bad_byte_found(made: Project, tmp_path: Path, capsys: Capture) -> None:
    folder = whole_folder(made, tmp_path / "got")
    release = ("--release", made.root / "output")
    assert faults(capsys, folder, *release) == []
    assert faults(capsys, tmp_path / "got", *release) == []
    for path, at in (("data/Album/02 two.flac", 299_999), ("data/a/b.ogg", 0), ("manifest-sha256.txt", 3)):
        right = (folder / path).read_bytes()
        (folder / path).write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        (found,) = faults(capsys, folder, *release)
        named = [found["path"], *found.get("members", ()), *found.get("tag_files", ())]
        assert any(name.endswith(path.removeprefix("data/")) for name in named), found
        (folder / path).write_bytes(right)
    (folder / "data/a/empty").unlink()
    (folder / "data/odd").write_bytes(b"x")
    assert sorted(fault["kind"] for fault in faults(capsys, folder, *release)) == ["extra", "missing"]


def test_the_archivists_own_folder_and_files_are_proved_where_they_lie(made: Project, capsys: Capture) -> None:
    assert faults(capsys, made.root / "shards") == []
    assert faults(capsys, made.root / "shards" / NAME) == []
    assert faults(capsys, made.source, "--release", made.root / "output") == []
    (made.source / "cover.jpg").write_bytes(bytes(16_385))
    (found,) = faults(capsys, made.source, "--release", made.root / "output")
    assert found["path"].endswith("cover.jpg")


def test_extract_takes_members_out_of_a_folder(made: Project, tmp_path: Path, capsys: Capture) -> None:
    folder = whole_folder(made, tmp_path / "got")
    release = ("--release", made.root / "output")
    code, out, _ = run(capsys, "extract", folder, "--to", tmp_path / "out", *release)
    assert code == 0
    for path in FILES:
        name = "100_~" if path.startswith("100%") else path
        match = next(
            each for each in (tmp_path / "out").rglob("*") if str(each.relative_to(tmp_path / "out")).startswith(name)
        )
        assert match.read_bytes() == (made.source / path).read_bytes()
    (folder / "data/cover.jpg").write_bytes(bytes(16_385))
    code, out, err = run(capsys, "extract", folder, "--to", tmp_path / "again", "--path", "cover.jpg", *release)
    assert code == 1
    assert "cover.jpg" in out + err
    assert not (tmp_path / "again" / "cover.jpg").exists()


def test_what_is_not_done_with_folders_is_said_in_a_sentence(made: Project, tmp_path: Path, capsys: Capture) -> None:
    folder = whole_folder(made, tmp_path / "got")
    release = ("--release", made.root / "output")
    shutil.rmtree(folder / "data" / "Album")
    for command in (("repair", folder), ("rebuild", NAME, "--from", made.source)):
        code, _, err = run(capsys, *command, *release)
        assert code == 2, err
        assert "its shard is kept as files" in err
