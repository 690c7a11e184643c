"""A tar that is not there: its bytes, made of its layout and its members' files when they are asked for.

A file gives bytes only while it has the size and the time that it had when the shard was packed.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from packager.core.releases import documents
from packager.core.shards.layout import Int64s, Layout
from packager.core.shards.layout import MemberRange as MemberSlice
from packager.core.shards.make_layout import published_layout
from packager.core.shards.path_formats import original_path
from packager.engine.files.file_body import WAITING, FileChunk, Step, open_chunks
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.limited_read import read_limited
from packager.engine.files.open_file_cache import OpenFileCache
from packager.engine.files.range_readers import UnreadableError
from packager.engine.project.project import Project
from packager.engine.published.moved_files import source_paths
from packager.engine.stores import store_at
from packager.engine.stores.base import Place
from packager.engine.stores.read_ahead import MemoryLimit
from packager.engine.stores.stored_body import StoredSources
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.model import MEMBERS, MTIME, Manifest, ShardName
from packager.paths import display_text
from packager.units import KIB

_FULL = 256 * KIB  # bytes that are gathered before they are given on
_LOOKED_AT = 64  # files of a range that `check` looks at
_RECENT = 4096  # members of a shard whose path and stamp are kept ready
_REPACK = "run: packager pack"
_NONE: Mapping[int, bytes] = MappingProxyType({})

Paths: TypeAlias = Mapping[int, bytes]  # by member
SliceParts: TypeAlias = Callable[[MemberSlice], Iterator[Step]]  # gives a slice of a member's file


class VirtualTar:
    """A packed shard's tar by its sources. Memory: some 350 bytes a member."""

    def __init__(self, layout: Layout, digests: bytes, sources: "SourceOpener") -> None:
        """Take what open_virtual read. digests: 32 bytes a member, joined."""
        self.layout, self._digests, self._sources = layout, digests, sources
        self._first = int(layout.offsets.min()) if len(layout.offsets) else layout.size

    @property
    def size(self) -> int:
        """The tar's bytes."""
        return self.layout.size

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where one of the first files of a range is not what it was; later ones are seen later."""
        self._sources.check(self._slices(start, stop))

    def is_open(self, start: int, stop: int) -> bool:
        """Return whether the files that `check` would check are open and unchanged. No folder is read."""
        return self._sources.are_open(self._slices(start, stop))

    def _slices(self, start: int, stop: int) -> Iterator[MemberSlice]:
        """Yield what of members' files is in bytes [start, stop) of the tar, in order."""
        layout = self.layout
        for member in layout.touched(start, stop):
            first, size = int(layout.offsets[member]), int(layout.sizes[member])
            yield MemberSlice(member, max(start - first, 0), min(stop - first, size))

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop) of the tar. Raises Unreadable naming the file that is not what it was."""
        held = bytearray()
        if start < self._first or stop > self.layout.manifest_start:
            yield WAITING  # tag files are made of all rows
        with self._sources.reading(self._slices(start, stop)) as slice_parts:
            for step in self._steps(start, stop, slice_parts):
                if isinstance(step, bytes):
                    held += step
                if held and (len(held) >= _FULL or isinstance(step, FileChunk)):
                    yield bytes(held)
                    held.clear()
                if not isinstance(step, bytes):
                    yield step
        if held:
            yield bytes(held)

    def _steps(self, start: int, stop: int, slice_parts: SliceParts) -> Iterator[Step]:
        """Yield bytes [start, stop) of the tar in pieces as small as they come."""
        for segment in self.layout.segments(start, stop, self._digests):
            if isinstance(segment, MemberSlice):
                if segment.start < segment.stop:  # an empty file is not opened
                    yield from slice_parts(segment)
            else:
                yield segment.data
                if len(segment.data) >= _FULL:
                    yield WAITING  # more of a tag file is to be made

    def close(self) -> None:
        """Do nothing: files are closed when others are wanted."""


class SourceOpener(Protocol):
    """The files of a shard's members, and what each was when the shard was packed.

    Every call raises Unreadable where a file is not what it was, or cannot be read.
    """

    def check(self, slices: Iterator[MemberSlice]) -> None:
        """Look whether the first files are what they were."""

    def are_open(self, slices: Iterator[MemberSlice]) -> bool:
        """Return whether the first files are open and what they were, without a look into a folder."""

    def reading(self, slices: Iterator[MemberSlice]) -> AbstractContextManager[SliceParts]:
        """Return what gives the bytes of slices, which are asked for in the order told."""


class FolderSourceOpener:
    """The files of a shard's members below a folder, and what each was when the shard was packed."""

    def __init__(self, layout: Layout, root: Path, mtimes: Int64s, files: OpenFileCache, moved: Paths = _NONE) -> None:
        """Read below `root`. mtimes: nanoseconds, one for each member. files: open files. moved: new paths."""
        self._rows, self._sizes, self._moved = layout.members, layout.sizes, moved
        self._root, self._mtimes, self._files = os.fsencode(root), mtimes, files
        self._recent: dict[int, tuple[bytes, FileStamp]] = {}

    def check(self, slices: Iterator[MemberSlice]) -> None:
        """Look whether the first files are what they were."""
        for each in islice(slices, _LOOKED_AT):
            self._files.release(self._files.open(*self._known(each.member)))

    def are_open(self, slices: Iterator[MemberSlice]) -> bool:
        """Return whether the first files are open and what they were."""
        for each in islice(slices, _LOOKED_AT):
            file = self._files.held(*self._known(each.member))
            if file is None:
                return False
            self._files.release(file)
        return True

    def reading(self, slices: Iterator[MemberSlice]) -> AbstractContextManager[SliceParts]:  # noqa: ARG002 (see Sources)
        """Return what opens each file when its turn comes."""
        return nullcontext(self._parts)

    def _parts(self, part: MemberSlice) -> Iterator[Step]:
        """Yield a slice of a member's file."""
        known = self._known(part.member)
        file = self._files.held(*known)
        if file is None:
            yield WAITING
            file = self._files.open(*known)
        try:
            yield from open_chunks(file, part.start, part.stop)
        finally:
            self._files.release(file)

    def _known(self, member: int) -> tuple[bytes, FileStamp]:
        """Return the path of a member's file, and its size and time as they were. Raises Unreadable."""
        found = self._recent.get(member)
        if found is None:
            place = self._root + b"/" + source_path(self._rows, member, self._moved)
            found = place, FileStamp(int(self._sizes[member]), int(self._mtimes[member]))
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            self._recent[member] = found
        return found


