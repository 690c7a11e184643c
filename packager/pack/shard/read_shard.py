"""The one pass over a shard: each source byte is read once, written to the tar, and hashed in all ways."""

import os
from collections.abc import Iterator
from pathlib import Path

from packager.core.shards.layout import Layout, LiteralBytes, MemberRange, Segment
from packager.engine.files import source_files
from packager.engine.files.direct_writer import Sink
from packager.engine.hashing.hashing_writer import HashingWriter
from packager.engine.hashing.stream_hasher import Digests, StreamHasher
from packager.engine.stores.base import Place
from packager.engine.stores.open_members import open_members
from packager.pack.shard.checkpoint import CheckpointLog
from packager.progress import Advance


def read_shard(
    layout: Layout,
    members: list[source_files.SourceFile],
    root: Place,
    *,
    hashes: StreamHasher,
    sink: Sink,
    advance: Advance,
    threads: int = 1,
    notes: CheckpointLog | None = None,
) -> tuple[bytes, Digests]:
    """Read a shard's stream in order, through `hashes` into `sink`; return members' SHA-256, joined, and the digests.

    members: one for each of the layout's, paths relative to `root`. advance: called with the bytes of each
    buffer. threads: more than one takes each hash in a thread of its own. notes: where to go on, and where to note
    how far this came. Memory: the sink's buffers, 32 bytes a member and what `hashes` holds. Raises IncompleteError
    naming a member that is not what it was at the scan, or the tar where it cannot be written.
    """
    digests = _MemberDigests(members)
    begun = notes.begun if notes else None
    with open_members(root, members) as opened, HashingWriter(hashes, sink, advance, threads=threads) as stream:
        if begun:
            digests.joined[: len(begun.digests)] = begun.digests
            hashes.resume(begun.pieces, begun.layer)
            advance(begun.start)
            _read_again(stream, layout.segments(begun.start, begun.stop), members, root)
        for segment in layout.segments(begun.stop if begun else 0, layout.manifest_start):
            if isinstance(segment, MemberRange):
                stream.begin_member()
                with opened(segment.member) as file:
                    stream.copy(file.read, 0, members[segment.member].size)
                stream.end_member()
                digests.read(segment.member, stream.digests)
                if notes:
                    notes.take(segment.member + 1, digests.joined, hashes, sink)
            else:
                stream.write(segment.data)
        stream.hash_members()
        digests.take(stream.digests)
        found = bytes(digests.joined)
        for segment in layout.segments(layout.manifest_start, layout.size, found):
            assert isinstance(segment, LiteralBytes)
            stream.write(segment.data)
    return found, hashes.finish()


def _read_again(
    stream: HashingWriter, segments: Iterator[Segment], members: list[source_files.SourceFile], root: Place
) -> None:
    """Read into the stream what pieces need of members whose own digests are known."""
    assert isinstance(root, Path)
    for segment in segments:
        if isinstance(segment, LiteralBytes):
            stream.write(segment.data)
            continue
        with source_files.OpenSourceFile(os.fsencode(root), members[segment.member]) as file:
            stream.copy(file.read, segment.start, segment.stop)


class _MemberDigests:
    """The SHA-256 of members, which come in the order in which they are read, some time after that."""

    def __init__(self, members: list[source_files.SourceFile]) -> None:
        self.joined = bytearray(32 * len(members))  # in the members' own order
        self._members = members
        self._read: list[int] = []
        self._taken = 0

    def read(self, member: int, digests: bytearray) -> None:
        """Note that a member was read, and take what has come."""
        self._read.append(member)
        if len(digests) > 32 * self._taken:
            self.take(digests)

    def take(self, digests: bytearray) -> None:
        """Take what has come. Raises IncompleteError for a member that the catalogue holds another SHA-256 of."""
        for member in self._read[self._taken : len(digests) // 32]:
            digest = bytes(digests[32 * self._taken : 32 * self._taken + 32])
            source_files.check_digest(self._members[member], digest)
            self.joined[32 * member : 32 * member + 32] = digest
            self._taken += 1
