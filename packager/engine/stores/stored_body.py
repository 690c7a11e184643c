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
from packager.engine.files.range_readers import reader_errors
from packager.engine.stores.base import AGAIN, FileChangedError, Store
from packager.engine.stores.read_ahead import MemoryLimit, RangeRequest, ReadAhead, StoreRangeReader, split_range
from packager.paths import display_text
from packager.units import MIB

_STEP = MIB  # bytes asked for at once: each answer holds so many at least
_LANES = 16  # ranges of an answer on their way at once
_PACKED = "it was packed"


class StoredTar:
    """A tar in a store, of which the first bytes that are wanted are at hand."""

    def __init__(self, store: Store, path: str, size: int, room: MemoryLimit) -> None:
        """Set out to read a tar of `size` bytes; `check` asks for the first of them."""
        self.size = size
        self._reader = StoreRangeReader(store, path, size, memory_limit=room, parallel_requests=_LANES, step=_STEP)
        self._start, self._data = 0, b""

    @property
    def note(self) -> TarStamp | None:
        """How it is in the store, as far as that was seen."""
        seen = self._reader.seen
        return TarStamp.stored(seen) if seen and seen.mtime_ns is not None else None

    def is_there(self, start: int, stop: int) -> bool:
        """Read the first bytes of a range; say whether a tar of its size is there. Raises as `check`."""
        try:
            self.check(start, stop)
        except FileChangedError:
            return False
        return True

    def check(self, start: int, stop: int) -> None:
        """Read the first bytes of a range. Raises Unreadable where they cannot be had."""
        if not self._data or start != self._start:
            self._start, self._data = start, b"".join(self._reader.read(start, min(start + _STEP, stop)))

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop). Raises Unreadable where it is another meanwhile."""
        if self._data and start == self._start:
            data, self._data = self._data[: stop - start], b""
            start += len(data)
            yield data
        chunks = self._reader.read(start, stop)
        while start < stop:
            yield WAITING
            data = next(chunks)
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
        for each in self._ranges(islice(slices, 1)):
            where = display_text(f"{self._store.name}/{each.path}")
            with reader_errors():
                found = self._store.stat(each.path)
            if found is None:
                raise FileChangedError(where, "is not there any more", AGAIN)
            assert each.stamp is not None
            if difference := each.stamp.difference(found.stamp):
                raise FileChangedError(where, f"changed since {_PACKED}: {difference}", AGAIN)
            return

    def are_open(self, slices: Iterator[MemberRange]) -> bool:  # noqa: ARG002 (see virtual_tar.SourceOpener)
        """Say no: a store is asked each time."""
        return False

    @contextmanager
    def reading(self, slices: Iterator[MemberRange]) -> Iterator[Callable[[MemberRange], Iterator[Step]]]:
        """Yield what gives the bytes of slices, read ahead."""
        with ReadAhead(self._store, self._ranges(slices), self._room, _LANES, since=_PACKED) as ahead:
            yield partial(_parts, ahead)

    def _ranges(self, slices: Iterator[MemberRange]) -> Iterator[RangeRequest]:
        """Yield the ranges of slices."""
        for each in slices:
            stamp = FileStamp(int(self._sizes[each.member]), int(self._stamps[each.member]))
            yield from split_range(os.fsdecode(self._path_of(each.member)), each.start, each.stop, stamp, _STEP)


def _parts(ahead: ReadAhead, part: MemberRange) -> Iterator[Step]:
    """Yield the bytes of the next slice."""
    at = part.start
    while at < part.stop:
        yield WAITING
        with reader_errors():
            wanted, data = next(ahead)
        assert wanted.start == at
        at += len(data)
        yield data
