"""A tar that is not there: its bytes, made of its layout and its members' files when they are asked for.

A file gives bytes only while it has the size and the time that it had when the shard was packed.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from packager import documents
from packager.engine import tables
from packager.engine.limited import read_limited
from packager.engine.open_files import Opened, OpenFiles, Stamp
from packager.engine.ranges import Unreadable
from packager.engine.sliced import WAITING, Slice, Step, opened_parts
from packager.engine.workspace import Workspace
from packager.errors import InputError
from packager.file_names import original_path
from packager.layout import Int64s, Layout
from packager.layout import Slice as MemberSlice
from packager.model import MEMBERS, MTIME, Manifest, ShardName
from packager.paths import shown
from packager.shard_layout import published_layout
from packager.units import KIB

_FULL = 256 * KIB  # bytes that are gathered before they are given on
_LOOKED_AT = 64  # files of a range that `check` looks at
_RECENT = 4096  # members of a shard whose path and stamp are kept ready
_REPACK = "run: packager pack"


class VirtualTar:
    """A packed shard's tar by its sources. Memory: some 350 bytes a member."""

    def __init__(self, layout: Layout, digests: bytes, sources: "Sources") -> None:
        """Take what open_virtual read. digests: 32 bytes a member, joined."""
        self.layout, self._digests, self._sources = layout, digests, sources
        self._first = int(layout.offsets.min()) if len(layout.offsets) else layout.size

    @property
    def size(self) -> int:
        """The tar's bytes."""
        return self.layout.size

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where one of the first files of a range is not what it was; later ones are seen later."""
        for member in islice(self.layout.touched(start, stop), _LOOKED_AT):
            self._sources.files.release(self._sources.open(member))

    def is_open(self, start: int, stop: int) -> bool:
        """Say whether the files that `check` would look at are open and what they were, without a look into folders."""
        for member in islice(self.layout.touched(start, stop), _LOOKED_AT):
            file = self._sources.held(member)
            if file is None:
                return False
            self._sources.files.release(file)
        return True

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop) of the tar. Raises Unreadable naming the file that is not what it was."""
        held = bytearray()
        if start < self._first or stop > self.layout.manifest_start:
            yield WAITING  # tag files are made of all rows
        for step in self._steps(start, stop):
            if isinstance(step, bytes):
                held += step
            if held and (len(held) >= _FULL or isinstance(step, Slice)):
                yield bytes(held)
                held.clear()
            if not isinstance(step, bytes):
                yield step
        if held:
            yield bytes(held)

    def _steps(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop) of the tar in pieces as small as they come."""
        for segment in self.layout.segments(start, stop, self._digests):
            if isinstance(segment, MemberSlice):
                yield from self._file(segment)
            else:
                yield segment.data
                if len(segment.data) >= _FULL:
                    yield WAITING  # more of a tag file is to be made

    def close(self) -> None:
        """Do nothing: files are closed when others are wanted."""

    def _file(self, segment: MemberSlice) -> Iterator[Step]:
        """Yield a slice of a member's file; an empty one is not opened."""
        if segment.start == segment.stop:
            return
        file = self._sources.held(segment.member)
        if file is None:
            yield WAITING
            file = self._sources.open(segment.member)
        try:
            yield from opened_parts(file, segment.start, segment.stop)
        finally:
            self._sources.files.release(file)


class Sources:
    """The files of a shard's members below a folder, and what each was when the shard was packed."""

    def __init__(self, layout: Layout, root: Path, mtimes: Int64s, files: OpenFiles) -> None:
        """Look below `root`. mtimes: nanoseconds, one a member. files: what is open."""
        self._rows, self._sizes = layout.members, layout.sizes
        self._root, self._mtimes, self.files = os.fsencode(root), mtimes, files
        self._recent: dict[int, tuple[bytes, Stamp]] = {}

    def held(self, member: int) -> Opened | None:
        """Return a member's file if it is open and what it was."""
        return self.files.held(*self._known(member))

    def open(self, member: int) -> Opened:
        """Open a member's file. Raises Unreadable where it is not what it was."""
        return self.files.open(*self._known(member))

    def _known(self, member: int) -> tuple[bytes, Stamp]:
        """Return the path of a member's file, and its size and time as they were. Raises Unreadable."""
        found = self._recent.get(member)
        if found is None:
            found = self._place(member), Stamp(int(self._sizes[member]), int(self._mtimes[member]))
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            self._recent[member] = found
        return found

    def _place(self, member: int) -> bytes:
        """Return the path of a member's file. Raises Unreadable for one that leads out of the folder."""
        path, source, source_b64 = (
            self._rows[column][member].as_py() for column in ("path", "source_path", "source_path_b64")
        )
        found = original_path(path if source is None else source, source_b64)
        if found is None:
            raise Unreadable(shown(path), "its path at the source is none")
        return self._root + b"/" + found


def open_virtual(workspace: Workspace, name: ShardName, root: Path, files: OpenFiles) -> VirtualTar:
    """Return a packed shard's tar by its members' files in the folder `root`; those that are read stay in `files`.

    Raises InputError where its documents do not fit each other, or say nothing of its sources' times;
    IncompleteError where they cannot be read.
    """
    folder = workspace.packed(name)
    path = folder / f"{name}.manifest.json"
    manifest = documents.from_bytes(read_limited(path, documents.LIMIT), Manifest, path)
    members = tables.read_rows(folder / f"{name}.members.parquet", 0, manifest.members, MEMBERS)
    if not workspace.mtimes(name).exists():
        raise InputError(name, "was packed before its sources' times were kept", "run: packager pack --virtual")
    mtimes = tables.read_rows(workspace.mtimes(name), 0, manifest.members)[MTIME.name]
    layout = published_layout(manifest, members)
    if layout is None or len(mtimes) != manifest.members:
        raise InputError(path, "does not fit its members table", _REPACK)
    digests = b"".join(members["sha256"].to_pylist())
    return VirtualTar(layout, digests, Sources(layout, root, np.asarray(mtimes.to_numpy(), np.int64), files))
