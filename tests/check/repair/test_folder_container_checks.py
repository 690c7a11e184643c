"""Shards that are kept as files: verified, taken out of, and what is not done with them said in a sentence."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from tests.helpers.first_releases import first_release
from tests.helpers.http_server import serving
from tests.helpers.libtorrent_peer import seeding
from tests.helpers.projects import Project, whole_folder
from tests.pack.test_folder_container import FILES, project

NAME = "tones-all-00001"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=["hybrid", "v1", "v2"])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    return first_release(tmp_path / "project", _release, request.param)


def _release(root: Path, version: str) -> Project:
    held = project(root, version=version)
    held.release()
    return held


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def faults(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    code, out, err = run(capsys, "verify", *arguments, "--json", "--workers", 1)
    report = json.loads(out)
    assert code == (0 if report["ok"] else 1), out + err
    found = report["faults"]
    assert isinstance(found, list)
    return found


def test_a_downloaded_folder_is_proved_and_each_bad_byte_found(made: Project, tmp_path: Path, capsys: Capture) -> None:
    folder = whole_folder(made, tmp_path / "got")
    release = ("--release", made.root / "site")
    assert faults(capsys, folder, *release) == []
    assert faults(capsys, tmp_path / "got", *release) == []
    for path, at in (("data/Album/02 two.flac", 299_999), ("data/a/b.ogg", 0), ("manifest-sha256.txt", 3)):
        right = (folder / path).read_bytes()
        (folder / path).write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        (found,) = faults(capsys, folder, *release)
        named = [found["path"], *found.get("members", ()), *found.get("tag_files", ())]
        assert any(name.endswith(path.removeprefix("data/")) for name in named), found
        (folder / path).write_bytes(right)
    check_empty_files(folder, capsys, release)
    (folder / "data/a/empty").unlink()
    (folder / "data/odd").write_bytes(b"x")
    assert sorted(fault["kind"] for fault in faults(capsys, folder, *release)) == ["extra", "missing"]
    shutil.rmtree(folder / "data")  # all members: only the project that packed them keeps them elsewhere
    assert {"missing"} == {fault["kind"] for fault in faults(capsys, folder, *release)}


def check_empty_files(folder: Path, capsys: Capture, release: tuple[object, ...]) -> None:
    """Repair and its dry run report a missing file without bytes, which no piece tells of, as verify does."""

    def repair(*options: str) -> tuple[int, Any]:
        code, out, err = run(capsys, "repair", folder, *release, "--no-web-seeds", "--json", *options)
        assert out, err
        return code, json.loads(out)

    empty = folder / "data/a/empty"
    empty.unlink()
    for blocked in (False, True):
        if blocked:
            empty.mkdir()
        assert [fault["path"] for fault in faults(capsys, folder, *release)] == [str(empty)]
        code, report = repair("--dry-run")
        assert (code, report["complete"], report["missing_files"]) == (1, False, ["data/a/empty"])
        assert not empty.is_file()
    code, report = repair()
    assert (code, report["complete"], report["created_files"]) == (1, False, 0)
    assert "something else has the name" in run(capsys, "repair", folder, *release, "--no-web-seeds")[1]
    empty.rmdir()
    stranger = folder.parent / "of somebody else"
    stranger.write_bytes(b"no file of the shard")
    empty.symlink_to(stranger)
    repair()
    assert stranger.read_bytes() == b"no file of the shard"  # nothing is cut through a link
    empty.unlink()
    assert "1 file without bytes missing" in run(capsys, "repair", folder, *release, "--dry-run")[1]
    code, report = repair()
    assert (code, report["complete"], report["created_files"], empty.read_bytes()) == (0, True, 1, b"")
    assert faults(capsys, folder, *release) == []
    (folder / "data/a/odd").write_bytes(b"x")
    for options in (["--dry-run"], []):
        code, report = repair(*options)
        assert (code, report["complete"], report["extra_files"]) == (1, False, [str(folder / "data/a/odd")])
    assert "move the files that are not in the shard" in run(capsys, "repair", folder, *release, "--no-web-seeds")[1]
    (folder / "data/a/odd").unlink()
    shutil.move(folder / "data/a", folder.parent / "kept")
    code, report = repair("--dry-run")
    assert (report["missing_files"], report["bad_pieces"] > 0) == (["data/a/empty"], True)
    assert repair()[1]["created_files"] == 1
    shutil.rmtree(folder / "data/a")
    shutil.move(folder.parent / "kept", folder / "data/a")


def test_the_archivists_own_folder_and_files_are_proved_where_they_lie(made: Project, capsys: Capture) -> None:
    assert faults(capsys, made.root / "shards") == []
    assert faults(capsys, made.root / "shards" / NAME) == []
    assert faults(capsys, made.source, "--release", made.root / "site") == []
    (made.source / "cover.jpg").write_bytes(bytes(16_385))
    (found,) = faults(capsys, made.source, "--release", made.root / "site")
    assert found["path"].endswith("cover.jpg")


def test_extract_takes_members_out_of_a_folder(made: Project, tmp_path: Path, capsys: Capture) -> None:
    folder = whole_folder(made, tmp_path / "got")
    release = ("--release", made.root / "site")
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


def spoil(folder: Path, path: str, at: int) -> None:
    right = (folder / path).read_bytes()
    (folder / path).write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])


def whole(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_inspect_finds_no_fault_in_the_members_table_of_a_folder_unless_members_overlap(
    made: Project, tmp_path: Path, capsys: Capture
) -> None:
    table = made.root / f"site/manifests/{NAME}.members.parquet"
    assert run(capsys, "inspect", table)[0] == 0
    rows = pq.read_table(table)
    offsets, sizes = rows["offset"].to_pylist(), rows["size"].to_pylist()
    for wrong in (offsets[0], offsets[0] + 1, offsets[0] + sizes[0] - 1):
        column = [offsets[0], wrong, *offsets[2:]]
        changed = rows.set_column(rows.column_names.index("offset"), rows.schema.field("offset"), [column])
        pq.write_table(changed, tmp_path / "wrong.members.parquet")
        code, out, _ = run(capsys, "inspect", tmp_path / "wrong.members.parquet")
        assert (code, f"its offset {wrong} cannot be the start of data in a tar" in out) == (1, True), out


def test_repair_mends_bad_missing_short_and_long_files_from_loose_ones(
    made: Project, tmp_path: Path, capsys: Capture
) -> None:
    folder = whole_folder(made, tmp_path / "got")
    right = whole(folder)
    options = ("--release", made.root / "site", "--no-web-seeds", "--workers", 1)
    assert run(capsys, "repair", folder, *options)[0] == 0
    spoil(folder, "data/Album/01 one.flac", 0)
    spoil(folder, "data/Album/01 one.flac", 299_999)
    spoil(folder, "records.jsonl", 5)
    (folder / "data/a/b/c/é.ogg").unlink()
    (folder / "data/z").unlink()
    shutil.rmtree(folder / "data/Album (live)")
    (folder / "data/Album/02 two.flac").write_bytes(right["data/Album/02 two.flac"][:100_000])
    with open(folder / "data/cover.jpg", "ab") as file:
        file.write(b"more")
    code, out, _ = run(capsys, "repair", folder, *options, "--dry-run", "--json")
    report = json.loads(out)
    assert (code, report["complete"], report["excess_bytes"]) == (1, False, 4)
    assert report["bad_pieces"] > 0
    assert not (folder / "data/z").exists()
    code, out, err = run(capsys, "repair", folder, "--from", made.source, *options, "--json")
    report = json.loads(out)
    assert (code, report["complete"], report["repaired"]) == (0, True, report["bad_pieces"]), err
    assert report["unrepaired"] == []
    assert whole(folder) == right


def test_repair_reads_back_what_it_wrote_into_a_folder(
    made: Project, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = whole_folder(made, tmp_path / "got")
    spoil(folder, "data/Album/01 one.flac", 0)
    monkeypatch.setattr(os, "pwrite", lambda _, data, __: len(data))  # a disk that says yes and keeps nothing
    options = ("--release", made.root / "site", "--no-web-seeds", "--workers", 1, "--json")
    code, out, _ = run(capsys, "repair", folder, "--from", made.source, *options)
    report = json.loads(out)
    assert (code, report["complete"], report["repaired"]) == (1, False, 0)
    assert report["unrepaired_pieces"] == report["bad_pieces"]
    assert "the disk returns other bytes" in report["unrepaired"][0]["reasons"][0]


def test_repair_takes_just_the_bad_pieces_of_a_folder_from_a_web_seed_and_from_peers(
    made: Project, tmp_path: Path, capsys: Capture
) -> None:
    folder = whole_folder(made, tmp_path / "got")
    right = whole(folder)
    copy = shutil.copytree(folder, tmp_path / "seed" / NAME)
    torrent = made.root / "site/torrents" / f"{NAME}.torrent"
    options = ("--release", made.root / "site", "--workers", 1, "--json")
    with serving({f"w/{NAME}/{path}": data for path, data in right.items()}) as site:
        spoil(folder, "data/Album/02 two.flac", 150_000)
        spoil(folder, "manifest-sha256.txt", 3)
        code, out, _ = run(capsys, "repair", folder, "--from", f"{site.address}w/", *options)
        assert (code, json.loads(out)["complete"]) == (0, True)
        assert whole(folder) == right
        assert site.sent < 4 * 16384
    (folder / "data/Album/02 two.flac").unlink()
    with seeding(torrent, copy.parent) as peer:
        code, out, err = run(
            capsys, "repair", folder, "--no-web-seeds", "--peer", peer, "--listen", "127.0.0.1:0", *options
        )
        assert (code, json.loads(out)["complete"]) == (0, True), err
    assert whole(folder) == right


def test_rebuild_writes_the_folder_again_from_files_of_any_name(made: Project, tmp_path: Path, capsys: Capture) -> None:
    right = whole(whole_folder(made, tmp_path / "got"))
    loose = tmp_path / "loose"
    loose.mkdir()
    for number, path in enumerate(sorted(made.source.rglob("*"))):
        if path.is_file():
            shutil.copy(path, loose / f"{number}.bin")
    out = tmp_path / "out" / NAME
    options = ("--release", made.root / "site", "--from", loose, "--to", out, "--index", tmp_path / "index")
    code, _, err = run(capsys, "rebuild", NAME, *options, "--workers", 1)
    assert code == 0, err
    assert whole(out) == right
    assert "Nothing to do: " in run(capsys, "rebuild", NAME, *options, "--workers", 1)[1]
    assert sorted(path.name for path in out.parent.iterdir()) == [NAME]
    spoil(out, "data/cover.jpg", 7)
    code, _, err = run(capsys, "rebuild", NAME, *options, "--workers", 1)
    assert (code, "differs from the shard" in err) == (2, True)
    shutil.rmtree(out)
    next(path for path in loose.iterdir() if path.stat().st_size == 16_385).unlink()
    code, _, err = run(capsys, "rebuild", NAME, *options, "--workers", 1)
    assert code == 3
    assert "cover.jpg" in err
    assert list(out.parent.iterdir()) == []


def test_a_mirror_leaves_folders_out_and_says_so(made: Project, tmp_path: Path, capsys: Capture) -> None:
    options = (tmp_path / "mirror", "--budget", "1 GB", "--allow-unsigned", "--yes", "--json")
    code, out, err = run(capsys, "mirror", "follow", made.root / "site", *options)
    assert NAME in out + err, (code, out, err)
    assert "kept as files" in out + err
    assert "Traceback" not in err
