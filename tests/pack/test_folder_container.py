"""container = "folder": the same bag as a folder, hashed where its files lie, as a multi-file torrent."""

import html
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.magnet import parse_magnet
from packager.core.shards.bag import MANIFEST, TAGGED, TAGMANIFEST
from packager.engine.published.published_shard import open_published_shard, shard_files
from tests.helpers.libtorrent_torrents import FLAGS
from tests.helpers.projects import Project, whole_folder

CONFIG = """
[collection]
name = "tones"
title = "Tones"
source = "source"
[shards]
size = "3 MiB"
[torrents]
format = "{version}"
also_v1 = {also_v1}
piece_length = "16 KiB"
trackers = [["udp://tracker.example.org:6969/announce"]]
web_seeds = ["https://files.example.org/shards/"]
[[phases]]
name = "all"
title = "All"
order = "size DESC, path"
container = "{container}"
[release]
date = "2026-11-21"
url = "https://archive.example.org/"
"""
FILES = {
    "Album/01 one.flac": 300_000,
    "Album/02 two.flac": 300_000,
    "Album (live)/01.flac": 16_384,
    "a/b/c/é.ogg": 20_000,
    "a/b.ogg": 1,
    "a/empty": 0,
    "z": 0,
    "cover.jpg": 16_385,
    "100%.mp3": 70_000,
}


def project(root: Path, container: str = "folder", version: str = "hybrid", *, also_v1: bool = False) -> Project:
    """A collection in one shard of this container."""
    made = Project(root)
    for path, size in FILES.items():
        file = made.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.Random(path).randbytes(size))
        os.utime(file, (1_700_000_000, 1_700_000_000))
    config = CONFIG.format(container=container, version=version, also_v1=str(also_v1).lower())
    (root / "packager.toml").write_text(config)
    return made


def by_libtorrent(folder: Path, version: str, also: bytes = b"") -> dict[bytes, Any]:
    """What libtorrent makes of a folder, its files in the order of a .torrent of ours."""
    told = parse_torrent.parse_torrent(also, "ours")
    entries = [lt.create_file_entry("/".join(file.path), file.length) for file in told.files if not file.pad]
    creator = lt.create_torrent(entries, 16384, FLAGS[version])
    lt.set_piece_hashes(creator, str(folder.parent))
    made: dict[bytes, Any] = creator.generate()
    return made


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
def test_the_torrent_is_libtorrents_own_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    # libtorrent orders "Album (live)/" before "Album/" and "b.ogg" before "b/", and refuses its own hybrid then; see
    # tests/share/test_make_torrent.py.
    made = project(tmp_path, version=version)
    shutil.rmtree(made.source / "Album (live)")
    (made.source / "a/b.ogg").unlink()
    assert made.run(capsys, "release").code == 0
    ours = (tmp_path / "site/torrents/tones-all-00001.torrent").read_bytes()
    theirs = by_libtorrent(whole_folder(made, tmp_path / "whole"), version, ours)
    mine = lt.bdecode(ours)
    assert lt.bencode(mine[b"info"]) == lt.bencode(theirs[b"info"])
    if version != "v1":
        assert mine[b"piece layers"] == theirs[b"piece layers"]
    assert mine[b"info"][b"name"] == b"tones-all-00001"
    assert lt.load_torrent_buffer(ours).ti.num_pieces() > 0


def test_hybrid_folders_whose_names_go_on_after_others_load_in_libtorrent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path)
    assert made.run(capsys, "release").code == 0
    ours = (tmp_path / "site/torrents/tones-all-00001.torrent").read_bytes()
    layers = by_libtorrent(whole_folder(made, tmp_path / "whole"), "v2", ours)
    mine = lt.bdecode(ours)
    assert mine[b"info"][b"file tree"] == layers[b"info"][b"file tree"]
    assert mine[b"piece layers"] == layers[b"piece layers"]
    assert lt.load_torrent_buffer(ours).ti.num_pieces() > 0


