"""Bytes of a file on their way to a reader: in memory, or still in an open file, from which the system sends them.

Whoever takes a slice reads or sends it before taking the next part. A file whose size or time changes
under way ends the reading before the last of its bytes was given, so no answer is completed from it.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from packager.engine.ranges import READ, Unreadable, open_file
from packager.paths import shown
from packager.units import KIB, MIB

SMALL = 64 * KIB  # bytes that are read rather than sent out of the file
STEP = 4 * MIB  # bytes of a file between two looks at its state
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux alone


@dataclass(frozen=True)
class Slice:
    """Bytes [start, stop) of an open file, in the system's memory by now."""

    descriptor: int
    path: bytes
    start: int
    stop: int

    def fileno(self) -> int:
        """Return the open file's descriptor, as `loop.sendfile` asks for it."""
        return self.descriptor

    def read(self) -> bytes:
        """Return its bytes. Raises Unreadable."""
        return b"".join(_pread(self.descriptor, self.path, self.start, self.stop))


Part: TypeAlias = bytes | Slice


class Body(Protocol):
    """A file, or what would be one, of which ranges are sent. Close it after."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where bytes [start, stop) cannot be given, as far as that is known without reading."""

    def parts(self, start: int, stop: int) -> Iterator[Part]:
        """Yield bytes [start, stop) in order. Raises Unreadable where they are not what they should be."""

    def close(self) -> None:
        """Close what is open."""


@dataclass(frozen=True)
class Stamp:
    """A file's size in bytes and time in nanoseconds, as they should be."""

    size: int
    mtime_ns: int

    def check(self, descriptor: int, path: bytes) -> None:
        """Raise Unreadable where an open file has another size or time."""
        found = os.fstat(descriptor)
        if found.st_size != self.size:
            raise Unreadable(shown(path), f"has {found.st_size} bytes, and had {self.size}")
        if found.st_mtime_ns != self.mtime_ns:
            raise Unreadable(shown(path), "was written to: its time is not what it was")


class OpenFile:
    """A file on disk as it is when it is opened."""

    def __init__(self, path: bytes) -> None:
        """Open it. Raises Unreadable where it is gone, a link, or no regular file."""
        self._path, self._descriptor = path, open_file(path)
        found = os.fstat(self._descriptor)
        self._stamp = Stamp(found.st_size, found.st_mtime_ns)
        self.inode = found.st_ino

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._stamp.size

    @property
    def mtime_ns(self) -> int:
        """Its time."""
        return self._stamp.mtime_ns

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where a range ends past the file."""
        if not 0 <= start <= stop <= self.size:
            raise Unreadable(shown(self._path), f"ends at byte {self.size}")

    def parts(self, start: int, stop: int) -> Iterator[Part]:
        """Yield bytes [start, stop) of the file. Raises Unreadable where it changes under way."""
        if start < stop:
            yield from open_parts(self._descriptor, self._path, self._stamp, start, stop)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@contextlib.contextmanager
def closing(descriptor: int) -> Iterator[None]:
    """Close a file at the end of the block."""
    try:
        yield
    finally:
        os.close(descriptor)


def open_parts(descriptor: int, path: bytes, stamp: Stamp, start: int, stop: int) -> Iterator[Part]:
    """Yield bytes [start, stop) of an open file, the last of them only when the file is found unchanged.

    What is small is read; the rest comes as slices of at most STEP bytes. Raises Unreadable.
    """
    last = stop - 1 if stop - start > SMALL else start
    for at in range(start, last, STEP):
        end = min(at + STEP, last)
        _bring_in(descriptor, path, at, end)
        yield Slice(descriptor, path, at, end)
        stamp.check(descriptor, path)
    data = b"".join(_pread(descriptor, path, last, stop))
    stamp.check(descriptor, path)
    yield data


def _bring_in(descriptor: int, path: bytes, start: int, stop: int) -> None:
    """Wait until the system has bytes [start, stop) in memory, so that whoever sends them need not wait for a disk."""
    if _is_in_memory(descriptor, start) and _is_in_memory(descriptor, stop - 1):
        return
    for _ in _pread(descriptor, path, start, stop):
        pass


def _is_in_memory(descriptor: int, at: int) -> bool:
    """Say whether the byte at `at` can be read without a disk."""
    if not _NOWAIT:
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], at, _NOWAIT) == 1
    except OSError:  # EAGAIN: not there; EOPNOTSUPP: a file system that cannot say
        return False


def _pread(descriptor: int, path: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes [start, stop) of an open file. Raises Unreadable."""
    while start < stop:
        try:
            data = os.pread(descriptor, min(READ, stop - start), start)
        except OSError as error:
            raise Unreadable(shown(path), f"cannot be read at byte {start} ({error.strerror})") from error
        if not data:
            raise Unreadable(shown(path), f"ends at byte {start}")
        start += len(data)
        yield data
