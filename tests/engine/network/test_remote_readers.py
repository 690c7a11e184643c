"""Sources over the network: their addresses, and how one takes over where another failed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from packager.core.bittorrent import bencode, build_torrent, parse_torrent
from packager.core.shards.layout import Layout
from packager.engine.files.range_readers import UnreachableError, UnreadableError
from packager.engine.files.shard_torrent import ShardTorrent, open_shard_torrent
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.http_client import HttpClient
from packager.engine.network.remote_readers import (
    WebSeedReader,
    first_working_reader,
    open_remote_readers,
    web_seed_address,
)
from packager.errors import InputError
from tests.helpers.http_server import LOOPBACK, serving
from tests.helpers.libtorrent_peer import seeding

DATA = random.Random(3).randbytes(300_000)
PIECE = 64 << 10
NO_LAYOUT: Layout = None  # type: ignore[assignment]  # sources over the network do not look at it


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def shared(web_seeds: tuple[str, ...] = ()) -> ShardTorrent:
    hashes = StreamHasher(len(DATA), PIECE, v1=True, v2=True, flat=False)
    hashes.update(memoryview(DATA))
    found = hashes.finish()
    file = build_torrent.SingleFileContents("a b.tar", len(DATA), PIECE, found.pieces, found.layer, found.pieces_root)
    made = build_torrent.build_torrent(
        build_torrent.build_info(file, "hybrid"),
        file=file,
        trackers=(),
        web_seeds=web_seeds,
        creation_date=1_700_000_000,
    )
    return ShardTorrent(made, parse_torrent.parse_torrent(made, "a b.torrent"))


def read(source: Iterator[bytes]) -> bytes:
    return b"".join(source)


def test_a_web_seed_that_ends_in_a_slash_is_a_folder() -> None:
    assert web_seed_address("https://a.example/shards/", "a b#c.tar") == "https://a.example/shards/a%20b%23c.tar"
    assert web_seed_address("https://a.example/get?x", "a.tar") == "https://a.example/get?x"


def test_named_web_seeds_come_before_the_torrents_own_and_none_twice(tmp_path: Path) -> None:
    file = shared(("http://127.0.0.1:1/two/", "gopher://x/", "http://127.0.0.1:1/one/"))
    for own, expected in ((True, ["one", "two"]), (False, ["one"])):
        remote = NetworkOptions(web_seeds=("http://127.0.0.1:1/one/",), no_web_seeds=not own)
        with open_remote_readers(file, remote, tmp_path / "scratch") as openers:
            names = [opener([]).name for opener in openers]
        assert names == [f"http://127.0.0.1:1/{folder}/a%20b.tar" for folder in expected]


def test_the_next_source_reads_on_where_one_failed(tmp_path: Path) -> None:
    with serving({"a b.tar": DATA}, "404") as bad, serving({"a b.tar": DATA}) as good:
        remote = NetworkOptions(web_seeds=(bad.address, good.address))
        with first_working_reader(shared(), remote, tmp_path / "scratch") as open_ranges:
            assert open_ranges is not None
            source = open_ranges(NO_LAYOUT, [(5, 500), (1000, 2000)])
            assert read(source.read(5, 500)) == DATA[5:500]
            assert read(source.read(1000, 2000)) == DATA[1000:2000]
        assert (bad.requests, good.requests) == (1, 2)
        with first_working_reader(
            shared(), NetworkOptions(web_seeds=(bad.address,)), tmp_path / "scratch"
        ) as open_ranges:
            assert open_ranges is not None
            source = open_ranges(NO_LAYOUT, [(5, 500)])
            for _ in range(2):
                with pytest.raises(UnreadableError, match="answers 404"):
                    read(source.read(5, 500))


def test_without_a_source_there_is_nothing_to_open(tmp_path: Path) -> None:
    for remote in (None, NetworkOptions()):
        with first_working_reader(shared(), remote, tmp_path / "scratch") as open_ranges:
            assert open_ranges is None


def test_ranges_come_from_a_peer_and_again_for_others(tmp_path: Path) -> None:
    file = shared()
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "a b.tar").write_bytes(DATA)
    (tmp_path / "x.torrent").write_bytes(file.torrent)
    assert open_shard_torrent(tmp_path / "x.torrent") == file
    scratch = tmp_path / "scratch"
    options = NetworkOptions(listen="127.0.0.1:0", timeout=30)
    with (
        seeding(tmp_path / "x.torrent", tmp_path / "peer") as peer,
        open_remote_readers(file, replace(options, peers=(peer,)), scratch) as (opener,),
    ):
        for start, stop in ((70_000, 200_000), (299_990, 300_000)):
            assert read(opener([(start, stop)]).read(start, stop)) == DATA[start:stop]
        assert scratch.is_dir()
    assert not scratch.exists()


def test_a_swarm_without_anybody_to_ask_is_refused(tmp_path: Path) -> None:
    remote = NetworkOptions(swarm=True)
    with (
        pytest.raises(InputError, match="no tracker, and there is no other way"),
        open_remote_readers(shared(), remote, tmp_path),
    ):
        pass


def test_a_torrent_of_a_folder_is_no_shard(tmp_path: Path) -> None:
    made = bencode.encode(
        {
            b"info": {
                b"name": b"x",
                b"piece length": 16384,
                b"pieces": bytes(20),
                b"files": [{b"length": 5, b"path": [b"one"]}],
            }
        }
    )
    (tmp_path / "x.torrent").write_bytes(made)
    with pytest.raises(InputError, match="is of a folder"):
        open_shard_torrent(tmp_path / "x.torrent")


def test_a_silent_web_seed_is_given_up_after_two_reads() -> None:
    with serving({"a b.tar": DATA}, "503") as site, HttpClient(pause=0.001, allowed=LOOPBACK) as web:
        source = WebSeedReader(web, site.address + "a%20b.tar", len(DATA))
        for _ in range(4):
            with pytest.raises(UnreachableError, match="answers 503"):
                read(source.read(0, 10))
        assert site.requests == 8
