"""The published hashes of one file, and whether a piece of bytes is what they say. Pure.

BEP 52's piece layer where there is one, else BEP 3's pieces.
"""

from dataclasses import dataclass
from hashlib import sha1, sha256

from packager import merkle


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
        view = memoryview(data)
        leaves = [sha256(view[at : at + merkle.BLOCK]).digest() for at in range(0, len(view), merkle.BLOCK)]
        if self.count == 1:
            return merkle.root_of_blocks(leaves) == self.pieces_root
        node = merkle.root(leaves, self.piece_length // merkle.BLOCK)
        return node == self.layer[32 * piece : 32 * piece + 32]
