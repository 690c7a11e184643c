"""build_torrent.py: byte for byte what libtorrent makes of the same file, and the published vectors."""

import json
from hashlib import sha1, sha256
from pathlib import Path

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import bencode, build_torrent
from packager.core.bittorrent.build_torrent import SingleFileContents
from packager.core.bittorrent.merkle import BLOCK
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.model import TorrentVersion
from packager.options import TorrentOptions
from tests.helpers.libtorrent_torrents import made_of_data, pattern

VECTORS = json.loads((Path(__file__).parents[3] / "manifests/vectors/metainfo.json").read_text())
VERSIONS: tuple[TorrentVersion, ...] = ("hybrid", "v1", "v2")
SIZES = (
    1,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    3 * BLOCK,
    4 * BLOCK,
    4 * BLOCK + 1,
    4 * BLOCK + 17,
    40 * BLOCK,
    37 * BLOCK + 5,
)
DATE = 1795219200


def hashed(name: str, data: bytes, piece_length: int) -> SingleFileContents:
    """A file with every digest that the pack pass finds."""
    hashes = StreamHasher(len(data), piece_length, v1=True, v2=True, flat=False)
    hashes.update(memoryview(data))
    found = hashes.finish()
    return SingleFileContents(
        name=name,
        size=len(data),
        piece_length=piece_length,
        pieces=found.pieces,
        layer=found.layer,
        pieces_root=found.pieces_root,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("piece_length", [BLOCK, 4 * BLOCK])
@pytest.mark.parametrize("size", SIZES)
def test_metainfo_equals_what_libtorrent_makes_of_the_file(
    tmp_path: Path, size: int, piece_length: int, version: TorrentVersion
) -> None:
    file = hashed("d\u00e9mo.tar", pattern(size), piece_length)
    info = build_torrent.build_info(file, version)
    made = made_of_data(tmp_path, file.name, pattern(size), piece_length, version)
    assert bencode.encode(info) == lt.bencode(made[b"info"])
    ours = build_torrent.build_torrent(info, file=file, trackers=(), web_seeds=(), creation_date=DATE)
    assert ours == lt.bencode({**made, b"creation date": DATE})
    hashes = lt.load_torrent_buffer(ours).info_hashes
    if version != "v2":
        assert build_torrent.infohash_v1(info) == hashes.v1.to_bytes()
    if version != "v1":
        assert build_torrent.infohash_v2(info) == hashes.v2.to_bytes()


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["name"])
def test_torrent_equals_the_published_vector(vector: dict[str, str | int]) -> None:
    file = hashed(VECTORS["file_name"], pattern(int(vector["length"])), VECTORS["piece_length"])
    info = build_torrent.build_info(file, vector["version"])
    data = build_torrent.build_torrent(
        info,
        file=file,
        trackers=VECTORS["trackers"],
        web_seeds=VECTORS["web_seeds"],
        creation_date=VECTORS["creation_date"],
    )
    assert data.hex() == vector["torrent"]
    assert vector["infohash_v1"] in (None, build_torrent.infohash_v1(info).hex())
    assert vector["infohash_v2"] in (None, build_torrent.infohash_v2(info).hex())


def test_infohashes_are_sha1_and_sha256_of_the_bencoded_info_dictionary() -> None:
    info = build_torrent.build_info(SingleFileContents("a", 1, BLOCK, b"x" * 20), "v1")
    raw = b"d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"e"
    assert bencode.encode(info) == raw
    assert build_torrent.infohash_v1(info) == sha1(raw).digest()
    assert build_torrent.infohash_v2(info) == sha256(raw).digest()


def test_trackers_web_seeds_and_date_stand_beside_the_info_dictionary_and_no_tool_is_named() -> None:
    file = SingleFileContents("a.tar", 1, BLOCK, b"x" * 20)
    data = build_torrent.build_torrent(
        build_torrent.build_info(file, "v1"),
        file=file,
        trackers=(("http://a/announce",), (), ("http://b/announce", "udp://c:1")),
        web_seeds=("https://w/",),
        creation_date=DATE,
    )
    fields = bencode.decode(data, "x")
    assert isinstance(fields, dict)
    del fields[b"info"]
    assert fields == {
        b"announce": b"http://a/announce",
        b"announce-list": [[b"http://a/announce"], [b"http://b/announce", b"udp://c:1"]],
        b"url-list": [b"https://w/"],
        b"creation date": DATE,
    }


def test_a_v1_twin_has_the_hybrids_pieces_and_another_infohash() -> None:
    file = hashed("a.tar", pattern(5 * BLOCK), BLOCK)
    hybrid, twin = build_torrent.build_info(file, "hybrid"), build_torrent.build_info(file, "v1")
    assert twin.items() <= hybrid.items()
    assert build_torrent.infohash_v1(hybrid) != build_torrent.infohash_v1(twin)


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    size=st.integers(0, 200 * BLOCK),
    piece_length=st.sampled_from([BLOCK, 4 * BLOCK]),
    options=st.builds(
        TorrentOptions,
        format=st.sampled_from(VERSIONS),
        trackers=st.lists(
            st.lists(st.sampled_from(["http://a/announce", "udp://b.example:6969"]), max_size=3).map(tuple), max_size=3
        ).map(tuple),
        web_seeds=st.lists(st.just("https://w/\u00e9/"), max_size=2).map(tuple),
    ),
)
@settings(max_examples=100)
def test_the_size_of_a_torrent_is_known_before_its_file_is_hashed(
    name: str, size: int, piece_length: int, options: TorrentOptions
) -> None:
    file = hashed(name, pattern(size), piece_length)
    made = build_torrent.build_torrent(
        build_torrent.build_info(file, options.format),
        file=file,
        trackers=options.trackers,
        web_seeds=options.web_seeds,
        creation_date=DATE,
    )
    assert build_torrent.torrent_size(name, size, piece_length, options) == len(made)


def test_the_size_of_a_torrent_is_exact_for_an_early_date_too() -> None:
    file = hashed("a", b"x", BLOCK)
    made = build_torrent.build_torrent(
        build_torrent.build_info(file, "v1"), file=file, trackers=(), web_seeds=(), creation_date=0
    )
    assert build_torrent.torrent_size("a", 1, BLOCK, TorrentOptions(format="v1"), creation_date=0) == len(made)
