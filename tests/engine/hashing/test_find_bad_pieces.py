"""Bad pieces of one file, found by processes or without, are those whose bytes are not right."""

from hashlib import sha1, sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import merkle
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing.find_bad_pieces import Ranges, bad_pieces
from packager.engine.hashing.stream_hasher import StreamHasher
from tests.helpers.libtorrent_torrents import pattern

PIECE = 32 << 10


def ranges_of(path: Path) -> Ranges:
    return lambda start, stop: [FileRange(bytes(path), start, stop - start)]


def hashes_of(data: bytes, version: str) -> PieceHashes:
    hashes = StreamHasher(len(data), PIECE, v1=version != "v2", v2=version != "v1", flat=False)
    hashes.update(memoryview(data))
    found = hashes.finish()
    return PieceHashes(len(data), PIECE, found.pieces_root, found.layer, found.pieces)


@settings(max_examples=40)
@given(
    size=st.integers(1, 9 * PIECE),
    version=st.sampled_from(["hybrid", "v1", "v2"]),
    flips=st.sets(st.integers(0, 9 * PIECE), max_size=4),
    cut=st.integers(0, 2 * PIECE),
)
def test_they_are_those_whose_bytes_are_other_or_not_there(
    tmp_path: Path, size: int, version: str, flips: set[int], cut: int
) -> None:
    right = pattern(size)
    pieces = hashes_of(right, version)
    data = bytearray(right)
    for at in flips:
        if at < size:
            data[at] ^= 255
    del data[max(size - cut, 0) :]
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    spans = [pieces.span(piece) for piece in range(pieces.count)]
    expected = [piece for piece, (start, stop) in enumerate(spans) if data[start:stop] != right[start:stop]]
    assert bad_pieces(ranges_of(path), pieces, range(pieces.count), workers=1, advance=lambda _: None) == expected
    asked = list(range(0, pieces.count, 2))
    found = bad_pieces(ranges_of(path), pieces, asked, workers=1, advance=lambda _: None)
    assert found == [piece for piece in expected if piece in asked]


@pytest.mark.parametrize("there", [True, False])
def test_processes_find_the_same_and_tell_each_byte_once(tmp_path: Path, there: bool) -> None:
    data = pattern(40 * PIECE + 5)
    pieces = hashes_of(data, "hybrid")
    path = tmp_path / "x.tar"
    if there:
        path.write_bytes(data[: 3 * PIECE] + b"!" + data[3 * PIECE + 1 :])
    read: list[int] = []
    bad = bad_pieces(ranges_of(path), pieces, range(pieces.count), workers=2, advance=read.append)
    assert bad == ([3] if there else list(range(41)))
    assert sum(read) == (len(data) if there else 0)


def test_the_hashes_of_one_block_are_their_own_root() -> None:
    pieces = hashes_of(b"x", "hybrid")
    assert pieces.pieces == sha1(b"x").digest()
    assert pieces.pieces_root == merkle.root_of_blocks(sha256(b"x").digest())
