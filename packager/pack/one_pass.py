"""The one pass over a shard: each source byte is read once, written to the tar, and hashed in all ways."""

from hashlib import sha256

from packager.engine import source
from packager.engine.hashing import Digests, OnePass
from packager.engine.open_members import OpenMember, open_members
from packager.engine.stores.base import Place
from packager.engine.stream import Stream
from packager.engine.workers import Tell
from packager.engine.writer import Sink
from packager.layout import Layout, Literal, Slice


def read_shard(
    layout: Layout,
    members: list[source.Member],
    root: Place,
    *,
    hashes: OnePass,
    sink: Sink,
    tell: Tell,
    threads: int = 1,
) -> tuple[bytes, Digests]:
    """Read a shard's stream in order, through `hashes` into `sink`; return members' SHA-256, joined, and the digests.

    members: one for each of the layout's, paths relative to `root`. tell: called with the bytes of each
    buffer. threads: more than one takes each hash in a thread of its own. Memory: the sink's buffers, 32
    bytes a member and what `hashes` holds. Raises IncompleteError naming a member that is not what it was
    at the scan, or the tar where it cannot be written.
    """
    digests = bytearray(32 * len(members))
    with open_members(root, members) as sources, Stream(hashes, sink, tell, threads=threads) as stream:
        for segment in layout.segments(0, layout.manifest_start):
            if isinstance(segment, Slice):
                at = 32 * segment.member
                digests[at : at + 32] = _read_member(stream, members[segment.member], sources.open(segment.member))
            else:
                stream.write(segment.data)
        found = bytes(digests)
        for segment in layout.segments(layout.manifest_start, layout.size, found):
            assert isinstance(segment, Literal)
            stream.write(segment.data)
    return found, hashes.finish()


def _read_member(stream: Stream, member: source.Member, opened: OpenMember) -> bytes:
    """Read a whole member into the stream, close it, and return its SHA-256."""
    state = sha256()
    left = member.size
    try:
        while left:
            space = stream.space(left)
            got = opened.read_into(space)
            state.update(space[:got])
            stream.filled(got)
            left -= got
        opened.check()
    finally:
        opened.close()
    digest = state.digest()
    source.check_digest(member, digest)
    return digest
