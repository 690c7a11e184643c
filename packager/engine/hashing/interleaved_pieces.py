"""Pieces hashed side by side: SHA-1 is a chain, so what can be taken at once is several pieces, not one.

A window holds the next bytes of each piece, a row each. Where the disk would have to move its heads from row to row
it holds whole pieces, as many as fit, or the next bytes of one.
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from packager.core.bittorrent import merkle
from packager.engine.files.joined_files import JoinedFiles, Read
from packager.native.hashes import LANES, Sha1Lanes, lanes
from packager.progress import Advance

CHUNK = 1 << 20  # bytes of one piece that are read at once; a multiple of BEP 52's block, and fits a core's cache
_WINDOW = 4 << 20  # bytes of several pieces
SPACE = memoryview(mmap.mmap(-1, _WINDOW))  # what a process reads into


@dataclass
class PieceDigests:
    """A piece's hashes: `sha1`, and `leaves`, 32 bytes a block, joined. error: why it could not be read."""

    sha1: bytes = b""
    leaves: bytes = b""
    error: OSError | None = None


@dataclass(frozen=True)
class InterleavedPieces:
    """Consecutive pieces of a stream of `size` bytes, of `length` bytes each, the last one shorter.

    used: bytes of each piece that are a file's; what comes behind is zeros, of which there are no leaves (BEP 52).
    """

    size: int
    length: int
    used: Sequence[int]

    def hashed(self, read: Read, advance: Advance, *, v1: bool, v2: bool) -> Iterator[PieceDigests]:
        """Read each byte once and yield each piece's hashes: SHA-1 with v1, leaves with v2."""
        first = 0
        while first < len(self.used):
            start, used = first * self.length, self.used[first : first + self._rows(read, first, v1=v1)]
            yield from _hashed(read, start, min(self.length, self.size - start), used, advance, v1=v1, v2=v2)
            first += len(used)

    def _rows(self, read: Read, first: int, *, v1: bool) -> int:
        """Return how many pieces to take side by side from piece `first` on; all have one length."""
        most = min(LANES, self.size // self.length - first)
        if lanes() == 1 or most < 1:
            return 1
        fit = (_WINDOW if v1 else CHUNK) // self.length
        ends = [(first + row) * self.length + side for row in range(most) for side in (0, self.length - 1)]
        if fit >= most or (v1 and isinstance(read, JoinedFiles) and read.reads_anywhere(ends)):
            return most
        return max(1, fit)


def _hashed(
    read: Read, start: int, length: int, used: Sequence[int], advance: Advance, *, v1: bool, v2: bool
) -> list[PieceDigests]:
    """Hash pieces of one length side by side, the first of which begins at `start`."""
    found = [PieceDigests() for _ in used]
    states = Sha1Lanes(len(used)) if v1 else None
    chunk = _chunk(len(used), length)
    for at in range(0, length, chunk):
        size = min(chunk, length - at)
        there = [min(max(most - at, 0), size) for most in used]
        for row, one in enumerate(found):
            place = start + row * length + at
            if one.error is None:
                one.error = _fill(read, place, SPACE[row * size :][: size if v1 else there[row]])
            if isinstance(read, JoinedFiles) and len(used) > 1 and at + size < length:
                read.read_ahead(place + size, min(chunk, length - at - size))
        window = SPACE[: len(used) * size]
        if states:
            states.update(window, size)
        if v2:
            _add_leaves(found, window, size, there)
        for taken, one in zip(there, found, strict=True):
            if one.error is None:
                advance(taken)
    if states:
        digests = states.digests()
        for row, one in enumerate(found):
            one.sha1 = digests[20 * row : 20 * row + 20]
    return found


def _chunk(rows: int, length: int) -> int:
    """Return how many bytes of each piece to read at once: all, where the window holds them."""
    if rows == 1:
        return min(length, CHUNK)
    return length if rows * length <= _WINDOW else _WINDOW // LANES


def _fill(read: Read, at: int, space: memoryview) -> OSError | None:
    """Fill a row, and return why that could not be done."""
    try:
        read(at, space)
    except OSError as error:
        return error
    return None


def _add_leaves(found: Sequence[PieceDigests], window: memoryview, size: int, there: Sequence[int]) -> None:
    """Add the leaves of each row's bytes that are there; all are made at once where that is not for mostly zeros."""
    if size % merkle.BLOCK or 2 * sum(there) < len(window):
        for row, one in enumerate(found):
            one.leaves += merkle.leaves(window[row * size :][: there[row]])
        return
    leaves, step = merkle.leaves(window), size // merkle.BLOCK
    for row, one in enumerate(found):
        whole, rest = divmod(there[row], merkle.BLOCK)
        one.leaves += leaves[32 * row * step :][: 32 * whole]
        if rest:
            one.leaves += sha256(window[row * size + whole * merkle.BLOCK :][:rest]).digest()
