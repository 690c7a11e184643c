"""The published hashes of a shard's stream, and whether a piece of bytes is what they say. Pure.

BEP 52's piece layers where there are any, else BEP 3's pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1

import numpy as np
import numpy.typing as npt

from packager.core.bittorrent import merkle
from packager.core.bittorrent.file_offsets import FileOffsets, Int64s


@dataclass(frozen=True)
class PieceHashes:
    """Hashes of a file of `size` bytes in pieces of `piece_length` bytes, the last one shorter.

    layer: 32 bytes a piece, empty where the file is at most one piece (then `pieces_root` says all) or
    has no v2 hashes. pieces: 20 bytes a piece, empty where there are no v1 hashes.
    """

    size: int
    piece_length: int
    pieces_root: bytes | None
    layer: bytes
    pieces: bytes

    @property
    def count(self) -> int:
        """How many pieces there are; none of an empty file."""
        return -(-self.size // self.piece_length)

    def span(self, piece: int) -> tuple[int, int]:
        """Return the bytes [start, stop) of a piece, counted from 0."""
        return piece * self.piece_length, min((piece + 1) * self.piece_length, self.size)

    def touched(self, start: int, stop: int) -> range:
        """Return the pieces that bytes [start, stop) touch."""
        return range(start // self.piece_length, -(-stop // self.piece_length)) if stop > start else range(0)

    def is_right(self, piece: int, data: memoryview | bytes) -> bool:
        """Say whether `data`, all the bytes of a piece, is what was published."""
        if self.pieces_root is None:
            return sha1(data).digest() == self.pieces[20 * piece : 20 * piece + 20]
        leaves = merkle.leaves(data)
        if self.count == 1:
            return merkle.root_of_blocks(leaves) == self.pieces_root
        node = merkle.root(leaves, self.piece_length // merkle.BLOCK)
        return node == self.layer[32 * piece : 32 * piece + 32]


@dataclass(frozen=True)
class FolderHashes(PieceHashes):
    """Hashes of several files in one stream, zeros after each; with v2 hashes each file begins a piece.

    nodes: 32 bytes a piece, the root over what of it is a file's, empty where there are no v2 hashes. used: those
    bytes of each piece. wide: whether that file has several pieces, so that its trees are as wide as a piece.
    """

    nodes: bytes
    used: Int64s
    wide: "npt.NDArray[np.bool_]"

    def width(self, piece: int) -> int:
        """Return the leaves of a piece's tree."""
        blocks = -(-int(self.used[piece]) // merkle.BLOCK)
        return self.piece_length // merkle.BLOCK if self.wide[piece] else merkle.power_of_two(blocks)

    def is_right(self, piece: int, data: memoryview | bytes) -> bool:
        """Say whether `data`, all the bytes of a piece with its zeros, is what was published."""
        if not self.nodes:
            return super().is_right(piece, data)
        used = int(self.used[piece])
        node = merkle.root(merkle.leaves(data[:used]), self.width(piece))
        return node == self.nodes[32 * piece : 32 * piece + 32] and not any(data[used:])


def folder_hashes(space: FileOffsets, trees: Sequence[tuple[bytes | None, bytes]], pieces: bytes) -> FolderHashes:
    """Return the hashes of a stream of files.

    trees: (pieces root, piece layer) of each file in its order, None and b"" where it has none. pieces: 20 bytes a
    piece, b"" without v1.
    """
    length, nodes = space.piece_length, bytearray()
    used = np.full(space.pieces, length, np.int64)
    wide = np.zeros(space.pieces, np.bool_)
    has_v2 = any(root is not None for root, _ in trees)
    for (root, layer), start, size in zip(trees, space.starts.tolist(), space.sizes.tolist(), strict=True):
        if has_v2 and root is not None:
            first, count = start // length, -(-size // length)
            nodes += layer if count > 1 else root
            used[first + count - 1] = size - (count - 1) * length
            wide[first : first + count] = count > 1
    return FolderHashes(space.size, length, None, b"", pieces, bytes(nodes), used, wide)
