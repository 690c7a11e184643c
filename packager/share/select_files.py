"""Selects the files of a folder for a torrent, by patterns. Links are not followed, and no file is read."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packager.core.bittorrent.file_offsets import sort_key
from packager.core.reports.issues import Issue
from packager.core.shards.path_patterns import PatternFilter
from packager.engine.files.file_stamp import FileStamp
from packager.errors import IncompleteError, InputError, from_os_error
from packager.paths import display_text


@dataclass(frozen=True, slots=True)
class SelectedFile:
    """A regular file. path: separated by "/", below the folder; "" for a file that the user named."""

    path: str
    stamp: FileStamp

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.stamp.size


def find_files(folder: Path, patterns: PatternFilter, own: Path) -> tuple[list[SelectedFile], list[Issue]]:
    """Return the selected files below a folder, in the order of BEP 52, and what was left out and why.

    own: the .torrent that will be written, which is left out. Raises InputError for a name that is not UTF-8,
    IncompleteError for a folder that cannot be read.
    """
    found: list[SelectedFile] = []
    left_out: list[Issue] = []
    folders = [""]
    while folders:
        inner = folders.pop()
        for entry in _entries(folder, inner):
            path = f"{inner}/{entry.name}" if inner else entry.name
            if patterns.excludes(path) or os.path.abspath(entry.path) == str(own):
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif not stat.S_ISREG(status.st_mode):
                what = "a symbolic link, not followed" if stat.S_ISLNK(status.st_mode) else "not a regular file"
                left_out.append(Issue(where=display_text(path), what=what))
            elif patterns.includes(path):
                _check_name(path)
                found.append(SelectedFile(path, FileStamp.of(status)))
    found.sort(key=lambda file: sort_key(file.path))
    return found, sorted(left_out, key=lambda issue: issue.where)


def _entries(folder: Path, inner: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder."""
    try:
        with os.scandir(folder / inner) as listing:
            return list(listing)
    except OSError as error:
        raise from_os_error(
            error, display_text(str(folder / inner)), "fix its permissions, or leave it out with --exclude"
        ) from error


def _check_name(path: str) -> None:
    """Raise InputError for a name that is not UTF-8, as BEP 3 and BEP 52 require."""
    try:
        path.encode()
    except UnicodeEncodeError:
        what = "the name is not UTF-8, as torrents require"
        raise InputError(display_text(path), what, "rename it, or leave it out with --exclude") from None


def named_file(path: Path) -> SelectedFile:
    """Return a file that the user named. Raises InputError if it is not a regular file or its name is not UTF-8."""
    _check_name(path.name)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise InputError(display_text(str(path)), "not found", "check the path") from None
    except OSError as error:
        raise InputError(display_text(str(path)), error.strerror or "cannot be read") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(display_text(str(path)), "is neither a regular file nor a folder")
    return SelectedFile("", FileStamp.of(status))


def check_unchanged(top: Path, files: Sequence[SelectedFile]) -> None:
    """Raise IncompleteError for the first file that has another size or modification time than before."""
    for file in files:
        place = top / file.path if file.path else top
        try:
            status = os.lstat(place) if file.path else os.stat(place)
        except OSError as error:
            raise from_os_error(error, display_text(str(place))) from error
        if difference := file.stamp.difference(FileStamp.of(status)):
            what = f"changed while it was read: {difference}"
            raise IncompleteError(display_text(str(place)), what, "run the command again")
