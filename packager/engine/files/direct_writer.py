"""A file written in large aligned buffers by a thread of its own, while the next buffer is filled.

Measured: writes through the page cache stall a hashing loop; O_DIRECT from a second thread does not.
Where the file system takes no O_DIRECT, plain writes are made. Nothing stands under the final name
before all of it is durable.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Protocol

from packager.engine.files import atomic_files
from packager.engine.files.write_errors import write_error
from packager.errors import PackagerError
from packager.units import MIB

BUFFER = MIB  # large enough for the disk, small enough for a core's cache
_BUFFERS = 12  # one filled, one written, and some between, where the hashes are at different ones
_DYING_SECONDS = 5.0  # that a worker gets to end whose parent was killed, before its lock is another packager's
IN_FLIGHT = (
    _BUFFERS + 1
) * BUFFER  # bytes: what was read so long ago is hashed and written, for its buffer is filled again


class Sink(Protocol):
    """Where a stream of full buffers goes."""

    def buffer(self) -> memoryview:
        """Return an empty buffer of BUFFER bytes."""

    def put(self, buffer: memoryview, length: int) -> None:
        """Take the first `length` bytes of a buffer that `buffer()` gave; only the last may be short."""


class Discard:
    """A Sink that keeps nothing: a pass that only hashes."""

    def __init__(self) -> None:
        """Make the buffers."""
        self._free = new_buffers()

    def buffer(self) -> memoryview:
        """Return an empty buffer, when one is free."""
        return self._free.get()

    def put(self, buffer: memoryview, length: int) -> None:
        """Forget the bytes."""
        del length
        self._free.put(buffer)


def new_buffers() -> "queue.SimpleQueue[memoryview]":
    """Return new buffers, aligned as O_DIRECT wants them; memory is taken as they are filled."""
    free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
    for _ in range(_BUFFERS):
        free.put(memoryview(mmap.mmap(-1, BUFFER)))
    return free


class DirectWriter:
    """A Sink that writes a file of known size to take the place of `path` when its block ends well."""

    def __init__(self, path: Path, size: int, at: int = 0, *, owner: str = "", claimed: bool = False) -> None:
        """Set out to write `size` bytes, of which a run before left the first `at`, a multiple of BUFFER, beside it.

        What is kept stays there, too, where this run is only stopped. owner: the project's id. claimed: this process
        has the right to write it (claim.only_writer); otherwise it is taken while the block runs.
        """
        self._path, self._size, self._at = path, size, at
        self._beside, self._owner, self._claimed = atomic_files.partial_path(path, owner), owner, claimed
        self._lock = -1
        self._kept = at > 0
        self._free = new_buffers()
        self._full: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._error: OSError | None = None
        self._descriptor = -1
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> "DirectWriter":
        """Take the space on disk. Raises IncompleteError if it is not there, InputError if another writes it."""
        atomic_files.make_folder(self._path.parent)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            if not self._claimed:
                self._lock = atomic_files.open_partial(self._path, self._owner, _DYING_SECONDS)
            try:
                self._descriptor = os.open(self._beside, flags | os.O_DIRECT)
            except OSError:  # tmpfs and some network file systems refuse O_DIRECT
                self._descriptor = os.open(self._beside, flags)
            if not self._at:
                os.ftruncate(self._descriptor, 0)
            self._take_space()
        except OSError as error:
            self._discard()
            raise write_error(error, self._path, self._size) from error
        self._thread.start()
        return self

    def _take_space(self) -> None:
        """Take the space on disk, where the file system can; ext2, NFSv3 and the like cannot, and fail as they fill."""
        try:
            os.posix_fallocate(self._descriptor, 0, self._size)
        except OSError as error:  # EINVAL: the C library's stand-in writes single bytes, which O_DIRECT refuses
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise

    def buffer(self) -> memoryview:
        """Return an empty buffer, when one has been written."""
        return self._free.get()

    def put(self, buffer: memoryview, length: int) -> None:
        """Hand a buffer to the writing thread. Raises IncompleteError once a write has failed."""
        if self._error:
            self._free.put(buffer)  # wakes up a thread that waits for one
            raise self._refused(self._error) from self._error
        self._full.put((buffer, length))

    def keep(self) -> None:
        """Make durable, beside the file's place, what is written by now. Raises IncompleteError."""
        try:
            if self._error:
                raise self._error
            os.fsync(self._descriptor)
            atomic_files.fsync_folder(self._path.parent)
        except OSError as error:
            raise self._refused(error) from error
        self._kept = True

    def _refused(self, error: OSError) -> PackagerError:
        """Return the error of a write; the free bytes that it reports include those that this file took."""
        atomic_files.remove_partial(self._descriptor, self._beside)
        return write_error(error, self._path, self._size)

    def _run(self) -> None:
        """Write what comes, in order; after an error only give buffers back."""
        at = self._at
        while (job := self._full.get()) is not None:
            buffer, length = job
            if not self._error:
                try:
                    self._write(buffer[:length], at)
                except OSError as error:
                    self._error = error
            at += length
            self._free.put(buffer)

    def _write(self, data: memoryview, at: int) -> None:
        """Write all of `data` at byte `at`; a length that O_DIRECT cannot take is written without it."""
        if len(data) % mmap.PAGESIZE:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & ~os.O_DIRECT)
        done = 0
        while done < len(data):
            done += os.pwrite(self._descriptor, data[done:], at + done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the file durable under its name, or leave nothing of it but what was kept."""
        self._full.put(None)
        self._thread.join()
        if kind is not None:
            if self._kept and not issubclass(kind, PackagerError):
                self._close()
            else:
                self._discard()
            return
        try:
            if self._error:
                raise self._error
            os.fsync(self._descriptor)
            atomic_files.move_file(self._beside, self._path)
        except OSError as failed:
            self._discard()
            raise write_error(failed, self._path, self._size) from failed
        self._close()

    def _discard(self) -> None:
        """Remove what was written, and close; of a claimed file keep the name, by which it is claimed."""
        if self._descriptor >= 0:
            atomic_files.remove_partial(self._descriptor, self._beside)
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                self._beside.unlink()
        self._close()

    def _close(self) -> None:
        """Close; only then another may write the file."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1
