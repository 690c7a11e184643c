"""What a write that the system refused comes to: one sentence, which tells of a full disk how many bytes are needed."""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from packager.errors import IncompleteError, InputError, from_os_error
from packager.paths import display_text
from packager.units import format_size

FIX = "make room or fix the permissions, then run the command again"
_AGAIN = "run the command again"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TAKEN = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP)
_reckoned: list[int] = []


@contextlib.contextmanager
def expect_bytes(size: int) -> Iterator[None]:
    """Let a full disk be told with about the bytes that all files take which the block writes."""
    _reckoned.append(size)
    try:
        yield
    finally:
        _reckoned.remove(size)


def write_error(error: OSError, path: Path, needed: int = 0, fix: str = FIX) -> IncompleteError:
    """Return the IncompleteError for `path`, which could not be written.

    needed: bytes that it takes as far as that is known; of a full disk (or quota) they are told, one block at least,
    and what is free there. fix: for all other errors.
    """
    where = display_text(str(path))
    if error.errno in _TAKEN:
        fix = "move away what is in its place, then run the command again"
    if error.errno not in _FULL:
        return from_os_error(error, where, fix)
    disk = os.statvfs(_standing(path))
    needed = max(needed, disk.f_frsize, *_reckoned)
    free = format_size(disk.f_bavail * disk.f_frsize)
    if disk.f_files and not disk.f_favail:
        free += " and no inode"  # many small files can use those up first
    told = f"at least {format_size(needed)} ({needed} bytes) are needed here (free: {free})"
    return from_os_error(error, where, f"{told}; make room and run the command again")


def system_error(error: OSError) -> IncompleteError:
    """Return the IncompleteError for what the system refused where nothing below could tell it better."""
    if isinstance(error.filename, str | bytes):
        return write_error(error, Path(os.fsdecode(error.filename)), fix=_AGAIN)
    return from_os_error(error, "system", _AGAIN)


def free_bytes(folder: Path) -> int:
    """Return the bytes that we may still write to the disk of a folder, which need not be there yet."""
    disk = os.statvfs(_standing(folder))
    return disk.f_bavail * disk.f_frsize


def _standing(path: Path) -> Path:
    """Return the path, or the first of the folders above it, that is there."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def check_free(places: Iterable[tuple[Path, int]], fix: str) -> None:
    """Raise IncompleteError if a disk has less free than what will be written to these folders together.

    places: folders, which need not be there yet, and bytes. fix: what the user can do.
    """
    disks: dict[int, list[tuple[Path, int]]] = {}
    for folder, size in places:
        disks.setdefault(os.stat(_standing(folder)).st_dev, []).append((folder, size))
    for each in disks.values():
        needed = sum(size for _, size in each)
        largest = max(each, key=lambda place: place[1])[0]
        free = free_bytes(largest)
        if needed > free:
            what = (
                f"{format_size(needed)} ({needed} bytes) will be written to this disk, and {format_size(free)} are free"
            )
            raise IncompleteError(display_text(str(largest)), what, fix)


def check_writable(folder: Path, where: str) -> None:
    """Raise InputError unless a folder, which need not be there yet, can be written to. where: its key."""
    above = _standing(folder)
    if not above.is_dir():
        raise InputError(where, f'"{display_text(str(above))}" is not a folder', "move it away, or name another")
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        what = f'"{display_text(str(above))}" cannot be written to'
        raise InputError(where, what, "change its permissions, or name another folder")
