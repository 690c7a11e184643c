"""The files table: what was seen of each file of the source, in the walk's order.

The next scan reads it beside its own walk, and rereads no file that is unchanged.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

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


class _Remembered:
    """The last scan's files table, read once along with the walk, which has the same order."""

    def __init__(self, table: Path) -> None:
        self._rows = _settled(table)
        self._next = next(self._rows, None)

    def tags(self, found: Found) -> Tags | None:
        """Return the tags of a file that is unchanged since the last scan. Ask in the walk's order."""
        key = sort_key(found.path)
        while self._next is not None and self._next[0] < key:
            self._next = next(self._rows, None)
        if self._next is None or self._next[:3] != (key, found.size, found.mtime_ns):
            return None
        return self._next[3]


def _settled(table: Path) -> Iterator[tuple[bytes, int, int, Tags]]:
    """Yield (sort key, size, mtime_ns, tags) of the rows that may be used again; none of a table that is no use."""
    names = ("raw", "size", "mtime_ns", "tag_rules", *(field.name for field in _TAG_FIELDS), "fault")
    try:
        for batch in tables.read_batches(table, FILES, names):
            columns = (batch.column(name).to_pylist() for name in names)
            for raw, size, mtime_ns, rules, *values in zip(*columns, strict=True):
                if rules == TAG_RULES:
                    yield sort_key(raw), size, mtime_ns, Tags(*values)
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
        tables.write_table(self.table, FILES, self._batches(walked, before, seen))
        return seen

    def _batches(self, walked: Iterator[Found | Odd], before: _Remembered, seen: Seen) -> Iterator[pa.RecordBatch]:
        """Yield the rows, a group at a time."""
        while group := list(islice(walked, _GROUP)):
            tagged = {item.path: before.tags(item) for item in group if isinstance(item, Found) and _is_tagged(item)}
            if rows := list(self._rows(group, tagged, seen)):
                arrays = [pa.array(c, field.type) for c, field in zip(zip(*rows, strict=True), FILES, strict=True)]
                yield pa.record_batch(arrays, FILES)

    def _rows(
        self, group: list[Found | Odd], tagged: dict[bytes, Tags | None], seen: Seen
    ) -> Iterator[tuple[object, ...]]:
        """Yield the rows of one group, and tell its oddities, in the walk's order. tagged: None where not yet read."""
        unread = [os.path.join(self.source, path) for path, tags in tagged.items() if tags is None]
        now = self.readers.read(unread)
        seen.tags_read += len(unread)
        for item in group:
            if isinstance(item, Odd):
                self.oddities.add(item.path, item.what)
                continue
            tags = (tagged[item.path] or next(now)) if item.path in tagged else Tags()
            if item.why:
                self.oddities.add(item.path, f'named "{item.member}" in its shard: {item.why}')
            if tags.fault:
                self.oddities.add(item.path, tags.fault)
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
