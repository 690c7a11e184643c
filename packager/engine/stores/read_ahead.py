"""Ranges of a store's files, asked for in order ahead of who uses them; what comes is of one version of each file.

All readers of a store read by this: a shard's members, a tar that is verified, what serve sends. Memory is bounded by
a room, which readers may share.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import NamedTuple

from packager.core.config.store_url import StoreUrl
from packager.engine.files.range_readers import UnreachableError, UnreadableError
from packager.engine.stores import store_at
from packager.engine.stores.base import AGAIN, RANGE, FileChangedError, Store, StoreStat
from packager.errors import IncompleteError, InputError
from packager.paths import display_text
from packager.units import MIB

LANES = 32  # ranges on their way at once: a small file takes as long as its answer
AHEAD = 64 * MIB  # bytes that are on their way or wait to be used


class RangeRequest(NamedTuple):
    """Bytes [start, stop) of a file; member: what the reader knows it by."""

    path: str
    start: int
    stop: int
    member: int = 0

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
    """Iterates over ranges of a store's files, read by threads of its own; a context manager."""

    def __init__(
        self, store: Store, wanted: Iterable[RangeRequest], room: MemoryLimit | None = None, lanes: int = LANES
    ) -> None:
        """Set out to read ranges, drawn as they are asked for. room: None: one of its own. lanes: ranges at once."""
        self._store, self._wanted, self._room, self._lanes = store, iter(wanted), room or MemoryLimit(), lanes
        self._coming: deque[tuple[RangeRequest, Future[tuple[StoreStat, bytes]]]] = deque()
        self._following: RangeRequest | None = None  # drawn, and no room for it yet

    def __enter__(self) -> "ReadAhead":
        """Begin; nothing is asked for before the first range is wanted."""
        self._pool = ThreadPoolExecutor(self._lanes, "read")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what is on its way to end by itself; what is not asked for yet never is."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for wanted, future in self._coming:
            future.add_done_callback(partial(self._give, wanted.size))

    def _give(self, size: int, _: Future[tuple[StoreStat, bytes]]) -> None:
        """Give back the room of a range that nobody wants any more."""
        self._room.give(size)

    def _fill(self) -> None:
        """Ask for as much as there is room for, and for one range in any case."""
        while len(self._coming) < self._lanes:
            wanted = self._following or next(self._wanted, None)
            self._following = None
            if wanted is None:
                return
            if not self._room.take(wanted.size, needed=not self._coming):
                self._following = wanted
                return
            future = self._pool.submit(self._store.read, wanted.path, wanted.start, wanted.stop)
            self._coming.append((wanted, future))

    def __iter__(self) -> "ReadAhead":
        """Return itself."""
        return self

    def __next__(self) -> tuple[RangeRequest, StoreStat, bytes]:
        """Return the next range, and the version of the file that it is of. Raises as Store.read."""
        self._fill()
        if not self._coming:
            raise StopIteration
        wanted, future = self._coming.popleft()
        try:
            stat, data = future.result()
        finally:
            self._room.give(wanted.size)
        self._fill()
        return wanted, stat, data


def split_range(path: str, start: int, stop: int, member: int = 0, step: int = RANGE) -> Iterator[RangeRequest]:
    """Yield bytes [start, stop) of a file as ranges of at most `step` bytes."""
    for at in range(start, stop, step):
        yield RangeRequest(path, at, min(at + step, stop), member)


class StoreRangeReader:
    """One file of a store, as a source of ranges (range_readers.RangeReader). Memory: AHEAD, and a range."""

    def __init__(self, address: StoreUrl, size: int | None = None) -> None:
        """Read the file at an address. size: that it must have; None: any."""
        self._address, self._size = address, size

    @property
    def name(self) -> str:
        """The file's address."""
        return display_text(str(self._address))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop). Raises Unreadable where the store refuses, Unreachable where it fails for now."""
        folder, name = self._address.parted()
        seen: StoreStat | None = None
        with told(), ReadAhead(store_at(folder), split_range(name, start, stop)) as ahead:
            for _, stat, data in ahead:
                check_version(self.name, stat, seen, self._size)
                seen = stat
                yield data


def check_version(where: str, stat: StoreStat, seen: StoreStat | None, size: int | None) -> None:
    """Raise Gone where a file is of another version than before, or of another size than it must have."""
    if size is not None and stat.size != size:
        raise FileChangedError(where, f"has {stat.size} bytes, not {size}", AGAIN)
    if seen is not None and (stat.size, stat.tag) != (seen.size, seen.tag):
        raise FileChangedError(where, "was written to meanwhile", AGAIN)


@contextmanager
def told() -> Iterator[None]:
    """Raise what a store fails with as what a source of ranges does: Unreadable, or Unreachable for now."""
    try:
        yield
    except UnreadableError:
        raise
    except (FileChangedError, InputError) as error:
        raise UnreadableError(error.where, error.what, error.mend) from error
    except IncompleteError as error:
        raise UnreachableError(error.where, error.what, error.mend) from error
