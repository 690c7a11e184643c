"""A body that verifies each piece before it is sent."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files.file_body import WAITING, Body, Step, read_chunk
from packager.engine.files.range_readers import UnreadableError
from packager.model import ShardName
from packager.units import MIB

_STEP = MIB  # bytes sent at once, so that a slow client keeps no complete piece in memory
_AT_ONCE = 2  # pieces that are read and hashed in parallel


class VerifiedPieces:
    """The most recently used verified pieces, up to a limit of bytes, for use by many threads."""

    def __init__(self, bound: int) -> None:
        """Keep at most `bound` bytes, but at least one piece."""
        self._bound, self._size = bound, 0
        self._pieces: OrderedDict[tuple[ShardName, int], bytes] = OrderedDict()
        self._lock, self._readers = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)

    def at_once(self, piece_length: int) -> int:
        """Return how many pieces to check before an answer starts, so that they are still in memory when sent."""
        return max(1, self._bound // 2 // piece_length)

    def get(self, name: ShardName, number: int, bodies: Sequence[Body], hashes: PieceHashes) -> bytes:
        """Return a piece of a shard from the first body in which it is right.

        Raises UnreadableError if it is right in none.
        """
        key = (name, number)
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
                return self._pieces[key]
        with self._readers:
            data = _right(name, number, bodies, hashes)
        with self._lock:
            self._keep(key, data)
        return data

    def _keep(self, key: tuple[ShardName, int], data: bytes) -> None:
        """Keep a piece, and drop the pieces that were unused longest."""
        if key in self._pieces:
            return
        self._pieces[key] = data
        self._size += len(data)
        while self._size > self._bound and len(self._pieces) > 1:
            self._size -= len(self._pieces.popitem(last=False)[1])


def _right(name: ShardName, number: int, bodies: Sequence[Body], hashes: PieceHashes) -> bytes:
    """Read a piece from the first body in which it is right. Raises UnreadableError."""
    start, stop = hashes.span(number)
    for body in bodies:
        try:
            data = read_chunk(body.parts(start, stop))
        except UnreadableError:
            if body is bodies[-1]:
                raise
            continue
        if hashes.is_right(number, data):
            return data
    raise UnreadableError(name, f"piece {number} (bytes {start} to {stop}) does not match its published hash")


class VerifiedBody:
    """A shard's body, of which each piece comes from the first of several bodies in which it is right."""

    def __init__(self, name: ShardName, bodies: Sequence[Body], hashes: PieceHashes, pieces: VerifiedPieces) -> None:
        """Read from `bodies` in this order, verify with `hashes`, and keep verified pieces in `pieces`."""
        self._name, self._bodies, self._hashes, self._pieces = name, bodies, hashes, pieces

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._bodies[0].size

    def check(self, start: int, stop: int) -> None:
        """Raise UnreadableError if one of the first pieces of a range is bad; `parts` checks the later ones."""
        if len(self._bodies) == 1:
            self._bodies[0].check(start, stop)
        for number in self._hashes.touched(start, stop)[: self._pieces.at_once(self._hashes.piece_length)]:
            self._pieces.get(self._name, number, self._bodies, self._hashes)

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop). Raises UnreadableError, which names the bad piece."""
        while start < stop:
            number = start // self._hashes.piece_length
            first, end = self._hashes.span(number)
            end = min(end, stop, start + _STEP)
            yield WAITING
            yield self._pieces.get(self._name, number, self._bodies, self._hashes)[start - first : end - first]
            start = end

    def close(self) -> None:
        """Close the bodies."""
        for body in self._bodies:
            body.close()
