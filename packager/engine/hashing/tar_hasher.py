"""The pass over a tar in which its members are hashed, too, in the loop that hashes pieces and leaves."""

from array import array
from collections.abc import Callable
from queue import SimpleQueue

from packager.engine.hashing.stream_hasher import Digests, StreamHasher
from packager.native.hashes import StreamHashes, has_streams


class TarHasher(StreamHasher):
    """Hashes of a tar and of the members in it, in one loop, which some machines can: see `pass_of_tar`.

    All updates are of whole blocks of 64 bytes. members: the SHA-256, 32 bytes each, of the members that ended.
    """

    def __init__(self, size: int, piece_length: int, *, v1: bool, v2: bool, flat: bool, apart: bool) -> None:
        """Ask for what `OnePass` is asked for. apart: keep the leaves out of the loop, for a thread of their own."""
        super().__init__(size, piece_length, v1=v1, v2=v2, flat=flat)
        self.members = bytearray()
        self._stream = StreamHashes(piece_length if v1 else 0, leaves=v2 and not apart)
        self._leaves = self._v2 if apart else None
        self._spans: SimpleQueue[array[int]] = SimpleQueue()
        self._ahead = 0  # bytes of the next update that were taken

    @property
    def updates(self) -> "list[Callable[[memoryview], None]]":
        """What takes the next bytes."""
        return [self._take, *(one.update for one in (self._leaves, self._flat) if one)]

    def set_members(self, spans: "array[int]") -> None:
        """Set where members are in the bytes of the next update, as StreamHashes wants it."""
        self._spans.put(spans)

    def take_ahead(self, data: memoryview, spans: "array[int]") -> None:
        """Hash the members in the first bytes of the next update now; there are none in its other bytes."""
        self.set_members(spans)
        self._take(data)
        self._ahead = len(data)

    def _take(self, data: memoryview) -> None:
        pieces, leaves, members = self._stream.update(data[self._ahead :], self._spans.get())
        self._ahead = 0
        self.members += members
        self._add(pieces, leaves)

    def _add(self, pieces: bytes, leaves: bytes) -> None:
        if self._v1:
            self._v1.add(pieces)
        if self._v2:
            self._v2.add(leaves)

    def finish(self) -> Digests:
        """Return the digests; the whole tar must have been fed."""
        self._add(*self._stream.finish())
        return super().finish()


def open_tar_hasher(size: int, piece_length: int, *, v1: bool, v2: bool, flat: bool, threads: int = 1) -> StreamHasher:
    """Return the fastest pass over a tar that this machine has, for so many threads; all find the same."""
    if has_streams():
        return TarHasher(size, piece_length, v1=v1, v2=v2, flat=flat, apart=threads > 1)
    return StreamHasher(size, piece_length, v1=v1, v2=v2, flat=flat)
