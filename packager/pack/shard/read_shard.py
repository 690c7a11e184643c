"""The pass over a shard: each source byte is read once, hashed and written to the tar."""

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
    log: CheckpointLog | None = None,
) -> tuple[bytes, Digests]:
    """Read a shard's stream, hash it and write it to `sink`. Return the members' SHA-256, joined, and the digests.

    members: one for each member of the layout, with paths relative to `root`. advance: called with the size of each
    buffer. threads: with more than one, each hash has its own thread. log: checkpoints, to resume from and to
    save to. Memory: the sink's buffers, 32 bytes for each member, and `hashes`. Raises IncompleteError for a member
    that has changed since the scan, or a tar that cannot be written.
    """
    digests = _MemberDigests(members)
    begun = log.begun if log else None
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
                if log:
                    log.save(segment.member + 1, digests.joined, hashes, sink)
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
    """Read the bytes that piece hashes need from members with known digests."""
    assert isinstance(root, Path)
    for segment in segments:
        if isinstance(segment, LiteralBytes):
            stream.write(segment.data)
            continue
        with source_files.OpenSourceFile(os.fsencode(root), members[segment.member]) as file:
            stream.copy(file.read, segment.start, segment.stop)


class _MemberDigests:
    """The SHA-256 of members. Digests arrive in the order of reading, with a delay."""

    def __init__(self, members: list[source_files.SourceFile]) -> None:
        self.joined = bytearray(32 * len(members))  # in the order of members
        self._members = members
        self._read: list[int] = []
        self._taken = 0

    def read(self, member: int, digests: bytearray) -> None:
        """Record that a member was read, and store the digests that have arrived."""
        self._read.append(member)
        if len(digests) > 32 * self._taken:
            self.take(digests)

    def take(self, digests: bytearray) -> None:
        """Store arrived digests. Raises IncompleteError for a member with another SHA-256 than in the catalogue."""
        for member in self._read[self._taken : len(digests) // 32]:
            digest = bytes(digests[32 * self._taken : 32 * self._taken + 32])
            source_files.check_digest(self._members[member], digest)
            self.joined[32 * member : 32 * member + 32] = digest
            self._taken += 1
