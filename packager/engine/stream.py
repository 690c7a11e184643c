"""A file's bytes in order, gathered into full buffers: each hashed, then handed to a sink."""

from packager.engine.hashing import OnePass
from packager.engine.workers import Tell
from packager.engine.writer import BUFFER, Sink


class Stream:
    """What one pass writes. Memory: the sink's buffers."""

    def __init__(self, hashes: OnePass, sink: Sink, tell: Tell) -> None:
        """Begin at byte 0. tell: called with the bytes of each buffer that was handed on."""
        self._hashes, self._sink, self._tell = hashes, sink, tell
        self._buffer, self._used = sink.buffer(), 0

    def space(self, wanted: int) -> memoryview:
        """Return free space in the open buffer for at most `wanted` bytes, at least one."""
        return self._buffer[self._used : self._used + wanted]

    def filled(self, length: int) -> None:
        """Take `length` bytes that were read into `space`."""
        self._used += length
        if self._used == BUFFER:
            self._hand_on()
            self._buffer = self._sink.buffer()

    def write(self, data: bytes) -> None:
        """Take bytes that are in memory."""
        at = 0
        while at < len(data):
            space = self.space(len(data) - at)
            space[:] = data[at : at + len(space)]
            at += len(space)
            self.filled(len(space))

    def _hand_on(self) -> None:
        """Hash the buffer's bytes and give it to the sink."""
        self._hashes.update(self._buffer[: self._used])
        self._sink.put(self._buffer, self._used)
        self._tell(self._used)
        self._used = 0

    def close(self) -> None:
        """Hand on the last, short buffer."""
        if self._used:
            self._hand_on()
