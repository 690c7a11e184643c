"""The files table: one row for each file of the source, in the walk's order.

The next scan reads this table along with its walk, and reads tags only from new and changed files. A file that cannot
be read keeps its last row, marked `unread`, so that a failing disk does not look like deleted files.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from packager import paths
from packager.catalogue.records import field_rules
from packager.catalogue.tags.read_tags import Tags
from packager.catalogue.tags.tag_readers import TagReaders
from packager.catalogue.walk.walk_folder import UnreadFolder, Walked, WalkedFile, sort_key
from packager.catalogue.warning_log import UnreadLog, WarningLog
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError, PackagerError
from packager.model import TAGS
from packager.progress import Progress

TAG_RULES = 1  # raise this if read_tags.py reads anything differently: the next scan reads all tags again
_TAG_FIELDS = [TAGS.field(name) for name in Tags._fields if name in TAGS.names]

# raw: the exact path. stem: the name without folders and extension. tag_rules: the TAG_RULES with which the tags were
# read, 0 if they must be read again. unread: the file could not be read, and the row is from an earlier scan.
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
        pa.field("unread", pa.bool_(), nullable=False),
    ]
)

# A file can change within one clock tick without a new mtime (git calls this "racy"). 2 s is the longest tick of a file
# system (FAT).
_RACY_NS = 2_000_000_000
_GROUP = 4096  # files in one group


@dataclass
class ScanCounts:
    """Counts of one scan: files, their bytes, and the files from which tags were read."""

    files: int = 0
    bytes: int = 0
    tags_read: int = 0


class _Rows:
    """Some rows of the last scan's table. Columns are converted to Python when they are first used."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        names = ("raw", "size", "mtime_ns", "member", "tag_rules", "unread")
        self.known = list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))

    @cached_property
    def tags(self) -> list[Tags]:
        """The tags of each row."""
        columns = (self.batch.column(field.name).to_pylist() for field in _TAG_FIELDS)
        return [Tags(*values) for values in zip(*columns, self.batch.column("fault").to_pylist(), strict=True)]

    def unread(self, first: int, stop: int) -> pa.RecordBatch:
        """Return some rows, marked as unread."""
        batch = self.batch.slice(first, stop - first).cast(FILES)
        return batch.set_column(FILES.get_field_index("unread"), FILES.field("unread"), pa.repeat(True, len(batch)))


class _Row(NamedTuple):
    """A row of the last scan's table."""

    rows: _Rows
    at: int

    @property
    def unread(self) -> pa.RecordBatch:
        """Return the row, marked as unread."""
        return self.rows.unread(self.at, self.at + 1)

    def tags(self, found: WalkedFile) -> Tags | None:
        """Return the tags of a file if the file is unchanged, else None."""
        raw, size, mtime_ns, _, rules, _ = self.rows.known[self.at]
        same = (raw, size, mtime_ns, rules) == (found.path, found.size, found.mtime_ns, TAG_RULES)
        return self.rows.tags[self.at] if same else None


