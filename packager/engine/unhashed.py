"""Pieces of files that have no hashes yet: what a hashing process makes of them. Each byte is read once."""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha1

from packager import merkle
from packager.engine.pieces import CHUNK, SPACE, Part, Tell, fill, leaves_in_space, open_regular

_ZEROS = memoryview(mmap.mmap(-1, CHUNK))


@dataclass(frozen=True)
class Made:
    """Hashes of consecutive pieces, joined.

    pieces: 20 bytes each (BEP 3). nodes: 32 bytes each, the root over a piece's own blocks, filled to a power
    of two (BEP 52). unread: a file that could not be read and the system's words; the hashes are of no use then.
    """

    pieces: bytes
    nodes: bytes
    unread: tuple[bytes, str] | None = None


@dataclass(frozen=True)
class Unhashed:
    """Consecutive pieces of a torrent's stream, each as the parts that it is made of.

    With v2 a piece holds bytes of one file, and then at most zeros, of which no block is made.
    """

    pieces: tuple[tuple[Part, ...], ...]
    v1: bool
    v2: bool

    def run(self, tell: Tell, /) -> Made:
        """Read each part once and return the hashes."""
        reader = _Reader(tell)
        pieces, nodes = bytearray(), bytearray()
        try:
            for parts in self.pieces:
                state, leaves = sha1(), []
                for part in parts:
                    for data in reader.read(part) if part.path or self.v1 else ():
                        if self.v1:
                            state.update(data)
                        if self.v2 and part.path:
                            leaves += leaves_in_space(len(data))
                if self.v1:
                    pieces += state.digest()
                if self.v2:
                    nodes += merkle.root_of_blocks(leaves)
        except OSError as error:
            return Made(b"", b"", (reader.path, error.strerror or str(error)))
        finally:
            reader.close()
        return Made(bytes(pieces), bytes(nodes))


class _Reader:
    """Reads into SPACE; the file read last stays open."""

    def __init__(self, tell: Tell) -> None:
        self.path = b""
        self._descriptor = -1
        self._tell = tell

    def read(self, part: Part) -> Iterator[memoryview]:
        """Yield a part's bytes, some at a time; those of a file lie in SPACE. Raises OSError."""
        if part.path is not None and part.path != self.path:
            self.close()
            self.path = part.path
            self._descriptor = open_regular(part.path)
        for at in range(0, part.length, CHUNK):
            size = min(CHUNK, part.length - at)
            if part.path is None:
                yield _ZEROS[:size]
                continue
            fill(self._descriptor, part.start + at, SPACE[:size])
            self._tell(size)
            yield SPACE[:size]

    def close(self) -> None:
        """Close the open file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
