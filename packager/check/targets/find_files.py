"""Find files below a folder by paths from documents, never outside it, and compare presence and size."""

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
    """The file that was found at a path or at a URL of a store.

    size: bytes; None, and a fault, if no regular file can be read there. stamp: changes if the file changes; ""
    if there is no file.
    """

    path: bytes
    size: int | None = None
    faults: tuple[Fault, ...] = ()
    stamp: str = ""
    address: StoreUrl | None = None


def find_file(path: bytes, size: int | None) -> FoundFile:
    """Return the file at `path`, with a fault if it is not a regular file of `size` bytes (None: any size)."""
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
    """Return the file at a path, as `find_file` does, or at a URL. listed: its facts from a listing.

    Raises IncompleteError and InputError as the store does.
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
    """Return the fault of a file that does not have `size` bytes; None: any size is right."""
    return () if size is None or found == size else (size_fault(path, found, size),)


class SafeFolder:
    """Finds files of a folder by relative paths; links that lead out of the folder are not followed."""

    def __init__(self, path: Path) -> None:
        """Look below `path`."""
        self.path = os.fsencode(path)
        self._real = os.path.realpath(self.path)
        self._inside: dict[bytes, bool] = {}  # by folder: whether it is below this one after links are resolved

    def find(self, relative: bytes, size: int | None = None) -> FoundFile:
        """Return the file at a path without ".."."""
        path = os.path.join(self.path, relative)
        if not self._is_inside(os.path.dirname(path)) or (os.path.islink(path) and not self._holds(path)):
            return FoundFile(
                path, None, (file_fault("unreadable", path, "a link in its path leads out of the folder"),)
            )
        return find_file(path, size)

    def find_any(self, *paths: bytes) -> FoundFile:
        """Return the file at the first of these paths that exists, in any Unicode normal form of the name.

        If none exists, return the result for the first path. File systems and unpackers change the form of names.
        """
        first = self.find(paths[0])
        if first.size is not None:
            return first
        for form in ("NFC", "NFD"):
            paths += tuple(os.fsencode(unicodedata.normalize(form, os.fsdecode(path))) for path in paths)
        found = (self.find(path) for path in dict.fromkeys(paths[1:]))
        return next((each for each in found if each.size is not None), first)

    def _is_inside(self, folder: bytes) -> bool:
        """Return whether a folder is in this one after links are resolved; cached, since many files share it."""
        if folder not in self._inside:
            self._inside[folder] = self._holds(folder)
        return self._inside[folder]

    def _holds(self, path: bytes) -> bool:
        """Return whether a path is this folder or below it after links are resolved."""
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._real.rstrip(b"/") + b"/")

    def walk(self, below: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield (relative path, size in bytes) of every file in a subfolder, in order, without following links.

        Anything other than a folder or a regular file counts as an empty file. Raises OSError if a folder cannot be
        read.
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
