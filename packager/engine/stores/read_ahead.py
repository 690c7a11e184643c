"""Ranges of a store's files, asked for in order ahead of who uses them; what comes is of one version of each file.

All readers of a store read by this: a shard's members, a tar that is verified, what serve sends. Memory is bounded by
a room, which readers may share.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import NamedTuple

from packager.core.config.store_url import StoreUrl
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.range_readers import reader_errors
from packager.engine.stores import store_at
from packager.engine.stores.base import AGAIN, RANGE, FileChangedError, Store, StoreStat
from packager.paths import display_text
from packager.units import MIB

LANES = 32  # ranges on their way at once: a small file takes as long as its answer
AHEAD = 64 * MIB  # bytes that are on their way or wait to be used


class RangeRequest(NamedTuple):
    """Bytes [start, stop) of a file; stamp: what the file must have, None: that of its range before."""

    path: str
    start: int
    stop: int
    stamp: FileStamp | None = None

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.stop - self.start


class MemoryLimit:
    """Bytes that readers may have ahead, together; each has its next range whatever is left."""

    def __init__(self, most: int = AHEAD) -> None:
        """Begin with nothing taken."""
        self.left, self._lock = most, threading.Lock()

    def take(self, size: int, *, needed: bool) -> bool:
        """Take bytes where they are free, or needed at once; say whether they were taken."""
        with self._lock:
            taken = needed or self.left >= size
            self.left -= size if taken else 0
            return taken

    def give(self, size: int) -> None:
        """Give bytes back."""
        with self._lock:
            self.left += size


class ReadAhead:
    """Iterates over ranges of a store's files, read by threads of its own; a context manager.

    seen: the version of the last range. Consecutive ranges of a file must be of one version.
    """

    def __init__(
        self,
        store: Store,
        wanted: Iterable[RangeRequest],
        memory_limit: MemoryLimit | None = None,
        parallel_requests: int = LANES,
        *,
        since: str = "",
    ) -> None:
        """Read ranges in advance, which are drawn as they are needed. memory_limit: None for one of its own.

        parallel_requests: ranges that are read at once. since: when files had their stamps, for messages.
        """
        self.seen: StoreStat | None = None
        self._path, self._changed = "", f"changed since {since}" if since else "changed"
        self._store, self._wanted, self._memory_limit, self._parallel_requests = (
            store,
            iter(wanted),
            memory_limit or MemoryLimit(),
            parallel_requests,
        )
        self._coming: deque[tuple[RangeRequest, Future[tuple[StoreStat, bytes]]]] = deque()
        self._following: RangeRequest | None = None  # drawn, and no room for it yet

    def __enter__(self) -> "ReadAhead":
        """Begin; nothing is asked for before the first range is wanted."""
        self._pool = ThreadPoolExecutor(self._parallel_requests, "read")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what is on its way to end by itself; what is not asked for yet never is."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for wanted, future in self._coming:
            future.add_done_callback(partial(self._give, wanted.size))

    def _give(self, size: int, _: Future[tuple[StoreStat, bytes]]) -> None:
        """Give back the room of a range that no one wants any more."""
        self._memory_limit.give(size)

    def _fill(self) -> None:
        """Ask for as much as there is room for, and for one range in any case."""
        while len(self._coming) < self._parallel_requests:
            wanted = self._following or next(self._wanted, None)
            self._following = None
            if wanted is None:
                return
            if not self._memory_limit.take(wanted.size, needed=not self._coming):
                self._following = wanted
                return
            future = self._pool.submit(self._store.read, wanted.path, wanted.start, wanted.stop)
            self._coming.append((wanted, future))

    def __iter__(self) -> "ReadAhead":
        """Return itself."""
        return self

    def __next__(self) -> tuple[RangeRequest, bytes]:
        """Return the next range. Raises as Store.read, FileChangedError also where its file has another stamp."""
        self._fill()
        if not self._coming:
            raise StopIteration
        wanted, future = self._coming.popleft()
        try:
            stat, data = future.result()
        finally:
            self._memory_limit.give(wanted.size)
        self._fill()
        where = display_text(f"{self._store.name}/{wanted.path}")
        if wanted.stamp and (difference := wanted.stamp.difference(stat.stamp)):
            raise FileChangedError(where, f"{self._changed}: {difference}", AGAIN)
        if wanted.path == self._path and self.seen not in (None, stat):
            raise FileChangedError(where, "was written to meanwhile", AGAIN)
        self._path, self.seen = wanted.path, stat
        return wanted, data


def split_range(
    path: str, start: int, stop: int, stamp: FileStamp | None = None, step: int = RANGE
) -> Iterator[RangeRequest]:
    """Yield bytes [start, stop) of a file as ranges of at most `step` bytes."""
    for at in range(start, stop, step):
        yield RangeRequest(path, at, min(at + step, stop), stamp)


class StoreRangeReader:
    """One file of a store, as a source of ranges (range_readers.RangeReader). Memory: what `memory_limit` has.

    seen: its version, once a byte was read; all that is read is of one version.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        size: int | None = None,
        *,
        memory_limit: MemoryLimit | None = None,
        parallel_requests: int = LANES,
        step: int = RANGE,
    ) -> None:
        """Read a file. size: that it must have; None: any. Others as for ReadAhead and split_range."""
        self.name, self.seen = display_text(f"{store.name}/{path}"), None if size is None else FileStamp(size, None)
        self._store, self._path, self._memory_limit, self._parallel_requests, self._step = (
            store,
            path,
            memory_limit,
            parallel_requests,
            step,
        )

    @classmethod
    def at(cls, address: StoreUrl, size: int | None = None) -> "StoreRangeReader":
        """Return what reads the file at an address."""
        folder, name = address.parted()
        return cls(store_at(folder), name, size)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop). Raises Unreadable where the store refuses, Unreachable where it fails for now."""
        ranges = split_range(self._path, start, stop, self.seen, self._step)
        with reader_errors(), ReadAhead(self._store, ranges, self._memory_limit, self._parallel_requests) as ahead:
            for _, data in ahead:
                self.seen = ahead.seen.stamp if ahead.seen else None
                yield data
