"""Walks a source that is a store, in the same order as a folder.

A store lists its files in another order and has no folders. The listing is written to disk with a row for each folder,
sorted by DuckDB, and read folder by folder: depth first, each folder sorted by the bytes of its names.
Memory: DuckDB's limit, a page of the listing, and the names in the folders that are open in the walk.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby, islice, starmap
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from packager import paths
from packager.catalogue.walk import member_names
from packager.catalogue.walk.walk_folder import SkippedEntry, UnreadFolder, Walked, sort_key, walked_file
from packager.engine.files.file_stamp import FileStamp
from packager.engine.stores.base import Store
from packager.engine.tables import parquet, sql
from packager.errors import InputError

# folder: sort_key of its path with a "/" at the end; empty for the source itself. size: null for a folder. refused: why
# a folder cannot be listed.
_LISTED = pa.schema(
    [
        pa.field("folder", pa.binary(), nullable=False),
        pa.field("name", pa.binary(), nullable=False),
        ("size", pa.int64()),
        ("stamp", pa.int64()),
        ("refused", pa.string()),
    ]
)
_BATCH = 16_384  # rows
_BOTH = "a folder has the same name"


class _Row(NamedTuple):
    folder: bytes
    name: bytes
    size: int | None = None
    stamp: int | None = None
    refused: str | None = None


class _Folder(NamedTuple):
    """A folder to read. path, member: with a "/" at the end. why: why a name in the path was changed."""

    path: bytes
    member: str
    why: str


def walk_store(store: Store, scratch: Path) -> Iterator[Walked]:
    """Yield everything in a store, in the order of sort_key; times are stamps (engine/stores/base.py, Stat).

    scratch: a folder for the listing. Raises the store's InputError and IncompleteError.
    """
    listing = scratch / "listing.parquet"
    parquet.write_rows(listing, _LISTED, _batches(store))
    query = f"SELECT folder, name, size, stamp, refused FROM {sql.parquet(listing)} ORDER BY folder, name, size"  # noqa: S608
    with closing(sql.open_database(scratch)) as database:
        yield from _walk(_Groups(starmap(_Row, sql.run_rows(database, query, _LISTED))))


def _batches(store: Store) -> Iterator[pa.RecordBatch]:
    """Yield the listing's rows."""
    rows = _rows(store)
    while some := list(islice(rows, _BATCH)):
        columns = zip(*some, strict=True)
        yield pa.record_batch([pa.array(c, field.type) for c, field in zip(columns, _LISTED, strict=True)], _LISTED)


def _rows(store: Store) -> Iterator[_Row]:
    """Yield a row for each file and for each of its folders; a folder may come several times."""
    before: tuple[bytes, ...] = ()
    refused: list[tuple[str, str]] = []
    for entry in store.entries(lambda folder, why: refused.append((folder, why))):
        *folders, name = os.fsencode(entry.path).split(b"/")
        path = tuple(folders)
        for depth in range(len(path)):
            if path[: depth + 1] != before[: depth + 1]:
                yield _Row(_key(path[:depth]), path[depth])
        before = path
        if name or entry.stat.size:  # else other programs wrote it to mark a folder
            yield _Row(_key(path), name, entry.stat.size, entry.stat.stamp.mtime_ns)
    for folder, why in refused:
        *above, name = os.fsencode(folder).split(b"/")
        for depth in range(len(above)):
            yield _Row(_key(tuple(above[:depth])), above[depth])
        yield _Row(_key(tuple(above)), name, refused=why)


def _key(folders: tuple[bytes, ...]) -> bytes:
    """Return the sort key of a folder."""
    return b"".join(name + b"\0" for name in folders)


class _Groups:
    """The sorted rows, grouped by folder."""

    def __init__(self, rows: Iterator[_Row]) -> None:
        self._groups = groupby(rows, key=lambda row: row.folder)
        self._next = next(self._groups, None)

    def of(self, key: bytes) -> list[_Row]:
        """Return the rows of a folder, each once. Call this in the walk's order."""
        if self._next is None or self._next[0] != key:
            return []
        rows = list(dict.fromkeys(self._next[1]))
        self._next = next(self._groups, None)
        return rows


def _walk(groups: _Groups) -> Iterator[Walked]:
    """Yield files and warnings, depth first."""
    stack = [_read_folder(groups, _Folder(b"", "", ""))]
    while stack:
        for seen in stack[-1]:
            if isinstance(seen, _Folder):
                stack.append(_read_folder(groups, seen))
                break
            yield seen
        else:
            stack.pop()


def _read_folder(groups: _Groups, folder: _Folder) -> Iterator[Walked | _Folder]:
    """Yield the entries of a folder, sorted by the bytes of their names."""
    rows = groups.of(sort_key(folder.path))
    if not rows and folder.path:
        yield SkippedEntry(folder.path[:-1], "an empty folder; shards contain only files")
    folders = {row.name for row in rows if row.size is None}
    safe = member_names.member_names(list(dict.fromkeys(row.name for row in rows)), folder=folder.path[:-1])
    for row in rows:
        named = safe[row.name]
        if row.size is not None and row.name in folders:
            named = _beside_folder(row.name, safe, folder)
        member = folder.member + named.name
        why = "; ".join(part for part in (folder.why, named.why) if part)
        path = folder.path + row.name
        if row.refused is not None:
            yield UnreadFolder(path, f"the folder cannot be read ({row.refused})", is_folder=True)
        elif row.size is None:
            yield _Folder(path + b"/", member + "/", why)
        else:
            yield walked_file(path, member, FileStamp(row.size, row.stamp), why)


def _beside_folder(
    name: bytes, safe: Mapping[bytes, member_names.MemberName], folder: _Folder
) -> member_names.MemberName:
    """Return a new name for a file with the same name as a folder. Raises InputError if that name is used too."""
    new = paths.safe_name(name, collides=True)
    if any(paths.collision_key(each.name) == paths.collision_key(new) for each in safe.values()):
        what = f'"{paths.display_text(name)}" would be named "{new}" in a shard, but that name is used'
        raise InputError(paths.display_text(folder.path) or "source", what, "rename one of them")
    return member_names.MemberName(new, _BOTH)
