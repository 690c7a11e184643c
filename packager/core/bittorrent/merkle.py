"""BEP 52 hash trees: from 16 KiB leaves to a file's pieces root and piece layer. Pure; no file is read.

A leaf is the SHA-256 of a 16 KiB block, the last block of a file taken short as it is. A file of at
most one piece has a tree as wide as its blocks, rounded up to a power of two; a longer file has one
node a piece, each over a full piece's width of leaves, and missing leaves are 32 zero bytes. Leaves
and nodes are 32 bytes each, and come joined.
"""

from functools import lru_cache
from hashlib import sha256

from packager.native.hashes import Data, sha256_blocks

BLOCK = 16 * 1024  # bytes of a leaf's block (BEP 52)
ZERO = bytes(32)


def leaves(data: Data) -> bytes:
    """Return the leaf of each block of `data`, which begins with one."""
    return sha256_blocks(data, BLOCK)


def root(nodes: bytes, width: int, pad: bytes = ZERO) -> bytes:
    """Return the root (32 bytes) over `nodes`, filled with `pad` to `width`, a power of two."""
    level = nodes
    while width > 1:
        if len(level) % 64:
            level += pad
        level = sha256_blocks(level, 64)
        pad = sha256(pad + pad).digest()
        width //= 2
    return level or pad


@lru_cache
def zero_root(width: int) -> bytes:
    """Return the root over `width` zero leaves: the pad of a piece layer whose pieces hold `width` blocks."""
    return root(b"", width)


def lift_root(node: bytes, width: int, to: int) -> bytes:
    """Return the root over `to` leaves of which the first `width` have the root `node`, the others are zero."""
    while width < to:
        node = sha256(node + zero_root(width)).digest()
        width *= 2
    return node


def power_of_two(count: int) -> int:
    """Return the smallest power of two that is at least `count` and at least 1."""
    return 1 << max(0, count - 1).bit_length()


def pieces_root(layer: bytes, piece_length: int) -> bytes:
    """Return a file's pieces root from its piece layer, a node for each piece, two or more."""
    return root(layer, power_of_two(len(layer) // 32), zero_root(piece_length // BLOCK))


def root_of_blocks(leaves: bytes) -> bytes:
    """Return the pieces root of a file of at most one piece from its leaves (BEP 52: no piece layer)."""
    return root(leaves, power_of_two(len(leaves) // 32))
