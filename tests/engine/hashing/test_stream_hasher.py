"""One pass finds every hash of a stream, however it is cut into updates."""

from hashlib import sha1, sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.hashing.stream_hasher import Digests, StreamHasher

KIB = 1 << 10
BLOCK = 16 * KIB
PIECE = 64 * KIB  # four blocks, so that trees have several levels


def data_of(size: int) -> bytes:
    """Return bytes of which no two blocks are alike."""
    return b"".join(b"%016d" % n for n in range(size // 16 + 1))[:size]


def tree(leaves: list[bytes]) -> bytes:
    """Return the Merkle root over a power of two of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = len(leaves) // 2
    return sha256(tree(leaves[:half]) + tree(leaves[half:])).digest()


def reference(data: bytes, piece_length: int) -> Digests:
    """Return the digests by the words of BEP 3 and BEP 52, over the whole file in memory."""
    pieces = b"".join(sha1(data[at : at + piece_length]).digest() for at in range(0, len(data), piece_length))
    leaves = [sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
    if not data:
        return Digests(b"", b"", None, sha256(b"").digest())
    width = piece_length // BLOCK if len(data) > piece_length else 1
    while width < len(leaves):
        width *= 2
    # "The remaining leaf hashes beyond the end of the file ... are set to zero" (BEP 52)
    leaves += [bytes(32)] * (width - len(leaves))
    per_piece = piece_length // BLOCK
    count = -(-len(data) // piece_length)
    layer = [tree(leaves[n * per_piece : (n + 1) * per_piece]) for n in range(count)] if count > 1 else []
    return Digests(pieces, b"".join(layer), tree(leaves), sha256(data).digest())


def one_pass(data: bytes, piece_length: int, cuts: list[int], **flags: bool) -> Digests:
    wanted = {"v1": True, "v2": True, "flat": True, **flags}
    hashes = StreamHasher(len(data), piece_length, **wanted)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in pairwise(bounds):
        hashes.update(memoryview(data)[start:stop])
    return hashes.finish()


EDGES = (0, BLOCK, 2 * BLOCK, PIECE, 2 * PIECE, 3 * PIECE, 5 * PIECE)
SIZES = sorted({max(0, edge + step) for edge in EDGES for step in (-1, 0, 1)})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece_length", [BLOCK, PIECE])
def test_the_digests_of_sizes_around_blocks_and_pieces_follow_the_standards(size: int, piece_length: int) -> None:
    data = data_of(size)
    assert one_pass(data, piece_length, []) == reference(data, piece_length)


@settings(max_examples=40)
@given(
    size=st.sampled_from(SIZES) | st.integers(0, 6 * PIECE),
    piece_length=st.sampled_from([BLOCK, 2 * BLOCK, PIECE, 8 * BLOCK]),
    cuts=st.lists(st.integers(0, 6 * PIECE) | st.sampled_from(SIZES), max_size=12),
)
def test_the_digests_do_not_hang_on_how_the_stream_is_cut(size: int, piece_length: int, cuts: list[int]) -> None:
    data = data_of(size)
    assert one_pass(data, piece_length, cuts) == reference(data, piece_length)


@pytest.mark.parametrize("step", [1, 7, 4096, BLOCK - 1, BLOCK + 1, PIECE - 1])
def test_a_stream_in_equal_steps_hashes_alike(step: int) -> None:
    data = data_of(2 * BLOCK + 3 if step < 10 else 3 * PIECE + 5)
    assert one_pass(data, PIECE, list(range(0, len(data), step))) == reference(data, PIECE)


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("v2", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_only_what_is_asked_for_is_hashed(v1: bool, v2: bool, flat: bool) -> None:
    data = data_of(PIECE * 2 + 100)
    whole = reference(data, PIECE)
    assert one_pass(data, PIECE, [1000], v1=v1, v2=v2, flat=flat) == Digests(
        pieces=whole.pieces if v1 else b"",
        layer=whole.layer if v2 else b"",
        pieces_root=whole.pieces_root if v2 else None,
        sha256=whole.sha256 if flat else None,
    )
