"""A body of which no byte is sent before its piece was hashed and found as published."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.files.file_body import WAITING, Body, Step, read_chunk
from packager.engine.files.range_readers import UnreadableError
from packager.model import ShardName
from packager.units import MIB

_STEP = MIB  # bytes sent at once; nothing more of a piece is held for a slow client
_AT_ONCE = 2  # pieces that are read and hashed at a time


class VerifiedPieces:
    """Pieces found right, the last that were asked for, within a bound of bytes; for many threads."""

    def __init__(self, bound: int) -> None:
        """Hold at most `bound` bytes, and one piece at least."""
        self._bound, self._held = bound, 0
        self._pieces: OrderedDict[tuple[ShardName, int], bytes] = OrderedDict()
        self._lock, self._readers = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)

    def at_once(self, piece_length: int) -> int:
        """Return how many pieces are checked before the head of an answer: they are still held when they are sent."""
        return max(1, self._bound // 2 // piece_length)

    def get(self, name: ShardName, number: int, bodies: Sequence[Body], hashes: PieceHashes) -> bytes:
        """Return the bytes of a piece of a shard, from the first body that has them as published.

        Raises Unreadable if none has.
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
        """Hold a piece, and drop those that were not asked for longest."""
        if key in self._pieces:
            return
        self._pieces[key] = data
        self._held += len(data)
        while self._held > self._bound and len(self._pieces) > 1:
            self._held -= len(self._pieces.popitem(last=False)[1])


def _right(name: ShardName, number: int, bodies: Sequence[Body], hashes: PieceHashes) -> bytes:
    """Read a piece from the first body that has it as published. Raises Unreadable."""
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
    raise UnreadableError(name, f"piece {number} (bytes {start} to {stop}) is not what was published")


class VerifiedBody:
    """A shard's body, piece by piece as published, from whichever of several bodies has it so."""

    def __init__(self, name: ShardName, bodies: Sequence[Body], hashes: PieceHashes, pieces: VerifiedPieces) -> None:
        """Check what `bodies` give by `hashes`, the first of them first, and keep what was right in `pieces`."""
        self._name, self._bodies, self._hashes, self._pieces = name, bodies, hashes, pieces

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._bodies[0].size

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable if one of the first pieces of a range is not as published; later ones are seen later."""
        if len(self._bodies) == 1:
            self._bodies[0].check(start, stop)
        for number in self._hashes.touched(start, stop)[: self._pieces.at_once(self._hashes.piece_length)]:
            self._pieces.get(self._name, number, self._bodies, self._hashes)

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop). Raises Unreadable naming the piece that is not as published."""
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