def source_path(rows: pa.Table, member: int, moved: Paths) -> bytes:
    """Return the path of a member's file at the source. Raises Unreadable for one that leads out of it."""
    if member in moved:
        return moved[member]
    path, source, source_b64 = (rows[column][member].as_py() for column in ("path", "source_path", "source_path_b64"))
    found = original_path(path if source is None else source, source_b64)
    if found is None:
        raise UnreadableError(display_text(path), "its path at the source is none")
    return found


def open_virtual(project: Project, name: ShardName, root: Place, files: OpenFileCache, room: MemoryLimit) -> VirtualTar:
    """Return a packed shard's tar by its members' files in the folder or the store `root`.

    files: where those of a folder stay that are read; room: for what is read ahead of a store.

    Raises InputError if its documents do not fit each other, or say nothing of its sources' times;
    IncompleteError where they cannot be read.
    """
    folder = project.packed(name)
    path = folder / f"{name}.manifest.json"
    manifest = documents.from_bytes(read_limited(path, documents.LIMIT), Manifest, path)
    members = parquet.read_rows(folder / f"{name}.members.parquet", 0, manifest.members, MEMBERS)
    if not project.source_times(name).exists():
        raise InputError(name, "was packed before its sources' times were kept", "run: packager pack --no-tars")
    mtimes = parquet.read_rows(project.source_times(name), 0, manifest.members)[MTIME.name]
    layout = published_layout(manifest, members)
    if layout is None or len(mtimes) != manifest.members:
        raise InputError(path, "does not fit its members table", _REPACK)
    digests = b"".join(members["sha256"].to_pylist())
    stamps = np.asarray(mtimes.to_numpy(), np.int64)
    moved = source_paths(project, name)
    sources: SourceOpener
    if isinstance(root, Path):
        sources = FolderSourceOpener(layout, root, stamps, files, moved)
    else:
        sources = StoredSources(
            store_at(root), lambda member: source_path(members, member, moved), layout.sizes, stamps, room
        )
    return VirtualTar(layout, digests, sources)