class _Remembered:
    """The last scan's files table. It is read once, along with the walk, because both have the same order."""

    def __init__(self, table: Path) -> None:
        self._coming = _rows(table)
        self._ahead: deque[_Rows] = deque()
        self._at = 0  # the next row, in the first batch

    def _first(self) -> _Rows | None:
        """Return the batch that contains the next row; None at the end."""
        while not self._ahead or self._at == len(self._ahead[0].known):
            if self._ahead:
                self._ahead.popleft()
                self._at = 0
            elif (rows := next(self._coming, None)) is not None:
                self._ahead.append(rows)
            else:
                return None
        return self._ahead[0]

    def row(self, path: bytes) -> _Row | None:
        """Return the row of a path, or None. Call this in the walk's order."""
        key = sort_key(path)
        while (rows := self._first()) is not None:
            raw = rows.known[self._at][0]
            if sort_key(raw) >= key:
                return _Row(rows, self._at) if raw == path else None
            self._at += 1
        return None

    def below(self, folder: bytes) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a path and of everything below it, marked as unread."""
        self.row(folder)  # skips the rows before it
        while (rows := self._first()) is not None:
            first = self._at
            while self._at < len(rows.known) and (rows.known[self._at][0] + b"/").startswith(folder + b"/"):
                self._at += 1
            if first == self._at:
                return
            yield rows.unread(first, self._at)

    def same(self, group: list[WalkedFile]) -> list[pa.RecordBatch]:
        """Return the next rows if they are exactly those of a group and no file has changed; else an empty list."""
        wanted = [(found.path, found.size, found.mtime_ns, found.member, TAG_RULES, False) for found in group]
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
    """Yield the rows of a table in batches of some thousands; nothing if the table cannot be used."""
    try:
        for batch in parquet.read_batches(table, FILES, FILES.names):
            for first in range(0, batch.num_rows, _GROUP):
                yield _Rows(batch.slice(first, _GROUP))
    except PackagerError:
        return


@dataclass
class FilesTable:
    """Writes the files table for a walk, and reads the tags that the previous table does not have.

    source: the folder, empty for a store. name: the source's name in messages. started_ns: when the scan began, by the
    file system's clock. warnings, unread: collect issues. A previous table that is damaged or has other columns is
    ignored. Memory: one group of files.
    """

    table: Path
    source: bytes
    name: str
    started_ns: int
    readers: TagReaders
    warnings: WarningLog
    unread: UnreadLog
    progress: Progress

    def write(self, walked: Iterator[Walked]) -> ScanCounts:
        """Write the table and return the counts.

        Raises InputError if the source has no file, IncompleteError if no file can be read, and the errors of the walk.
        The previous table then stays.
        """
        seen, before = ScanCounts(), _Remembered(self.table)
        parquet.write_rows(self.table, FILES, self._batches(walked, before, seen), quick=True)
        return seen

    def _batches(self, walked: Iterator[Walked], before: _Remembered, seen: ScanCounts) -> Iterator[pa.RecordBatch]:
        """Yield the rows, group by group."""
        is_empty = True
        for group in _groups(walked):
            batches: Iterator[pa.RecordBatch]
            if isinstance(group, UnreadFolder):
                self.unread.add(group.path, group.what)
                batches = before.below(group.path)
            elif same := before.same([item for item in group if isinstance(item, WalkedFile)]):
                self._report_unchanged(group, same, seen)
                batches = (batch.cast(FILES) for batch in same)
            else:
                batches = self._rows(group, before, seen)
            for batch in batches:
                is_empty = False
                yield batch
        if is_empty and self.unread.count:
            raise IncompleteError(self.name, "nothing in the source can be read", "fix its permissions or its disk")
        if is_empty:
            fix = "name the folder of the collection in [[sources]]"
            raise InputError(self.name, "the source contains no file", fix)

    def _report_unchanged(self, group: list[Walked], batches: list[pa.RecordBatch], seen: ScanCounts) -> None:
        """Report the warnings of an unchanged group, in the walk's order, and count its files."""
        faults = (fault for batch in batches for fault in batch.column("fault").to_pylist())
        for item in group:
            self._report_item(item, next(faults) if isinstance(item, WalkedFile) else None)
        count = sum(batch.num_rows for batch in batches)
        seen.files += count
        seen.bytes += sum(pc.sum(batch.column("size")).as_py() for batch in batches)
        self.progress.advance(count)

    def _report_item(self, item: Walked, fault: str | None) -> None:
        """Report the warning or error of a path, if any."""
        if isinstance(item, WalkedFile):
            if item.why:
                self.warnings.add(item.path, f'named "{item.member}" in its shard: {item.why}', "renamed")
            if fault:
                self.warnings.add(item.path, fault, "tags")
        elif isinstance(item, UnreadFolder):
            self.unread.add(item.path, item.what)
        else:
            self.warnings.add(item.path, item.what, "skipped")

    def _rows(self, group: list[Walked], before: _Remembered, seen: ScanCounts) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a group, and report its warnings, in the walk's order."""
        known = {
            item.path: before.row(item.path) for item in group if isinstance(item, UnreadFolder) or _is_tagged(item)
        }
        tagged = {
            item.path: row.tags(item) if (row := known[item.path]) else None
            for item in group
            if isinstance(item, WalkedFile) and item.path in known
        }
        to_read = [item for item in group if isinstance(item, WalkedFile) and tagged.get(item.path, item) is None]
        now = self.readers.read([(os.path.join(self.source, item.path), item.size) for item in to_read])
        seen.tags_read += len(to_read)
        rows: list[tuple[object, ...]] = []
        for walked in group:
            tags = (tagged[walked.path] or next(now)) if walked.path in tagged else Tags()
            item = walked if tags.is_read else UnreadFolder(walked.path, tags.fault or "", is_folder=False)
            self._report_item(item, tags.fault)
            if isinstance(item, WalkedFile):
                seen.files += 1
                seen.bytes += item.size
                self.progress.advance(1)
                rows.append(_row(item, tags, settled=item.mtime_ns < self.started_ns - _RACY_NS))
            elif row := known.get(item.path):
                yield from _batch(rows)
                rows = []
                yield row.unread
        yield from _batch(rows)


def _groups(walked: Iterator[Walked]) -> Iterator[list[Walked] | UnreadFolder]:
    """Yield the walk in groups. An unread folder is a group by itself, because it may have had many files."""
    group: list[Walked] = []
    for item in walked:
        is_alone = isinstance(item, UnreadFolder) and item.is_folder
        if group and (is_alone or len(group) == _GROUP):
            yield group
            group = []
        if isinstance(item, UnreadFolder) and item.is_folder:
            yield item
        else:
            group.append(item)
    if group:
        yield group


def _batch(rows: list[tuple[object, ...]]) -> list[pa.RecordBatch]:
    """Return rows of FILES as a batch; an empty list for no rows."""
    if not rows:
        return []
    arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), FILES, strict=True)]
    return [pa.record_batch(arrays, FILES)]


def _is_tagged(item: Walked) -> bool:
    """Return whether this is a file with the extension of a format that has tags."""
    return (
        isinstance(item, WalkedFile)
        and field_rules.extension_of(os.fsdecode(item.path.rpartition(b"/")[2])) in field_rules.TAGGED
    )


def _row(found: WalkedFile, tags: Tags, *, settled: bool) -> tuple[object, ...]:
    """Return a file's row of FILES."""
    path, path_b64 = paths.encode_path(found.path)
    return (
        found.path,
        path,
        path_b64,
        found.member,
        field_rules.stem_of(path),
        field_rules.kind_of(field_rules.extension_of(path.rpartition("/")[2])),
        found.size,
        found.mtime_ns,
        *tags[: len(_TAG_FIELDS)],
        tags.fault,
        TAG_RULES if settled else 0,
        False,
    )
