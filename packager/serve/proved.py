"""A body of which no byte is given before its piece was hashed and found as published."""

import threading
from collections import OrderedDict
from collections.abc import Iterator

from packager.engine.ranges import Unreadable
from packager.engine.sliced import WAITING, Body, Step, read
from packager.model import ShardName
from packager.piece_hashes import PieceHashes
from packager.units import MIB

_STEP = MIB  # bytes given on at once; nothing more of a piece is held for a slow client
_AT_ONCE = 2  # pieces that are read and hashed at a time


class ProvedPieces:
    """Pieces found right, the last that were asked for, within a bound of bytes; for many threads."""

    def __init__(self, bound: int) -> None:
        """Hold at most `bound` bytes, and one piece at least."""
        self._bound, self._held = bound, 0
        self._pieces: OrderedDict[tuple[ShardName, int], bytes] = OrderedDict()
        self._lock, self._readers = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)

    def get(self, name: ShardName, number: int, body: Body, hashes: PieceHashes) -> bytes:
        """Return the bytes of a piece of a shard. Raises Unreadable where they are not what was published."""
        key = (name, number)
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
                return self._pieces[key]
        with self._readers:
            start, stop = hashes.span(number)
            data = read(body.parts(start, stop))
            if not hashes.is_right(number, data):
                raise Unreadable(name, f"piece {number} (bytes {start} to {stop}) is not what was published")
        with self._lock:
            self._keep(key, data)
        return data

    def _keep(self, key: tuple[ShardName, int], data: bytes) -> None:
        """Hold a piece, and let go of those that were not asked for longest."""
        if key in self._pieces:
            return
        self._pieces[key] = data
        self._held += len(data)
        while self._held > self._bound and len(self._pieces) > 1:
            self._held -= len(self._pieces.popitem(last=False)[1])


class ProvedBody:
    """A shard's body, piece by piece as published."""

    def __init__(self, name: ShardName, body: Body, hashes: PieceHashes, pieces: ProvedPieces) -> None:
        """Prove what `body` gives by `hashes`, and keep what was proved in `pieces`."""
        self._name, self._body, self._hashes, self._pieces = name, body, hashes, pieces

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._body.size

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where the first piece of a range is not as published; later ones are seen later."""
        self._body.check(start, stop)
        for number in self._hashes.touched(start, stop)[:1]:
            self._pieces.get(self._name, number, self._body, self._hashes)

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop). Raises Unreadable naming the piece that is not as published."""
        while start < stop:
            number = start // self._hashes.piece_length
            first, end = self._hashes.span(number)
            end = min(end, stop, start + _STEP)
            yield WAITING
            yield self._pieces.get(self._name, number, self._body, self._hashes)[start - first : end - first]
            start = end

    def close(self) -> None:
        """Close the body."""
        self._body.close()
