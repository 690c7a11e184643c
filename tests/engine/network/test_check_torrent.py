"""check_torrent.py and libtorrent_session.py: a .torrent that other programs read otherwise is not published."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packager.core.bittorrent import bencode, build_torrent
from packager.core.bittorrent.build_torrent import SingleFileContents
from packager.core.bittorrent.merkle import BLOCK
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.engine.network import libtorrent_session
from packager.engine.network.check_torrent import check_torrent
from packager.errors import InputError, TrustError
from packager.model import TorrentVersion
from tests.helpers.libtorrent_torrents import made_of_folder, pattern

VERSIONS: tuple[TorrentVersion, ...] = ("hybrid", "v1", "v2")
SIZE = 5 * BLOCK + 17
DATA = pattern(SIZE)


def made(version: TorrentVersion, **changes: Any) -> tuple[bytes, dict[str, Any]]:
    """A .torrent of DATA and what check_torrent has to be told of it."""
    hashes = StreamHasher(SIZE, 2 * BLOCK, v1=True, v2=True, flat=False)
    hashes.update(memoryview(DATA))
    found = hashes.finish()
    file = SingleFileContents("demo-audio-00001.tar", SIZE, 2 * BLOCK, found.pieces, found.layer, found.pieces_root)
    file = replace(file, **changes)
    info = build_torrent.build_info(file, version)
    data = build_torrent.build_torrent(
        info,
        file=file,
        trackers=(("http://t.example/announce",), ("udp://u.example:6969",)),
        web_seeds=("https://w.example/shards/",),
        creation_date=1795219200,
    )
    facts = {
        "infohash_v1": build_torrent.infohash_v1(info) if version != "v2" else None,
        "infohash_v2": build_torrent.infohash_v2(info) if version != "v1" else None,
        "size": file.size,
        "where": "demo-audio-00001.torrent",
    }
    return data, facts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_good_torrent_passes(version: TorrentVersion) -> None:
    data, facts = made(version)
    check_torrent(data, **facts)
    assert libtorrent_session.read_with_libtorrent(data, "x") == libtorrent_session.LoadedTorrent(
        facts["infohash_v1"], facts["infohash_v2"], SIZE, 2 * BLOCK
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_pad_files_do_not_count_as_data(tmp_path: Path, version: TorrentVersion) -> None:
    (tmp_path / "album").mkdir()
    for name, size in (("a", 3), ("b", BLOCK + 1)):
        (tmp_path / "album" / name).write_bytes(pattern(size))
    data = bencode.encode(made_of_folder(tmp_path / "album", BLOCK, version))
    assert libtorrent_session.read_with_libtorrent(data, "x").size == BLOCK + 4


@pytest.mark.parametrize(
    ("version", "told", "fault"),
    [
        ("hybrid", {"infohash_v1": bytes(20)}, f"its v1 infohash is {'0' * 40}, and "),
        ("hybrid", {"infohash_v2": bytes(32)}, f"its v2 infohash is {'0' * 64}, and "),
        ("v1", {"infohash_v2": bytes(32)}, f"its v2 infohash is {'0' * 64}, and none to libtorrent"),
        ("v2", {"infohash_v2": None}, "its v2 infohash is none, and "),
        ("hybrid", {"size": SIZE + 1}, f"it is of {SIZE + 1} bytes, and of {SIZE} to libtorrent"),
    ],
)
def test_what_libtorrent_finds_otherwise_is_refused(version: TorrentVersion, told: dict[str, Any], fault: str) -> None:
    data, facts = made(version)
    with pytest.raises(TrustError, match=re.escape(f"demo-audio-00001.torrent: {fault}")):
        check_torrent(data, **{**facts, **told})


@pytest.mark.parametrize(
    ("version", "changes"),
    [
        ("v1", {"pieces": b"x" * 19}),
        ("hybrid", {"pieces": b""}),
        ("v2", {"layer": b"x" * 96}),
        ("hybrid", {"layer": b""}),
        ("hybrid", {"piece_length": 3 * BLOCK}),
        ("v1", {"size": 0, "pieces": b""}),
    ],
)
def test_what_libtorrent_does_not_load_is_refused(version: TorrentVersion, changes: dict[str, Any]) -> None:
    data, facts = made(version, **changes)
    with pytest.raises(TrustError, match=r"^demo-audio-00001\.torrent: libtorrent refuses the \.torrent: "):
        check_torrent(data, **facts)


def test_what_torf_does_not_validate_is_refused() -> None:
    data, facts = made("v1", piece_length=20_000, pieces=b"x" * 100)
    with pytest.raises(TrustError, match=r"torf refuses the \.torrent: .*piece length"):
        check_torrent(data, **facts)


@pytest.mark.parametrize("data", [b"", b"x", b"de", b"d4:infodee", b"l" * 100_000])
def test_bytes_that_are_no_torrent_end_in_our_error(data: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.torrent: libtorrent refuses the \.torrent"):
        libtorrent_session.read_with_libtorrent(data, "x.torrent")


@pytest.mark.interop
@pytest.mark.parametrize("version", ["hybrid", "v1"])
def test_aria2_shows_our_torrent(program: Callable[[str], str], tmp_path: Path, version: TorrentVersion) -> None:
    data, facts = made(version)
    (tmp_path / "x.torrent").write_bytes(data)
    aria2 = program("aria2c")
    said = run(aria2, "-S", str(tmp_path / "x.torrent"))
    assert "Name: demo-audio-00001.tar" in said
    assert "The Number of Pieces: 3" in said
    assert "http://t.example/announce" in said
    assert "https://w.example/shards/" in said
    expected = facts["infohash_v1"]
    if version == "hybrid" and aria2_release(aria2) < (1, 37):
        expected = without_empty_keys(data)
    assert f"Info Hash: {expected.hex()}" in said


def aria2_release(aria2: str) -> tuple[int, ...]:
    return tuple(map(int, run(aria2, "--version").split()[2].split(".")))


def without_empty_keys(data: bytes) -> bytes:
    """What aria2 before 1.37 takes for a hybrid's v1 infohash: its parser drops BEP 52's zero-length key."""
    top: Any = bencode.decode(data, "x")
    tree = top[b"info"][b"file tree"]
    return build_torrent.infohash_v1({**top[b"info"], b"file tree": {name: {} for name in tree}})


@pytest.mark.interop
def test_transmission_shows_our_v1_torrent(program: Callable[[str], str], tmp_path: Path) -> None:
    data, facts = made("v1")
    (tmp_path / "x.torrent").write_bytes(data)
    said = run(program("transmission-show"), str(tmp_path / "x.torrent"))
    assert f"Hash: {facts['infohash_v1'].hex()}" in said
    assert "demo-audio-00001.tar" in said
    assert "udp://u.example:6969" in said


def run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"TZ": "UTC", "LC_ALL": "C.UTF-8"})
    return done.stdout
