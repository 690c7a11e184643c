"""Pieces of files that have no hashes yet: what a hashing process makes of them. Each byte is read once."""

from dataclasses import dataclass

from packager.core.bittorrent import merkle
from packager.engine.files.joined_files import FileRange, JoinedFiles
from packager.engine.hashing.interleaved_pieces import InterleavedPieces
from packager.progress import Advance


@dataclass(frozen=True)
class HashedPieces:
    """Hashes of consecutive pieces, joined.

    pieces: 20 bytes each (BEP 3). nodes: 32 bytes each, the root over a piece's own blocks, filled to a power
    of two (BEP 52). unread: a file that could not be read and the system's words; the hashes are of no use then.
    """

    pieces: bytes
    nodes: bytes
    unread: tuple[bytes, str] | None = None


@dataclass(frozen=True)
class HashPieces:
    """Consecutive pieces of a torrent's stream, as the parts that they are made of.

    used: bytes of each piece that are files'. With v2 those are of one file, and what comes behind is zeros.
    """

    parts: tuple[FileRange, ...]
    piece_length: int
    used: tuple[int, ...]
    v1: bool
    v2: bool

    def run(self, advance: Advance, /) -> HashedPieces:
        """Read each part once and return the hashes."""
        pieces, nodes = bytearray(), bytearray()
        wanted = InterleavedPieces(sum(part.length for part in self.parts), self.piece_length, self.used)
        with JoinedFiles(self.parts) as read:
            for one in wanted.hashed(read, advance, v1=self.v1, v2=self.v2):
                if one.error:
                    return HashedPieces(b"", b"", (one.error.filename, one.error.strerror or str(one.error)))
                pieces += one.sha1
                if self.v2:
                    nodes += merkle.root_of_blocks(one.leaves)
        return HashedPieces(bytes(pieces), bytes(nodes))
