"""A tar that is not there: its bytes, made of its layout and its members' files when they are asked for.

A file gives bytes only while it has the size and the time that it had when the shard was packed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from packager import documents
from packager.engine import tables
from packager.engine.limited import read_limited
from packager.engine.ranges import Unreadable, open_file
from packager.engine.sliced import Part, Stamp, closing, open_parts
from packager.engine.workspace import Workspace
from packager.errors import InputError
from packager.file_names import original_path
from packager.files_layout import shard_layout
from packager.layout import Int64s, Layout
from packager.layout import Slice as MemberSlice
from packager.model import MEMBERS, MTIME, Manifest, ShardName
from packager.paths import shown
from packager.units import KIB

_FULL = 256 * KIB  # bytes that are gathered before they are given on
_LOOKED_AT = 64  # files of a range that `check` looks at
_REPACK = "run: packager pack"


class VirtualTar:
    """A packed shard's tar, or its folder as the torrent's stream, by its sources. Memory: some 350 bytes a member."""

    def __init__(self, layout: Layout, digests: bytes, root: Path, mtimes: Int64s) -> None:
        """Read members from the folder `root`; one digest of 32 bytes and one time in nanoseconds for each."""
        self.layout = layout
        self._digests, self._root, self._mtimes = digests, os.fsencode(root), mtimes

    @property
    def size(self) -> int:
        """The tar's bytes."""
        return self.layout.size

    def touched(self, start: int, stop: int) -> Iterator[int]:
        """Yield the members of whose data bytes [start, stop) hold some, in order."""
        return self.layout.touched(start, stop)

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where one of the first files of a range is not what it was; later ones are seen later."""
        for member, _ in zip(self.touched(start, stop), range(_LOOKED_AT), strict=False):
            os.close(self._open(member))

    def parts(self, start: int, stop: int) -> Iterator[Part]:
        """Yield bytes [start, stop) of the tar. Raises Unreadable naming the file that is not what it was."""
        held = bytearray()
        for segment in self.layout.segments(start, stop, self._digests):
            for part in self._file(segment) if isinstance(segment, MemberSlice) else (segment.data,):
                if isinstance(part, bytes):
                    held += part
                if held and (len(held) >= _FULL or not isinstance(part, bytes)):
                    yield bytes(held)
                    held.clear()
                if not isinstance(part, bytes):
                    yield part
        if held:
            yield bytes(held)

    def close(self) -> None:
        """Do nothing: no file is open between two parts."""

    def _file(self, segment: MemberSlice) -> Iterator[Part]:
        """Yield a slice of a member's file; an empty one is not opened."""
        if segment.start < segment.stop:
            descriptor = self._open(segment.member)
            with closing(descriptor):
                place, stamp = self._place(segment.member), self._stamp(segment.member)
                yield from open_parts(descriptor, place, stamp, segment.start, segment.stop)

    def _open(self, member: int) -> int:
        """Open a member's file. Raises Unreadable where it is not what it was."""
        place = self._place(member)
        descriptor = open_file(place)
        try:
            self._stamp(member).check(descriptor, place)
        except Unreadable:
            os.close(descriptor)
            raise
        return descriptor

    def _stamp(self, member: int) -> Stamp:
        """Return the size and time of a member's file as they were."""
        return Stamp(int(self.layout.sizes[member]), int(self._mtimes[member]))

    def _place(self, member: int) -> bytes:
        """Return the path of a member's file. Raises Unreadable for one that leads out of the folder."""
        path, source, source_b64 = (
            self.layout.members[column][member].as_py() for column in ("path", "source_path", "source_path_b64")
        )
        found = original_path(path if source is None else source, source_b64)
        if found is None:
            raise Unreadable(shown(path), "its path at the source is none")
        return os.path.join(self._root, found)


def open_virtual(workspace: Workspace, name: ShardName, root: Path) -> VirtualTar:
    """Return a packed shard's tar by its members' files in the folder `root`.

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
    layout = shard_layout(
        manifest.name,
        manifest.bag_info,
        members,
        container=manifest.container,
        piece_length=manifest.piece_length,
        version="v1" if manifest.infohash_v2 is None else "hybrid",
    )
    fits = layout.disk_size == manifest.size and np.array_equal(layout.offsets, members["offset"].to_numpy())
    if not fits or len(mtimes) != manifest.members:
        raise InputError(path, "does not fit its members table", _REPACK)
    digests = b"".join(members["sha256"].to_pylist())
    return VirtualTar(layout, digests, root, np.asarray(mtimes.to_numpy(), np.int64))
