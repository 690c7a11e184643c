"""Files that are whole or absent: written beside their place, fsynced (file and folder), renamed.

A kill at any instant leaves either the old file or the new one under the final name, and at most a
`.NAME.partial` beside it, which the next write of that name replaces. Its writer holds a lock on it (file_lock.py), so
that no one replaces what is being written.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from packager.engine.files.locked_file import open_locked, open_own
from packager.engine.files.write_errors import write_error
from packager.errors import InputError, from_os_error
from packager.paths import display_text


def partial_path(path: Path, owner: str = "") -> Path:
    """Return where `path` is written before it is complete.

    owner: the project's id, if several projects write to the folder and each resumes what it has begun.
    """
    return path.with_name(f".{path.name}.{owner}.partial" if owner else f".{path.name}.partial")


_fleeting: list[Path] = []


@contextlib.contextmanager
def without_fsync(folder: Path) -> Iterator[None]:
    """Let what is written below a folder be whole and not durable while the block runs: it is gone afterwards."""
    _fleeting.append(folder)
    try:
        yield
    finally:
        _fleeting.remove(folder)


def _is_fleeting(path: Path) -> bool:
    """Return whether no one needs a file or folder after a crash."""
    return any(path.is_relative_to(folder) for folder in _fleeting)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if not _is_fleeting(folder):
        fsync_path(folder)


def fsync_path(path: Path | str) -> None:
    """Make what a file or folder contains durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, durably, and return it. Raises IncompleteError."""
    try:
        missing = [above for above in (folder, *folder.parents) if not above.exists()]
        for above in reversed(missing):
            above.mkdir(exist_ok=True)
            fsync_folder(above.parent)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        nearest = next((above for above in (folder, *folder.parents) if os.path.lexists(above)), folder)
        where = folder if os.path.isdir(nearest) else nearest  # a file or a link that leads nowhere, in the way
        raise write_error(error, where, fix="make room for this folder and run the command again") from error
    return folder


@contextlib.contextmanager
def replace_file(path: Path, size: int = 0) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path`, durably, when the block ends without an exception.

    size: the bytes that it will have at least, as far as they are known. The file is open for reading and writing.
    When the block raises, nothing is left of it; a file that has its name stays whole. Raises IncompleteError for what
    the system refuses (disk full, no right), InputError while another process writes it, and makes the folder if need
    be.
    """
    make_folder(path.parent)
    beside = partial_path(path)
    try:
        descriptor = open_partial(path)
    except OSError as error:
        raise write_error(error, path, max(size, _size(path))) from error
    try:
        os.ftruncate(descriptor, 0)
        with os.fdopen(os.dup(descriptor), "r+b") as file:
            yield file
            file.flush()
            if not _is_fleeting(path):
                os.fsync(descriptor)
        move_file(beside, path)
    except BaseException as error:
        needed = max(size, _size(beside), _size(path))  # a new table is often about as large as the old one
        remove_partial(descriptor, beside)
        discard(path)
        if isinstance(error, OSError):
            raise write_error(error, path, needed) from error
        raise
    finally:
        os.close(descriptor)  # until now it was locked


def remove_partial(descriptor: int, beside: Path) -> None:
    """Free the space that an open file beside its place takes; one that has its final name by now is left alone."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(descriptor), os.stat(beside)):
            os.ftruncate(descriptor, 0)  # or its space is only free when it is closed


def open_partial(path: Path, owner: str = "", wait_seconds: float = 0.0) -> int:
    """Return a descriptor of the locked file in which `path` is written before it is complete.

    owner: as for `partial`. wait_seconds: as for `open_locked`. Raises OSError, and InputError while another process
    writes it.
    """
    try:
        return open_locked(partial_path(path, owner), wait_seconds)
    except BlockingIOError:
        raise InputError(
            display_text(str(path)), "another packager writes it", "wait until it ends, or stop it"
        ) from None


def link(source: Path, path: Path) -> None:
    """Give a durable file a second name, or copy it if it cannot be linked.

    The caller makes the new name's folder durable.
    """
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:
        with open(source, "rb") as whole, replace_file(path) as file:
            shutil.copyfileobj(whole, file)


def _size(path: Path) -> int:
    """Return the bytes of what stands under a name, 0 if nothing does."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def discard(path: Path, owner: str = "") -> None:
    """Remove what was written for `path` so far; where the system refuses even that, leave it."""
    with contextlib.suppress(OSError):
        partial_path(path, owner).unlink()


def move_file(whole: Path, path: Path) -> None:
    """Rename a file that is whole and fsynced to its final name in the same folder, durably."""
    os.replace(whole, path)
    fsync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file durably. Raises IncompleteError."""
    with replace_file(path, len(data)) as file:
        file.write(data)


def remove_file(path: Path) -> bool:
    """Remove a file, durably, if it is there; say whether it was. Raises IncompleteError."""
    try:
        path.unlink()
        fsync_folder(path.parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
    return True


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, or a link in its place, if it is there. Raises IncompleteError."""
    try:
        if folder.is_symlink():
            folder.unlink()  # what it leads to is somebody's
        else:
            shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_error(error, folder) from error


@contextlib.contextmanager
def lock_state_folder(state: Path, command: str) -> Iterator[None]:
    """Hold the one writer's lock of a state folder; it dies with its owner, however that ends.

    command: what the others are told. A process that is stopped holds its lock on. Raises InputError naming the
    command, process and machine that hold it; IncompleteError where the folder takes no lock.
    """
    make_folder(state)
    with _lock_file(state) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owner = f"packager {command}, process {os.getpid()} on {os.uname().nodename}\n".encode()
            file.write(owner)
            file.truncate(len(owner))  # afterwards, so that no one finds it empty
        except BlockingIOError:
            found = file.read(1024).decode("utf-8", "replace").partition("\n")[0]
            what = f"in use by {display_text(found) or 'another packager'}"
            raise InputError(state, what, "wait until it ends, or stop it") from None
        except OSError as error:
            raise write_error(error, state / "lock") from error
        yield


def _lock_file(state: Path) -> FileIO:
    """Open the lock file, unbuffered. Raises IncompleteError."""
    try:
        return os.fdopen(open_own(state / "lock"), "r+b", 0)
    except OSError as error:
        raise write_error(error, state / "lock") from error
