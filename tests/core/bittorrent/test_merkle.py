"""merkle.py against libtorrent's set_piece_hashes, and against the published vectors."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import merkle
from packager.core.bittorrent.merkle import BLOCK
from tests.helpers.libtorrent_torrents import made_of_data, pattern

VECTORS = json.loads((Path(__file__).parents[3] / "manifests/vectors/merkle.json").read_text())
SIZES = (
    1,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    3 * BLOCK,
    4 * BLOCK,
    4 * BLOCK + 1,
    4 * BLOCK + 17,
    37 * BLOCK + 5,
    64 * BLOCK,
)


def leaves_of(data: bytes) -> bytes:
    return b"".join(sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK))


def tree_of(data: bytes, piece_length: int) -> tuple[bytes, bytes]:
    """(pieces root, piece layer) of a file that is not empty."""
    leaves, width = leaves_of(data), piece_length // BLOCK
    assert merkle.leaves(data) == leaves
    if len(data) <= piece_length:
        return merkle.root_of_blocks(leaves), b""
    step = 32 * width
    layer = b"".join(merkle.root(leaves[at : at + step], width) for at in range(0, len(leaves), step))
    return merkle.pieces_root(layer, piece_length), layer


@pytest.mark.parametrize("piece_length", [BLOCK, 4 * BLOCK, 8 * BLOCK])
@pytest.mark.parametrize("size", SIZES)
def test_pieces_root_and_layer_equal_what_libtorrent_finds(tmp_path: Path, size: int, piece_length: int) -> None:
    made = made_of_data(tmp_path, "f.bin", pattern(size), piece_length, "v2")
    root, layer = tree_of(pattern(size), piece_length)
    assert made[b"info"][b"file tree"][b"f.bin"][b""] == {b"length": size, b"pieces root": root}
    assert made[b"piece layers"] == ({root: layer} if layer else {})


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["name"])
def test_tree_equals_the_published_vector(vector: dict[str, int | str]) -> None:
    root, layer = tree_of(pattern(int(vector["length"])), int(vector["piece_length"]))
    assert root.hex() == vector["pieces_root"]
    assert layer.hex() == vector["piece_layer"]


def test_an_empty_tree_is_its_padding() -> None:
    assert merkle.root(b"", 1) == merkle.ZERO
    assert merkle.root(b"", 4) == merkle.zero_root(4)
    assert merkle.zero_root(2) == sha256(bytes(64)).digest()


@given(count=st.integers(0, 1 << 40))
def test_power_of_two_is_the_smallest_that_is_enough(count: int) -> None:
    power = merkle.power_of_two(count)
    assert power.bit_count() == 1
    assert power >= max(1, count) > power // 2 or power == 1


@given(nodes=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), width=st.sampled_from([1, 2, 8]))
@settings(max_examples=100)
def test_missing_nodes_are_trees_of_zero_leaves(nodes: list[bytes], width: int) -> None:
    padded = nodes + [merkle.zero_root(width)] * (merkle.power_of_two(len(nodes)) - len(nodes))
    assert merkle.pieces_root(b"".join(nodes), width * BLOCK) == merkle.root(b"".join(padded), len(padded))
