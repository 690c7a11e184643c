"""The files table: what was seen of each file of the source, in the walk's order.

The next scan reads it beside its own walk, and rereads no file that is unchanged.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from packager import paths
from packager.catalogue import fields
from packager.catalogue.oddities import Oddities
from packager.catalogue.readers import Readers
from packager.catalogue.tags import Tags
from packager.catalogue.walk import Found, Odd, sort_key
from packager.engine import tables
from packager.errors import PackagerError
from packager.model import TAGS
from packager.progress import Progress

TAG_RULES = 1  # raised whenever tags.py reads anything otherwise: then every file is reread once
_TAG_FIELDS = [TAGS.field(name) for name in Tags._fields if name in TAGS.names]

# raw: the exact path. stem: the name without folders and extension. tag_rules: the TAG_RULES under which the
# tags were read, 0 where they must be read again.
FILES = pa.schema(
    [
        pa.field("raw", pa.binary(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        ("path_b64", pa.string()),
        pa.field("member", pa.string(), nullable=False),
        pa.field("stem", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        *_TAG_FIELDS,
        ("fault", pa.string()),
        pa.field("tag_rules", pa.int32(), nullable=False),
    ]
)

# A file written in the same tick as it is read keeps its mtime and changes its bytes (git's "racy" entries); 2 s is
# the coarsest tick of a file system (FAT).
_RACY_NS = 2_000_000_000
_GROUP = 4096  # files looked at before their tags are read


@dataclass
class Seen:
    """Counts of one scan: files, their bytes, and the files whose tags were read now."""

    files: int = 0
    bytes: int = 0
    tags_read: int = 0


class _Rows:
    """Some rows of the last scan's table; what is asked of them becomes Python's once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        names = ("raw", "size", "mtime_ns", "member", "tag_rules")
        self.known = list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))

    @cached_property
    def tags(self) -> list[Tags]:
        """What was read of each."""
        columns = (self.batch.column(field.name).to_pylist() for field in _TAG_FIELDS)
        return [Tags(*values) for values in zip(*columns, self.batch.column("fault").to_pylist(), strict=True)]


class _Remembered:
    """The last scan's files table, read once along with the walk, which has the same order."""

    def __init__(self, table: Path) -> None:
        self._coming = _rows(table)
        self._ahead: deque[_Rows] = deque()
        self._at = 0  # the next row of the first of those ahead

    def _first(self) -> _Rows | None:
        """Return the rows that the next one is among, None at the end."""
        while not self._ahead or self._at == len(self._ahead[0].known):
            if self._ahead:
                self._ahead.popleft()
                self._at = 0
            elif (rows := next(self._coming, None)) is not None:
                self._ahead.append(rows)
            else:
                return None
        return self._ahead[0]

    def tags(self, found: Found) -> Tags | None:
        """Return the tags of a file that is unchanged since the last scan. Ask in the walk's order."""
        key = sort_key(found.path)
        while (rows := self._first()) is not None:
            raw, size, mtime_ns, _, rules = rows.known[self._at]
            if sort_key(raw) < key:
                self._at += 1
                continue
            same = (raw, size, mtime_ns, rules) == (found.path, found.size, found.mtime_ns, TAG_RULES)
            return rows.tags[self._at] if same else None
        return None

    def same(self, group: list[Found]) -> list[pa.RecordBatch]:
        """Return the next rows, where they are those of a whole group and nothing of them changed; else none."""
        wanted = [(found.path, found.size, found.mtime_ns, found.member, TAG_RULES) for found in group]
        parts: list[pa.RecordBatch] = []
        rows, at, done, ahead = self._first(), self._at, 0, 0
        while rows is not None and done < len(wanted):
            take = min(len(rows.known) - at, len(wanted) - done)
            if rows.known[at : at + take] != wanted[done : done + take]:
                return []
            parts.append(rows.batch.slice(at, take))
            done, at = done + take, at + take
            if done < len(wanted):
                ahead, at = ahead + 1, 0
                if ahead == len(self._ahead) and (more := next(self._coming, None)) is not None:
                    self._ahead.append(more)
                rows = self._ahead[ahead] if ahead < len(self._ahead) else None
        if done < len(wanted):
            return []
        for _ in range(ahead):
            self._ahead.popleft()
        self._at = at
        return parts


