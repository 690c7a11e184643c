"""The one pass over a shard: each source byte is read once, written to the tar, and hashed in all ways."""

from hashlib import sha256
from pathlib import Path

from packager.engine import source
from packager.engine.hashing import Digests, OnePass
from packager.engine.workers import Tell
from packager.engine.writer import BUFFER, Sink
from packager.layout import Layout, Literal, Slice


def read_shard(
    layout: Layout, members: list[source.Member], root: Path, *, hashes: OnePass, sink: Sink, tell: Tell
) -> tuple[bytes, Digests]:
    """Read a shard's members in order, through `hashes` into `sink`; return their SHA-256, joined, and the digests.

    members: one for each of the layout's, paths relative to `root`. tell: called with the bytes of each
    buffer. Memory: the sink's buffers, 32 bytes a member and what `hashes` holds. Raises IncompleteError
    naming a member that is not what it was at the scan, or the tar where it cannot be written.
    """
    stream = _Stream(hashes, sink, tell)
    digests = bytearray()
    for segment in layout.segments(0, layout.manifest_start):
        if isinstance(segment, Slice):
            digests += _read_member(stream, members[segment.member], root)
        else:
            stream.write(segment.data)
    found = bytes(digests)
    for segment in layout.segments(layout.manifest_start, layout.size, found):
        assert isinstance(segment, Literal)
        stream.write(segment.data)
    stream.close()
    return found, hashes.finish()


def _read_member(stream: "_Stream", member: source.Member, root: Path) -> bytes:
    """Read a whole member into the stream and return its SHA-256."""
    state = sha256()
    left = member.size
    with source.opened(root, member) as descriptor:
        while left:
            space = stream.space(left)
            got = source.read_into(descriptor, space, member)
            state.update(space[:got])
            stream.filled(got)
            left -= got
    source.check_digest(member, state.digest())
    return state.digest()


class _Stream:
    """A tar's bytes gathered into full buffers, each hashed and then handed on."""

    def __init__(self, hashes: OnePass, sink: Sink, tell: Tell) -> None:
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
