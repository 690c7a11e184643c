"""A file's bytes in order, gathered into full buffers: each hashed, then handed to a sink."""

from array import array
from collections.abc import Callable
from hashlib import sha256
from types import TracebackType
from typing import TypeAlias

from packager.engine.files.direct_writer import BUFFER, Sink
from packager.engine.hashing.parallel_hashes import ParallelHashes
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.engine.hashing.tar_hasher import TarHasher
from packager.progress import Advance

Read: TypeAlias = Callable[[int, memoryview], int]  # reads bytes from an offset, and returns how many: at least one


class HashingWriter:
    """What one pass writes; a context manager that hands on the last, short buffer. Memory: the sink's buffers."""

    def __init__(self, hashes: StreamHasher, sink: Sink, advance: Advance, *, threads: int = 1) -> None:
        """Begin at byte 0. advance: called with the bytes of each buffer that was handed on.

        threads: more than one takes each hash in a thread of its own, whatever the number.
        """
        self._hashes, self._sink, self._advance = hashes, sink, advance
        self._buffer, self._used = sink.buffer(), 0
        self._tar = hashes if isinstance(hashes, TarHasher) else None
        self._digests, self._state = bytearray(), sha256()
        self._spans: array[int] = array("Q")  # of members in the open buffer
        self._member: int | None = None  # where in the buffer the open one begins or goes on
        self._lanes = ParallelHashes(hashes.updates, sink) if threads > 1 and hashes.updates else None

    def __enter__(self) -> "HashingWriter":
        """Return this."""
        return self

    def space(self, wanted: int) -> memoryview:
        """Return free space in the open buffer for at most `wanted` bytes, at least one."""
        return self._buffer[self._used : self._used + wanted]

    def filled(self, length: int) -> None:
        """Take `length` bytes that were read into `space`."""
        if self._member is not None and not self._tar:
            self._state.update(self._buffer[self._used : self._used + length])
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

    def copy(self, read: Read, start: int, stop: int) -> None:
        """Take bytes [start, stop) of what `read` reads, straight into the buffers."""
        while start < stop:
            got = read(start, self.space(stop - start))
            self.filled(got)
            start += got

    def begin_member(self) -> None:
        """Take the next bytes as those of a member, whose SHA-256 is wanted."""
        self._member = self._used
        if not self._tar:
            self._state = sha256()

    def end_member(self) -> None:
        """End the member."""
        assert self._member is not None
        if self._tar:
            self._spans.extend((self._member, self._used, 1))
        else:
            self._digests += self._state.digest()
        self._member = None

    @property
    def digests(self) -> bytearray:
        """The SHA-256, 32 bytes each, of the members that ended, but for the last ones that are not yet hashed."""
        return self._tar.members if self._tar else self._digests

    def hash_members(self) -> None:
        """Wait for `digests` to be complete; no other member comes in the open buffer."""
        if self._lanes:
            self._lanes.wait()
        if self._tar:
            self._tar.take_ahead(self._buffer[: self._used], self._spans)
            self._spans = array("Q")

    def _hand_on(self) -> None:
        """Have the buffer's bytes hashed and given to the sink."""
        if self._tar:
            self._tell_spans(self._tar)
        if self._lanes:
            self._lanes.put(self._buffer, self._used)
        else:
            self._hashes.update(self._buffer[: self._used])
            self._sink.put(self._buffer, self._used)
        self._advance(self._used)
        self._used = 0

    def _tell_spans(self, tar: TarHasher) -> None:
        """Set where members are in the buffer; the open one continues at the start of the next."""
        if self._member is not None:
            self._spans.extend((self._member, self._used, 0))
            self._member = 0
        tar.set_members(self._spans)
        self._spans = array("Q")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand on the last buffer, and wait for the hashes; after an error only wait."""
        try:
            if kind is None and self._used:
                self._hand_on()
        finally:
            if self._lanes:
                self._lanes.stop()
        if self._lanes and kind is None:
            self._lanes.check()