def _rows(table: Path) -> Iterator[_Rows]:
    """Yield the rows of a table, some thousand at once; none of a table that is no use."""
    try:
        for batch in tables.read_batches(table, FILES, FILES.names):
            for first in range(0, batch.num_rows, _GROUP):
                yield _Rows(batch.slice(first, _GROUP))
    except PackagerError:
        return


@dataclass
class FilesTable:
    """Writes the files table for a walk, reading the tags that the table before does not hold.

    started_ns: when the scan began, by the clock that gives mtimes. A table before that cannot be read, or has
    another shape, is as none. Memory: one group of files.
    """

    table: Path
    source: bytes
    started_ns: int
    readers: Readers
    oddities: Oddities
    progress: Progress

    def write(self, walked: Iterator[Found | Odd]) -> Seen:
        """Write the table and return the counts. Raises IncompleteError and what the walk raises."""
        seen, before = Seen(), _Remembered(self.table)
        tables.write_table(self.table, FILES, self._batches(walked, before, seen), quick=True)
        return seen

    def _batches(self, walked: Iterator[Found | Odd], before: _Remembered, seen: Seen) -> Iterator[pa.RecordBatch]:
        """Yield the rows, a group at a time."""
        while group := list(islice(walked, _GROUP)):
            found = [item for item in group if isinstance(item, Found)]
            if found and (batches := before.same(found)):
                self._tell(group, batches, seen)
                yield from (batch.cast(FILES) for batch in batches)
                continue
            tagged = {item.path: before.tags(item) for item in group if isinstance(item, Found) and _is_tagged(item)}
            if rows := list(self._rows(group, tagged, seen)):
                arrays = [pa.array(c, field.type) for c, field in zip(zip(*rows, strict=True), FILES, strict=True)]
                yield pa.record_batch(arrays, FILES)

    def _tell(self, group: list[Found | Odd], batches: list[pa.RecordBatch], seen: Seen) -> None:
        """Tell the oddities of a group of which every file is unchanged, in the walk's order, and count its files."""
        faults = (fault for batch in batches for fault in batch.column("fault").to_pylist())
        for item in group:
            if isinstance(item, Odd):
                self.oddities.add(item.path, item.what)
            elif (fault := next(faults)) or item.why:
                self._tell_file(item, fault)
        count = sum(batch.num_rows for batch in batches)
        seen.files += count
        seen.bytes += sum(pc.sum(batch.column("size")).as_py() for batch in batches)
        self.progress.advance(count)

    def _tell_file(self, found: Found, fault: str | None) -> None:
        """Tell what is odd about a file."""
        if found.why:
            self.oddities.add(found.path, f'named "{found.member}" in its shard: {found.why}')
        if fault:
            self.oddities.add(found.path, fault)

    def _rows(
        self, group: list[Found | Odd], tagged: dict[bytes, Tags | None], seen: Seen
    ) -> Iterator[tuple[object, ...]]:
        """Yield the rows of one group, and tell its oddities, in the walk's order. tagged: None where not yet read."""
        sizes = {item.path: item.size for item in group if isinstance(item, Found)}
        unread = [(os.path.join(self.source, path), sizes[path]) for path, tags in tagged.items() if tags is None]
        now = self.readers.read(unread)
        seen.tags_read += len(unread)
        for item in group:
            if isinstance(item, Odd):
                self.oddities.add(item.path, item.what)
                continue
            tags = (tagged[item.path] or next(now)) if item.path in tagged else Tags()
            self._tell_file(item, tags.fault)
            seen.files += 1
            seen.bytes += item.size
            self.progress.advance(1)
            yield _row(item, tags, settled=tags.settled and item.mtime_ns < self.started_ns - _RACY_NS)


def _is_tagged(found: Found) -> bool:
    """Say whether a file's extension promises tags."""
    return fields.extension_of(os.fsdecode(found.path.rpartition(b"/")[2])) in fields.TAGGED


def _row(found: Found, tags: Tags, *, settled: bool) -> tuple[object, ...]:
    """Return a file's row of FILES."""
    path, path_b64 = paths.encode_path(found.path)
    return (
        found.path,
        path,
        path_b64,
        found.member,
        fields.stem_of(path),
        fields.kind_of(fields.extension_of(path.rpartition("/")[2])),
        found.size,
        found.mtime_ns,
        *tags[: len(_TAG_FIELDS)],
        tags.fault,
        TAG_RULES if settled else 0,
    )
