"""Bytes of several files as one stream, read from any position. What cannot be read raises OSError with its path."""

import mmap
import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from types import TracebackType
from typing import TypeAlias

from packager.engine.files.regular_file import RegularFile

_OPEN = 32  # files that stay open, since several places are read in turn
_ZEROS = memoryview(mmap.mmap(-1, 1 << 20))

Read: TypeAlias = Callable[[int, memoryview], None]  # fills the space from a position; raises OSError


@dataclass(frozen=True)
class FileRange:
    """Bytes [start, start + length) of a file; path None: zeros that are not on disk (BEP 47)."""

    path: bytes | None
    start: int
    length: int


class JoinedFiles:
    """Reads joined parts; a context manager. A file is opened when its first byte is asked for."""

    def __init__(self, parts: Sequence[FileRange]) -> None:
        """Open nothing yet."""
        self._parts = parts
        self._ends = list(accumulate(part.length for part in parts))
        self._open: dict[bytes, RegularFile] = {}

    def __enter__(self) -> "JoinedFiles":
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        for file in self._open.values():
            file.close()

    def __call__(self, at: int, space: memoryview) -> None:
        """Fill the space with the bytes from `at`, which must be there."""
        while len(space):
            part, into = self._place(at)
            size = min(part.length - into, len(space))
            if part.path is None:
                size = min(size, len(_ZEROS))
                space[:size] = _ZEROS[:size]
            else:
                self._file(part.path).read_into(part.start + into, space[:size])
            at, space = at + size, space[size:]

    def reads_anywhere(self, places: Sequence[int]) -> bool:
        """Return whether reading on at all these places in turn takes no longer than reading in order.

        It does not where the disk has no heads to move, and where the bytes are in memory.
        """
        try:
            return all(self._has_no_heads(at) or self._is_in_memory(at) for at in places)
        except OSError:
            return False

    def _has_no_heads(self, at: int) -> bool:
        part, _ = self._place(at)
        return part.path is None or _is_solid(os.fstat(self._file(part.path).descriptor).st_dev)

    def _is_in_memory(self, at: int) -> bool:
        """Return whether a byte is in the page cache; not where the file system cannot tell."""
        part, into = self._place(at)
        if part.path is None:
            return True
        descriptor = self._file(part.path).descriptor
        try:
            return os.preadv(descriptor, [bytearray(1)], part.start + into, os.RWF_NOWAIT) == 1
        except OSError:
            return False

    def read_ahead(self, at: int, size: int) -> None:
        """Have the disk begin to read bytes from `at`, those of one file; what cannot be opened is told by reading."""
        part, into = self._place(at)
        with suppress(OSError):
            if part.path is not None and not self._is_in_memory(at):
                size = min(size, part.length - into)
                os.posix_fadvise(self._file(part.path).descriptor, part.start + into, size, os.POSIX_FADV_WILLNEED)

    def _place(self, at: int) -> tuple[FileRange, int]:
        """Return the part that holds the byte at `at`, and how far into it that is."""
        number = bisect_right(self._ends, at)
        part = self._parts[number]
        return part, at - self._ends[number] + part.length

    def _file(self, path: bytes) -> RegularFile:
        file = self._open.get(path)
        if file is None:
            if len(self._open) == _OPEN:
                self._open.pop(next(iter(self._open))).close()
            file = self._open[path] = RegularFile(path, follow_links=True)
        return file


@cache
def _is_solid(device: int) -> bool:
    """Return whether a block device is known to have no rotating disk: that of a partition is one folder up."""
    place = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for queue in (f"{place}/queue/rotational", f"{place}/../queue/rotational"):
        try:
            with open(queue, "rb") as file:
                return file.read() == b"0\n"
        except OSError:
            continue
    return False
