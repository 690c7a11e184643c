"""Bodies whose bytes lie in a store: a shard's tar, and the members of a tar that is not there.

What is sent is read ahead, within a room that all answers share, and is of one version of each file: that of the
first range, or the one that was packed. Where a file turns out to be another, the reading ends.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice

from packager.core.bittorrent.file_offsets import Int64s
from packager.core.shards.layout import MemberRange
from packager.engine.files.file_body import WAITING, Step
from packager.engine.files.file_stamp import FileStamp, TarStamp
from packager.engine.stores.base import AGAIN, FileChangedError, Store, StoreStat
from packager.engine.stores.read_ahead import MemoryLimit, RangeRequest, ReadAhead, check_version, split_range, told
from packager.paths import display_text
from packager.units import MIB

_STEP = MIB  # bytes asked for at once: each answer holds so many at the least
_LANES = 16  # ranges of an answer on their way at once


class StoredTar:
    """A tar in a store, of which the first bytes that are wanted are at hand."""

    def __init__(self, store: Store, path: str, size: int, room: MemoryLimit) -> None:
        """Set out to read a tar of `size` bytes; `check` asks for the first of them."""
        self._store, self._path, self._size, self._room = store, path, size, room
        self._seen: StoreStat | None = None
        self._start, self._data = 0, b""

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._size

    @property
    def note(self) -> TarStamp | None:
        """How it is in the store, as far as that was seen."""
        return TarStamp.stored(self._seen.stamp) if self._seen else None

    def is_there(self, start: int, stop: int) -> bool:
        """Read the first bytes of a range; say whether a tar of its size is there. Raises as `check`."""
        with told():
            try:
                self._read_first(start, stop)
            except FileChangedError:
                return False
        return True

    def check(self, start: int, stop: int) -> None:
        """Read the first bytes of a range. Raises Unreadable where they cannot be had."""
        if not self._data or start != self._start:
            with told():
                self._read_first(start, stop)

    def _read_first(self, start: int, stop: int) -> None:
        """Have the first bytes of a range at hand."""
        stat, self._data = self._store.read(self._path, start, min(start + _STEP, stop))
        self._start = start
        self._look_at(stat)

    def _look_at(self, stat: StoreStat) -> None:
        """Raise Gone where the tar is another than before."""
        check_version(display_text(f"{self._store.name}/{self._path}"), stat, self._seen, self._size)
        self._seen = stat

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop). Raises Unreadable where it is another meanwhile."""
        if self._data and start == self._start:
            data, self._data = self._data[: stop - start], b""
            start += len(data)
            yield data
        ranges = split_range(self._path, start, stop, step=_STEP)
        with told(), ReadAhead(self._store, ranges, self._room, _LANES) as ahead:
            while start < stop:
                yield WAITING
                _, stat, data = next(ahead)
                self._look_at(stat)
                start += len(data)
                yield data

    def close(self) -> None:
        """Do nothing: nothing is held open."""


class StoredSources:
    """The files of a shard's members in a store, and what each was when it was packed (virtual_tar.SourceOpener)."""

    def __init__(
        self, store: Store, path_of: Callable[[int], bytes], sizes: Int64s, stamps: Int64s, room: MemoryLimit
    ) -> None:
        """Look below a store's address. path_of: a member's path there. stamps: of its version (Stat.stamp)."""
        self._store, self._path_of, self._sizes, self._stamps, self._room = store, path_of, sizes, stamps, room

    def check(self, slices: Iterator[MemberRange]) -> None:
        """Look whether the first file is what it was; others are seen when they are read."""
        for each in islice(slices, 1):
            path = os.fsdecode(self._path_of(each.member))
            with told():
                self._look_at(self._store.stat(path), path, each.member)

    def are_open(self, slices: Iterator[MemberRange]) -> bool:  # noqa: ARG002 (see virtual_tar.SourceOpener)
        """Say no: a store is asked each time."""
        return False

    @contextmanager
    def reading(self, slices: Iterator[MemberRange]) -> Iterator[Callable[[MemberRange], Iterator[Step]]]:
        """Yield what gives the bytes of slices, read ahead."""
        with ReadAhead(self._store, self._ranges(slices), self._room, _LANES) as ahead:
            yield partial(self._parts, ahead)

    def _ranges(self, slices: Iterator[MemberRange]) -> Iterator[RangeRequest]:
        """Yield the ranges of slices."""
        for each in slices:
            yield from split_range(os.fsdecode(self._path_of(each.member)), each.start, each.stop, each.member, _STEP)

    def _parts(self, ahead: ReadAhead, part: MemberRange) -> Iterator[Step]:
        """Yield the bytes of the next slice."""
        at = part.start
        while at < part.stop:
            yield WAITING
            with told():
                wanted, stat, data = next(ahead)
                assert (wanted.member, wanted.start) == (part.member, at)
                self._look_at(stat, wanted.path, part.member)
            at += len(data)
            yield data

    def _look_at(self, found: StoreStat | None, path: str, member: int) -> None:
        """Raise Gone where a file is not what was packed."""
        where = display_text(f"{self._store.name}/{path}")
        if found is None:
            raise FileChangedError(where, "is not there any more", AGAIN)
        packed = FileStamp(int(self._sizes[member]), int(self._stamps[member]))
        if difference := packed.difference(found.stamp):
            raise FileChangedError(where, f"changed since it was packed: {difference}", AGAIN)
