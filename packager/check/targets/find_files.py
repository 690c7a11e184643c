"""Files found below a folder by paths from documents: never followed out of it, compared by presence and size."""

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packager.core.config.store_url import StoreUrl
from packager.core.reports.faults import Fault, file_fault, size_fault
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.unfinished_files import unfinished_beside
from packager.engine.stores import store_at
from packager.engine.stores.base import Place, StoreStat

_GONE = frozenset((errno.ENOENT, errno.ENOTDIR))


@dataclass(frozen=True)
class FoundFile:
    """What is at a path, or at an address of a store.

    size: bytes; None where there is no regular file that can be read, which a fault says then. stamp: what tells
    the file from another; "" where there is none.
    """

    path: bytes
    size: int | None = None
    faults: tuple[Fault, ...] = ()
    stamp: str = ""
    address: StoreUrl | None = None


def find_file(path: bytes, size: int | None) -> FoundFile:
    """Return what is at `path`, and its fault where it is not a regular file of `size` bytes (None: of any size)."""
    try:
        found = os.stat(path)
    except OSError as error:
        if error.errno in _GONE:
            return FoundFile(path, None, (file_fault("missing", path, unfinished_beside(path)),))
        return FoundFile(path, None, (file_fault("unreadable", path, error.strerror or str(error)),))
    if not stat.S_ISREG(found.st_mode):
        return FoundFile(path, None, (file_fault("unreadable", path, "is not a regular file"),))
    stamp = " ".join(map(str, FileStamp.of(found)))
    return FoundFile(path, found.st_size, _size_faults(path, found.st_size, size), stamp)


def find_place(place: Place, size: int, listed: StoreStat | None = None) -> FoundFile:
    """Return what is at a path, as `find_file` does, or at an address. listed: what a listing says is there.

    Raises IncompleteError and InputError where the store does.
    """
    if isinstance(place, Path):
        return find_file(os.fsencode(place), size)
    path = bytes(place)
    if listed is None:
        folder, name = place.parted()
        listed = store_at(folder).stat(name)
    if listed is None:
        return FoundFile(path, None, (file_fault("missing", path),))
    stamp = f"{listed.size} {listed.stamp.mtime_ns}"
    return FoundFile(path, listed.size, _size_faults(path, listed.size, size), stamp, place)


def _size_faults(path: bytes, found: int, size: int | None) -> tuple[Fault, ...]:
    """Return the fault of a file that has not `size` bytes; None: it may have any."""
    return () if size is None or found == size else (size_fault(path, found, size),)


class SafeFolder:
    """A folder whose files are found by relative paths; a link that leads out of it is not followed."""

    def __init__(self, path: Path) -> None:
        """Look below `path`."""
        self.path = os.fsencode(path)
        self._real = os.path.realpath(self.path)
        self._inside: dict[bytes, bool] = {}  # by folder: whether it lies below this one once links are resolved

    def find(self, relative: bytes, size: int | None = None) -> FoundFile:
        """Return what is at a path that names no folder above."""
        path = os.path.join(self.path, relative)
        if not self._is_inside(os.path.dirname(path)) or (os.path.islink(path) and not self._holds(path)):
            return FoundFile(path, None, (file_fault("unreadable", path, "a link on its way leads out of the folder"),))
        return find_file(path, size)

    def find_any(self, *paths: bytes) -> FoundFile:
        """Return the first of some paths where a file is; its name may be in another Unicode normal form there.

        If there is none, what is at the first path. File systems and unpackers change a name's form.
        """
        first = self.find(paths[0])
        if first.size is not None:
            return first
        for form in ("NFC", "NFD"):
            paths += tuple(os.fsencode(unicodedata.normalize(form, os.fsdecode(path))) for path in paths)
        found = (self.find(path) for path in dict.fromkeys(paths[1:]))
        return next((each for each in found if each.size is not None), first)

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
