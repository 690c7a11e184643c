"""A file that is being written, open and locked by the one process that writes it.

The lock dies with its owner, however that ends. So a file beside its place whose lock is free is a leftover, and one
whose lock is held is somebody's work.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that has none
_POLL_SECONDS = 0.05


def open_locked(path: Path, wait_seconds: float = 0.0) -> int:
    """Return a descriptor of the file at `path`, made if need be and locked; no link is followed.

    wait_seconds: seconds to wait for another owner. Raises OSError, BlockingIOError if another process has it.
    """
    until = time.monotonic() + wait_seconds
    while True:
        descriptor = open_own(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= until:
                raise
            time.sleep(_POLL_SECONDS)
            continue
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        if is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last owner renamed or removed it meanwhile


def open_own(path: Path) -> int:
    """Return a descriptor of a file that only this tool writes, made if need be.

    A link, or a file that has another name, too, is removed and not followed: what it leads to is somebody's. Raises
    OSError.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        else:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
                return descriptor
            os.close(descriptor)
        path.unlink(missing_ok=True)


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def remove_unlocked(path: Path) -> None:
    """Remove a leftover; what another process is writing stays, and so does what the system refuses to remove."""
    with contextlib.suppress(OSError):
        descriptor = open_locked(path)
        try:
            path.unlink()
        finally:
            os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether another process has the lock of a file that is there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
