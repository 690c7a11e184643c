"""The one pass over a shard: each source byte is read once, written to the tar, and hashed in all ways."""

from hashlib import sha256
from pathlib import Path

from packager.engine import source
from packager.engine.hashing import Digests, OnePass
from packager.engine.stream import Stream
from packager.engine.workers import Tell
from packager.engine.writer import Sink
from packager.layout import Layout, Literal, Slice


def read_shard(
    layout: Layout, members: list[source.Member], root: Path, *, hashes: OnePass, sink: Sink, tell: Tell
) -> tuple[bytes, Digests]:
    """Read a shard's members in order, through `hashes` into `sink`; return their SHA-256, joined, and the digests.

    members: one for each of the layout's, paths relative to `root`. tell: called with the bytes of each
    buffer. Memory: the sink's buffers, 32 bytes a member and what `hashes` holds. Raises IncompleteError
    naming a member that is not what it was at the scan, or the tar where it cannot be written.
    """
    stream = Stream(hashes, sink, tell)
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


def _read_member(stream: Stream, member: source.Member, root: Path) -> bytes:
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
