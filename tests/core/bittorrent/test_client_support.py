"""client_support.py: what it says of clients, compared with those that are installed."""

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import libtorrent as lt
import pytest

from packager.core.bittorrent import bencode
from packager.core.bittorrent.client_support import FACTS, TorrentShape, client_troubles
from packager.core.bittorrent.parse_torrent import PIECE_MOST
from packager.units import MIB
from tests.helpers.libtorrent_torrents import made_of_data, pattern

VERSIONS = ("v1", "hybrid", "v2")


@pytest.fixture
def torrents(tmp_path: Path) -> dict[str, Path]:
    """A .torrent of each version, made by libtorrent."""
    for version in VERSIONS:
        made = made_of_data(tmp_path, "x.bin", pattern(100_000), 16384, version)
        (tmp_path / f"{version}.torrent").write_bytes(lt.bencode(made))
    return {version: tmp_path / f"{version}.torrent" for version in VERSIONS}


def named(client: str, shape: TorrentShape) -> list[bool]:
    """Whether each of a client's troubles with a shape is a refusal."""
    return [fact.refuses for fact in client_troubles(shape) if fact.client.startswith(client)]


def test_a_v1_torrent_of_common_pieces_troubles_nobody() -> None:
    assert client_troubles(TorrentShape("v1", 16 * MIB, 100_000)) == ()
    assert client_troubles(TorrentShape("v1", None, None)) == ()


def test_every_fact_that_we_saw_has_its_version() -> None:
    assert all(re.fullmatch(r"[0-9]+(\.[0-9]+)+", fact.version) for fact in FACTS if fact.tried)


def installed(path: str, version: str) -> None:
    """Skip where another version is installed than the one that the table tells of."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if version not in done.stdout + done.stderr:
        pytest.skip(f"{path} is not of version {version}")


@pytest.mark.interop
@pytest.mark.parametrize("version", VERSIONS)
def test_transmission_refuses_what_the_table_says(
    torrents: dict[str, Path], version: str, program: Callable[[str], str]
) -> None:
    path = program("transmission-show")
    installed(path, "3.00")
    shown = subprocess.run([path, torrents[version]], capture_output=True, text=True, check=False)
    refused = "Error parsing" in shown.stdout + shown.stderr
    assert refused == bool(named("Transmission", TorrentShape(version, 16384, 1000)))


@pytest.mark.interop
@pytest.mark.parametrize("version", VERSIONS)
def test_aria2_reads_or_refuses_what_the_table_says(
    torrents: dict[str, Path], version: str, program: Callable[[str], str]
) -> None:
    path = program("aria2c")
    installed(path, "1.36.0")
    said = subprocess.run([path, "-S", torrents[version]], capture_output=True, text=True, check=False).stdout
    info = bencode.decode(torrents[version].read_bytes(), "x")[b"info"]
    right = f"Info Hash: {hashlib.sha1(bencode.encode(info)).hexdigest()}" in said
    seen = [] if right else [False] if "Info Hash: " in said else [True]
    assert seen == named("aria2", TorrentShape(version, 16384, 1000))


@pytest.mark.interop
def test_aria2_refuses_a_link_without_a_v1_infohash(program: Callable[[str], str]) -> None:
    path = program("aria2c")
    installed(path, "1.36.0")
    link = f"magnet:?xt=urn:btmh:1220{'ab' * 32}"
    done = subprocess.run([path, "--dry-run", "--enable-dht=false", link], capture_output=True, text=True, check=False)
    assert "Unrecognized URI" in done.stdout + done.stderr
    assert named("aria2", TorrentShape("v2", None, None)) == [True]


def v1_torrent(piece_length: int, size: int = 0) -> bytes:
    info = {b"length": 4, b"name": b"x", b"piece length": piece_length, b"pieces": bytes(20)}
    rest = max(0, size - len(lt.bencode({b"info": info, b"pad": b""})) - 6)
    return bytes(lt.bencode({b"info": info, b"pad": bytes(rest)}))


@pytest.mark.parametrize(("size", "loads"), [(10_000_000, True), (10_000_001, False)])
def test_libtorrent_loads_up_to_ten_million_bytes(size: int, loads: bool, tmp_path: Path) -> None:
    (tmp_path / "x.torrent").write_bytes(v1_torrent(16384, size))
    assert (tmp_path / "x.torrent").stat().st_size == size
    try:
        lt.load_torrent_file(str(tmp_path / "x.torrent"))
        found = True
    except RuntimeError:
        found = False
    assert found == loads
    assert bool(named("clients on libtorrent (", TorrentShape("v1", 16384, size))) != loads


def test_libtorrent_takes_pieces_up_to_what_we_read() -> None:
    lt.load_torrent_buffer(v1_torrent(PIECE_MOST))
    with pytest.raises(RuntimeError, match="piece length"):
        lt.load_torrent_buffer(v1_torrent(2 * PIECE_MOST))