def test_the_payload_manifests_are_those_of_the_tar_and_nothing_is_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {name: project(tmp_path / name, container=name) for name in ("tar", "folder")}
    for each in made.values():
        assert each.run(capsys, "release").code == 0
    subprocess.run(["tar", "xf", made["tar"].root / "shards/tones-all-00001.tar", "-C", tmp_path], check=True)
    folder = made["folder"].root / "shards" / "tones-all-00001"
    assert sorted(path.name for path in folder.rglob("*")) == sorted([*TAGGED, TAGMANIFEST])
    for name in (*TAGGED, TAGMANIFEST):
        assert (folder / name).read_bytes() == (tmp_path / "tones-all-00001" / name).read_bytes()
    assert "data/Album/01 one.flac" in (folder / MANIFEST).read_text()
    tables = [
        open_published_shard(shard_files(each.root / "site/manifests/tones-all-00001.manifest.json")).members
        for each in made.values()
    ]
    assert tables[0].drop_columns("offset").equals(tables[1].drop_columns("offset"))
    whole = whole_folder(made["folder"], tmp_path / "whole")
    subprocess.run([sys.executable, "-m", "bagit", "--validate", "--quiet", str(whole)], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", MANIFEST], cwd=whole, check=True)


def test_offsets_are_of_the_torrents_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    assert made.run(capsys, "release").code == 0
    published = open_published_shard(shard_files(tmp_path / "site/manifests/tones-all-00001.manifest.json"))
    told = parse_torrent.parse_torrent((tmp_path / "site/torrents/tones-all-00001.torrent").read_bytes(), "x")
    listed = {"/".join(file.path[2:]): file.offset for file in told.files if file.path[1] == "data"}
    assert dict(zip(*(published.members[name].to_pylist() for name in ("path", "offset")), strict=True)) == listed
    pieces = published.pieces
    stream = b"".join(
        segment.data
        if not hasattr(segment, "member")
        else (
            made.source
            / (
                published.members["source_path"][segment.member].as_py()
                or published.members["path"][segment.member].as_py()
            )
        ).read_bytes()[segment.start : segment.stop]
        for segment in published.layout.segments(digests=published.digests)
    )
    for piece in range(pieces.count):
        start, stop = pieces.span(piece)
        assert pieces.is_right(piece, stream[start:stop])
        assert not pieces.is_right(piece, stream[start : stop - 1] + bytes([stream[stop - 1] ^ 1]))


def test_lists_and_magnets_tell_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    assert made.run(capsys, "release").code == 0
    release = json.loads((tmp_path / "site/release.json").read_bytes())
    (shard,) = release["shards"]
    assert (shard["file"], shard["container"], shard["pieces_root"]) == ("tones-all-00001", "folder", None)
    tag_files = sum(path.stat().st_size for path in (tmp_path / "shards/tones-all-00001").iterdir())
    assert shard["size"] == sum(FILES.values()) + tag_files
    (listed,) = json.loads((tmp_path / "site/torrents.json").read_bytes())
    assert (listed["num_files"], listed["data_size"]) == (len(FILES) + 5, shard["size"])
    assert f"&dn=tones-all-00001&xl={shard['size']}&" in shard["magnet"]
    assert shard["magnet"].endswith("&ws=https%3A%2F%2Ffiles.example.org%2Fshards%2F")
    page = html.unescape((tmp_path / "site/shards/tones-all-00001/index.html").read_text())
    assert "tar xf" not in page
    assert "Pieces root" not in page
    told = lt.load_torrent_file(str(tmp_path / "site/torrents/tones-all-00001.torrent")).ti.layout()
    links = re.findall(r'href="(magnet:[^"]*&so=(\d+)&x\.pk=[^"]*)"', page)
    assert len(links) == len(FILES)
    for link, number in links:
        (member,) = parse_magnet(link).members
        assert told.file_path(int(number)) == f"tones-all-00001/data/{member.path}"
    assert lt.parse_magnet_uri(shard["magnet"]).info_hashes.v1.to_bytes().hex() == shard["infohash_v1"]


def test_a_second_run_has_nothing_to_do_and_other_links_read_no_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, also_v1=True)
    assert made.run(capsys, "release").code == 0
    first = made.published()
    assert "Nothing to pack: " in made.run(capsys, "pack").out
    assert made.run(capsys, "release").code == 0
    assert made.published() == first
    for version in ("", ".v1"):
        torrent = first[f"site/torrents/tones-all-00001{version}.torrent"]
        assert lt.load_torrent_buffer(torrent).ti.num_pieces() > 0
    config = tmp_path / "packager.toml"
    config.write_text(config.read_text().replace("tracker.example.org", "other.example.org"))
    assert made.run(capsys, "plan").code == 0
    assert "no file was read" in made.run(capsys, "pack").out
    assert made.run(capsys, "publish").code == 0
    now = made.published()["site/torrents/tones-all-00001.torrent"]
    assert lt.bdecode(now)[b"info"] == lt.bdecode(first["site/torrents/tones-all-00001.torrent"])[b"info"]
    assert lt.bdecode(now)[b"announce"] == b"udp://other.example.org:6969/announce"


def test_a_changed_source_is_named_and_leaves_no_shard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    assert made.run(capsys, "scan").code == made.run(capsys, "plan").code == 0
    (made.source / "cover.jpg").write_bytes(b"another")
    ran = made.run(capsys, "pack")
    assert ran.code == 3
    assert "cover.jpg" in ran.err
    assert not (tmp_path / "shards/tones-all-00001").exists()


def test_the_plan_warns_of_too_many_files_and_too_large_a_torrent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path)
    for number in range(5100):
        (made.source / f"{number:04d} a name as long as those of tracks often are, with artist and title.flac").touch()
    (made.source / "long.wav").touch()
    os.truncate(made.source / "long.wav", 600 << 20)
    config = tmp_path / "packager.toml"
    config.write_text(config.read_text().replace('"3 MiB"', '"1 GiB"'))
    assert made.run(capsys, "scan").code == 0
    ran = made.run(capsys, "plan")
    assert ran.code == 0
    assert "warning: all: 1 torrent of up to 5,115 files, but common clients handle only 5,000 well" in ran.out
    assert "warning: all: 1 .torrent of up to " in ran.out
    report = json.loads(made.run(capsys, "plan", "--json").out)
    assert [warning["where"] for warning in report["warnings"]] == ["all", "all"]
    config.write_text(config.read_text().replace('container = "folder"', 'container = "tar"'))
    assert "warning" not in made.run(capsys, "plan").out


def test_the_planned_size_of_the_torrent_is_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("hybrid", "v1", "v2"):
        made = project(tmp_path / version, version=version)
        assert made.run(capsys, "scan").code == 0
        (phase,) = json.loads(made.run(capsys, "plan", "--json").out)["plan"]["phases"]
        assert made.run(capsys, "release").code == 0
        torrent = tmp_path / version / "site/torrents/tones-all-00001.torrent"
        assert [shard["torrent_size"] for shard in phase["shards"]] == [torrent.stat().st_size]


def test_a_catalogue_phase_cannot_be_kept_as_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    config = tmp_path / "packager.toml"
    config.write_text(config.read_text().replace('order = "size DESC, path"', 'content = "catalogue"'))
    ran = made.run(capsys, "plan")
    assert ran.code == 2
    assert "phases[0].container" in ran.err
