"""Files found below a folder by paths from documents: never followed out of it, compared by presence and size."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packager.faults import Fault, file_fault, size_fault

_GONE = frozenset((errno.ENOENT, errno.ENOTDIR))


@dataclass(frozen=True)
class Found:
    """What is at a path. status: None where there is no regular file that can be read; then a fault says so."""

    path: bytes
    status: os.stat_result | None
    faults: tuple[Fault, ...] = ()

    @property
    def stamp(self) -> str:
        """Size in bytes, modification time in ns and inode; "" where there is no file."""
        found = self.status
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}" if found else ""


def find_file(path: bytes, size: int | None) -> Found:
    """Return what is at `path`, and its fault where it is not a regular file of `size` bytes (None: of any size)."""
    try:
        found = os.stat(path)
    except OSError as error:
        if error.errno in _GONE:
            return Found(path, None, (file_fault("missing", path),))
        return Found(path, None, (file_fault("unreadable", path, error.strerror or str(error)),))
    if not stat.S_ISREG(found.st_mode):
        return Found(path, None, (file_fault("unreadable", path, "is not a regular file"),))
    if size is not None and found.st_size != size:
        return Found(path, found, (size_fault(path, found.st_size, size),))
    return Found(path, found)


class Folder:
    """A folder whose files are found by relative paths; a link that leads out of it is not followed."""

    def __init__(self, path: Path) -> None:
        """Look below `path`."""
        self.path = os.fsencode(path)
        self._real = os.path.realpath(self.path)
        self._inside: dict[bytes, bool] = {}  # by folder: whether it lies below this one once links are resolved

    def find(self, relative: bytes, size: int | None = None) -> Found:
        """Return what is at a path that names no folder above."""
        path = os.path.join(self.path, relative)
        if not self._is_inside(os.path.dirname(path)) or (os.path.islink(path) and not self._holds(path)):
            return Found(path, None, (file_fault("unreadable", path, "a link on its way leads out of the folder"),))
        return find_file(path, size)

    def _is_inside(self, folder: bytes) -> bool:
        """Say whether a folder lies in this one, links resolved; remembered, since many files share it."""
        if folder not in self._inside:
            self._inside[folder] = self._holds(folder)
        return self._inside[folder]

    def _holds(self, path: bytes) -> bool:
        """Say whether a path, links resolved, is this folder or below it."""
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._real.rstrip(b"/") + b"/")

    def walk(self, below: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield (relative path, size in bytes) of every file in a folder below, links not followed, in order.

        What is no folder and no regular file counts as a file of no bytes. Raises OSError where a folder is not
        to be read.
        """
        pending = [below]
        while pending:
            folder = pending.pop()
            with os.scandir(os.path.join(self.path, folder)) as entries:
                names = sorted(entries, key=lambda entry: entry.name)
            for entry in names:
                relative = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(relative)
                else:
                    found = entry.stat(follow_symlinks=False)
                    yield relative, found.st_size if stat.S_ISREG(found.st_mode) else 0
