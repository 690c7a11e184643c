"""Bytes of a file on their way to a reader: in memory, or still in an open file, from which the system sends them.

The caller reads or sends a slice before it takes the next part. A file whose size or time changes
under way ends the reading before the last of its bytes was given, so no answer is completed from it.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from packager.engine.files.file_stamp import TarStamp
from packager.engine.files.open_file_cache import CachedFile
from packager.engine.files.range_readers import unreadable
from packager.engine.files.regular_file import RegularFile
from packager.units import KIB, MIB

SMALL = 64 * KIB  # bytes that are read rather than sent out of the file
STEP = 4 * MIB  # bytes of a file between two looks at its state
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux alone

# Given before what may take long (disk or computing): a caller that must not wait lets another
# thread take the next part.
WAITING: Literal["waiting"] = "waiting"


@dataclass(frozen=True)
class FileChunk:
    """Bytes [start, stop) of an open file, in the system's memory by now."""

    file: RegularFile
    start: int
    stop: int

    def read(self) -> bytes:
        """Return its bytes. Raises Unreadable."""
        with unreadable():
            return b"".join(self.file.chunks(self.start, self.stop))


Part: TypeAlias = bytes | FileChunk
Step: TypeAlias = Part | Literal["waiting"]


class Body(Protocol):
    """A file, or what would be one, of which ranges are sent. Close it after."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def check(self, start: int, stop: int) -> None:
        """Raise Unreadable where bytes [start, stop) cannot be given, as far as that is known without reading."""

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop) in order. Raises Unreadable where they are not what they should be."""

    def close(self) -> None:
        """Close what is open."""


class FileBody(CachedFile):
    """A file on disk as it is when it is opened."""

    __slots__ = ()

    @property
    def note(self) -> TarStamp:
        """Its size and times now."""
        return TarStamp.of(os.fstat(self.descriptor))

    def check(self, start: int, stop: int) -> None:  # noqa: ARG002 (all of a file is here)
        """Raise Unreadable where it changed since."""
        self.check_unchanged()

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop) of the file. Raises Unreadable where it changes under way."""
        if start < stop:
            yield from open_chunks(self, start, stop)


class ZeroBody:
    """A file of zeros that is on no disk: a pad file of a torrent (BEP 47)."""

    def __init__(self, size: int) -> None:
        """Give `size` bytes."""
        self.size = size

    def check(self, start: int, stop: int) -> None:
        """Do nothing: zeros are always there."""

    def parts(self, start: int, stop: int) -> Iterator[Step]:
        """Yield bytes [start, stop)."""
        for at in range(start, stop, SMALL):
            yield bytes(min(SMALL, stop - at))

    def close(self) -> None:
        """Do nothing: nothing is open."""


def read_chunk(steps: Iterator[Step]) -> bytes:
    """Return all bytes of some parts, waiting where that is needed. Raises Unreadable."""
    return b"".join(part.read() if isinstance(part, FileChunk) else part for part in steps if part != WAITING)


def open_chunks(file: CachedFile, start: int, stop: int) -> Iterator[Step]:
    """Yield bytes [start, stop) of an open file, the last of them only when the file is found unchanged.

    What is small is read; the rest comes as slices of at most STEP bytes. Raises Unreadable.
    """
    last = stop - 1 if stop - start > SMALL else start
    for at in range(start, last, STEP):
        end = min(at + STEP, last)
        if not (_is_in_memory(file, at) and _is_in_memory(file, end - 1)):
            yield WAITING
            with unreadable():
                deque(file.chunks(at, end), 0)  # in the page cache, so that the sender need not wait for the disk
        yield FileChunk(file, at, end)
        file.check_unchanged()
    data = _read_now(file, last, stop)
    if data is None:
        yield WAITING
        data = FileChunk(file, last, stop).read()
    file.check_unchanged()
    yield data


def _is_in_memory(file: CachedFile, at: int) -> bool:
    """Return whether the byte at `at` can be read without a disk."""
    return _read_now(file, at, at + 1) is not None


def _read_now(file: CachedFile, start: int, stop: int) -> bytes | None:
    """Return bytes of an open file if all of them are in memory; None if that is not so or cannot be known."""
    if not _NOWAIT:
        return None
    space = bytearray(stop - start)
    try:
        got = os.preadv(file.descriptor, [space], start, _NOWAIT)
    except OSError:  # EAGAIN: not there; EOPNOTSUPP: a file system that cannot say
        return None
    return bytes(space) if got == len(space) else None
