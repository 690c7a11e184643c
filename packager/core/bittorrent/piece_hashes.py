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

    layer: 32 bytes a piece, empty if the file is at most one piece (then `pieces_root` says all) or
    has no v2 hashes. pieces: 20 bytes a piece, empty if there are no v1 hashes.
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

    @property
    def expected(self) -> bytes:
        """The hash of each piece that checks compare, joined."""
        return self.pieces if self.pieces_root is None else self.layer if self.count > 1 else self.pieces_root

    def width(self, piece: int) -> int:  # noqa: ARG002 (see FolderHashes)
        """Return the leaves of a piece's tree (BEP 52); 0: its hash is SHA-1 (BEP 3)."""
        if self.pieces_root is None:
            return 0
        blocks = -(-self.size // merkle.BLOCK)
        return self.piece_length // merkle.BLOCK if self.count > 1 else merkle.power_of_two(blocks)

    def data_stop(self, piece: int) -> int:
        """Return where the hashed bytes of a piece end."""
        return self.span(piece)[1]

    def joins_next(self, piece: int) -> bool:  # noqa: ARG002 (see FolderHashes)
        """Return whether a piece and the one after it are hashed alike, with nothing between their bytes."""
        return True

    def is_right(self, piece: int, data: memoryview | bytes) -> bool:
        """Return whether `data`, all the bytes of a piece, is what was published."""
        width = self.width(piece)
        digest = merkle.root(merkle.leaves(data), width) if width else sha1(data).digest()
        return digest == self.expected[len(digest) * piece :][: len(digest)]


@dataclass(frozen=True)
class FolderHashes(PieceHashes):
    """Hashes of several files in one stream, zeros after each; with v2 hashes each file begins a piece.

    nodes: 32 bytes a piece, the root over what of it is a file's, empty if there are no v2 hashes. used: those
    bytes of each piece. wide: whether that file has several pieces, so that its trees are as wide as a piece.
    """

    nodes: bytes
    used: Int64s
    wide: "npt.NDArray[np.bool_]"

    @property
    def expected(self) -> bytes:
        """The hash of each piece that checks compare, joined."""
        return self.nodes or self.pieces

    def width(self, piece: int) -> int:
        """Return the leaves of a piece's tree (BEP 52); 0: its hash is SHA-1 (BEP 3)."""
        if not self.nodes:
            return 0
        blocks = -(-int(self.used[piece]) // merkle.BLOCK)
        return self.piece_length // merkle.BLOCK if self.wide[piece] else merkle.power_of_two(blocks)

    def data_stop(self, piece: int) -> int:
        """Return where the hashed bytes of a piece end: before its zeros with v2 hashes."""
        start, stop = self.span(piece)
        return start + int(self.used[piece]) if self.nodes else stop

    def joins_next(self, piece: int) -> bool:
        """Return whether a piece and the one after it are hashed alike, with nothing between their bytes."""
        full = self.used[piece] == self.piece_length
        return not self.nodes or bool(full and self.wide[piece] and self.wide[piece + 1])

    def is_right(self, piece: int, data: memoryview | bytes) -> bool:
        """Return whether `data`, all the bytes of a piece with its zeros, is what was published."""
        used = self.data_stop(piece) - self.span(piece)[0]
        return super().is_right(piece, data[:used]) and not any(data[used:])


def folder_hashes(space: FileOffsets, trees: Sequence[tuple[bytes | None, bytes]], pieces: bytes) -> FolderHashes:
    """Return the hashes of a stream of files.

    trees: (pieces root, piece layer) of each file in its order, None and b"" if it has none. pieces: 20 bytes a
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
