"""Write a published shard again, byte for byte, from loose files; nothing unproven gets its final name.

    1. find each member: by path, else by content through an index of the folders
    2. one pass: read the members, write the tar beside its place, hash members and pieces
    3. a member that was not what was published: look for it elsewhere, and pass again
    4. only where every member and every published piece hash is right, the tar gets its name
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from packager.check.loose import Finder
from packager.check_reports import MissingMember, RebuildReport
from packager.engine import durable
from packager.engine.file_index import FileIndex
from packager.engine.hashing import Digests, OnePass
from packager.engine.published import Published
from packager.engine.ranges import OpenRanges, RangeSource, Unreadable, open_file, read_file
from packager.engine.stream import Stream
from packager.engine.writer import DirectWriter
from packager.errors import InputError, TrustError, from_os_error
from packager.layout import Slice
from packager.paths import shown
from packager.progress import Progress
from packager.units import show_size


class WrongMember(Exception):  # noqa: N818 (ends one pass and never reaches a user)
    """A member's bytes are not what was published."""

    def __init__(self, member: int, what: str) -> None:
        """Keep which member, and what is wrong."""
        super().__init__(member, what)
        self.member, self.what = member, what


@dataclass
class _Rebuild:
    """One shard's rebuilding. reasons: why what was fetched of a member is of no use."""

    published: Published
    finder: Finder
    out: Path
    progress: Progress
    reasons: dict[int, str] = field(default_factory=dict)

    def run(self, index: FileIndex, fetch: OpenRanges | None) -> list[int] | None:
        """Write the tar and return the members that were fetched; None where some are nowhere."""
        self.finder.find(index)
        while True:
            missing = self.finder.missing
            if missing and (fetch is None or self.reasons):
                return None
            try:
                self._write(self._source(fetch, missing))
            except WrongMember as wrong:
                self._look_elsewhere(wrong, index)
            else:
                return missing

    def _source(self, fetch: OpenRanges | None, missing: Sequence[int]) -> RangeSource | None:
        """Open where missing members come from."""
        layout = self.published.layout
        ranges = [(at := int(layout.offsets[member]), at + self.finder.sizes[member]) for member in missing]
        return fetch(layout, ranges) if fetch and ranges else None

    def _look_elsewhere(self, wrong: WrongMember, index: FileIndex) -> None:
        """Look for the member that ended a pass, and for every later one whose file is wrong too."""
        if self.finder.places[wrong.member] is None:
            self.reasons[wrong.member] = wrong.what
            return
        self.finder.refuse(wrong.member)
        self.finder.refuse_wrong(range(wrong.member + 1, len(self.finder.places)), index)
        self.finder.find(index)

    def _write(self, source: RangeSource | None) -> None:
        """Write the tar in one pass. Raises WrongMember, and then nothing is left of it."""
        layout = self.published.layout
        hashes = one_pass(self.published)
        self.progress.begin("rebuild", layout.size)
        try:
            with DirectWriter(self.out, layout.size) as sink:
                stream = Stream(hashes, sink, self.progress.advance)
                for segment in layout.segments(digests=self.published.digests):
                    if isinstance(segment, Slice):
                        self._read(segment.member, stream, source)
                    else:
                        stream.write(segment.data)
                stream.close()
                if not is_published(self.published, hashes.finish()):
                    what = "its members as published do not make the published pieces"
                    raise TrustError(self.published.manifest.name, what, "fetch its documents again")
        finally:
            self.progress.end()

    def _read(self, member: int, stream: Stream, source: RangeSource | None) -> None:
        """Read a whole member into the stream. Raises WrongMember where it is not what was published."""
        state = sha256()
        size, place = self.finder.sizes[member], self.finder.places[member]
        try:
            if place is not None:
                _read_file(place, size, stream, state.update)
            elif size and source is not None:
                start = int(self.published.layout.offsets[member])
                for data in source.read(start, start + size):
                    state.update(data)
                    stream.write(data)
        except Unreadable as error:
            raise WrongMember(member, str(error)) from error
        if state.digest() != self.finder.digests[member]:
            where = source.name if place is None and source else shown(place or b"")
            raise WrongMember(member, f"{where}: its SHA-256 is not {self.finder.digests[member].hex()}")
