"""A regular file of this machine that is open to read. No other code opens one by its path, or reads a range of one.

What the system refuses raises OSError with the file's path. It imports little, for the processes that hash.
"""

import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from packager.engine.files.file_stamp import FileStamp

READ = 1 << 20  # bytes of one read


class NotRegularError(OSError):
    """What has the path is a folder, a FIFO, a device or a socket."""


class RegularFile:
    """An open file; a context manager that closes it. stamp: as it was when it was opened."""

    __slots__ = ("descriptor", "path", "stamp")

    def __init__(self, path: bytes, *, follow_links: bool = False, writable: bool = False) -> None:
        """Open the file at `path`. follow_links: also where that is a link. Raises OSError, for anything but a file."""
        access = os.O_RDWR if writable else os.O_RDONLY
        link = 0 if follow_links else os.O_NOFOLLOW
        self.path = path
        # O_NONBLOCK: a FIFO must not hang the run
        self.descriptor = os.open(path, access | link | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            folder = stat.S_ISDIR(status.st_mode)
            raise NotRegularError(errno.EINVAL, "is a folder, not a file" if folder else "is not a regular file", path)
        self.stamp = FileStamp.of(status)

    @property
    def size(self) -> int:
        """Its bytes when it was opened."""
        return self.stamp.size

    def read(self, offset: int, buffer: memoryview) -> int:
        """Read bytes from `offset` and return how many: at least one, 0 at the file's end. Raises OSError."""
        try:
            return os.preadv(self.descriptor, [buffer], offset)
        except OSError as error:
            what = f"cannot be read at byte {offset} ({error.strerror})"
            raise OSError(error.errno, what, self.path) from error

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer with the bytes from `offset`. Raises OSError, also where the file ends before."""
        while len(buffer):
            got = self.read(offset, buffer)
            if not got:
                raise self._ended(offset)
            offset, buffer = offset + got, buffer[got:]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop), READ at a time. Raises as `read_into`."""
        while start < stop:
            try:
                data = os.pread(self.descriptor, min(READ, stop - start), start)
            except OSError as error:
                raise OSError(error.errno, f"cannot be read at byte {start} ({error.strerror})", self.path) from error
            if not data:
                raise self._ended(start)
            start += len(data)
            yield data

    def _ended(self, offset: int) -> OSError:
        """Return the error of a file that has no byte at `offset`."""
        return OSError(errno.ENODATA, f"ends at byte {min(offset, os.fstat(self.descriptor).st_size)}", self.path)

    def change(self) -> str:
        """Return how the file differs now from its stamp; "" where it does not, and still has a name."""
        status = os.fstat(self.descriptor)
        if difference := self.stamp.difference(FileStamp.of(status)):
            return f"changed: {difference}"
        return "" if status.st_nlink else "was removed, or another file has its name"

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
