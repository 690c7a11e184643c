"""Walks the source. Every file gets a member path; everything else gets the reason why it is left out.

Paths are bytes, links are not followed, and contents are not read. The walk is depth first, and each folder is sorted
by the bytes of its names, which is the order of `sort_key`. Memory: the names in the folders that are open in the walk.
"""

import os
import stat
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from packager import paths
from packager.catalogue.walk import member_names
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.regular_file import RegularFile
from packager.errors import IncompleteError, InputError

_BY_EFFECTIVE_IDS = os.access in os.supports_effective_ids
_US = os.geteuid()
_SHORT = paths.PATH_MAX // 4  # characters; each has at most four bytes
_SPECIAL = (
    (stat.S_ISLNK, "a symbolic link, not followed"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISFIFO, "a FIFO, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)


class WalkedFile(NamedTuple):
    """A file that can be opened. why: why its member path differs from its path; "" if it does not."""

    path: bytes
    member: str
    size: int
    mtime_ns: int
    why: str


class SkippedEntry(NamedTuple):
    """Something that is left out of the catalogue, and why."""

    path: bytes
    what: str


class UnreadFolder(NamedTuple):
    """A file or folder that cannot be read, and why. is_folder: it is or may be a folder."""

    path: bytes
    what: str
    is_folder: bool


Walked: TypeAlias = WalkedFile | SkippedEntry | UnreadFolder


class _Folder(NamedTuple):
    """A folder to read. path, member: with a "/" at the end. why: why a name in the path was changed."""

    path: bytes
    member: str
    why: str


def sort_key(path: bytes) -> bytes:
    """Return a key that sorts paths name by name: with NUL, which no name contains, instead of "/"."""
    return path.replace(b"/", b"\0")


def walk_folder(source: bytes, own: frozenset[bytes] = frozenset()) -> Iterator[Walked]:
    """Yield everything below a folder, in the order of sort_key.

    own: packager's own files and folders, as paths below the source; they are reported and left out. Raises InputError
    if the source is not a folder or two member names are the same, IncompleteError if it cannot be read.
    """
    try:
        with os.scandir(source):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        fix = "name the folder of the collection in [[sources]]"
        raise InputError(paths.display_text(source), f"the source cannot be read ({error.strerror})", fix) from error
    except OSError as error:
        what = f"the source cannot be read ({error.strerror})"
        raise IncompleteError(
            paths.display_text(source), what, "fix its permissions or its disk, then run it again"
        ) from error
    stack = [_read_folder(source, _Folder(b"", "", ""), own)]
    while stack:
        for seen in stack[-1]:
            if isinstance(seen, _Folder):
                stack.append(_read_folder(source, seen, own))
                break
            yield seen
        else:
            stack.pop()


def _read_folder(source: bytes, folder: _Folder, own: frozenset[bytes]) -> Iterator[Walked | _Folder]:
    """Yield the entries of a folder, sorted by the bytes of their names."""
    path = folder.path.removesuffix(b"/")
    try:
        with os.scandir(os.path.join(source, path)) as listing:
            entries = sorted(listing, key=attrgetter("name"))
    except OSError as error:
        yield UnreadFolder(path, f"the folder cannot be read ({error.strerror})", is_folder=True)
        return
    if not entries and path:
        yield SkippedEntry(path, "an empty folder; shards contain only files")
    safe = member_names.member_names([entry.name for entry in entries], folder=path)
    for entry in entries:
        if own and folder.path + entry.name in own:
            yield SkippedEntry(folder.path + entry.name, "written by packager, left out")
            continue
        yield _look(entry, folder, safe[entry.name])


def _look(entry: os.DirEntry[bytes], folder: _Folder, named: member_names.MemberName) -> Walked | _Folder:
    """Return the file, folder or other thing of one entry."""
    path, member = folder.path + entry.name, folder.member + named.name
    why = "; ".join(part for part in (folder.why, named.why) if part) if folder.why or named.why else ""
    is_folder = True  # or unknown
    try:
        if entry.is_dir(follow_symlinks=False):
            return _Folder(path + b"/", member + "/", why)
        is_folder = False
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return SkippedEntry(path, next((what for test, what in _SPECIAL if test(status.st_mode)), "not a file"))
        if not _is_own(status) and not os.access(entry.path, os.R_OK, effective_ids=_BY_EFFECTIVE_IDS):
            RegularFile(entry.path).close()  # raises the reason
    except OSError as error:
        return UnreadFolder(path, f"cannot be read ({error.strerror})", is_folder)
    return walked_file(path, member, FileStamp.of(status), why)


def _is_own(status: os.stat_result) -> bool:
    """Return whether this user owns a file and may read it by its mode, so that it need not be opened."""
    return status.st_uid == _US and bool(status.st_mode & stat.S_IRUSR)


def walked_file(path: bytes, member: str, stamp: FileStamp, why: str) -> WalkedFile:
    """Return a file, with its member path shortened if necessary."""
    if len(member) > _SHORT:
        short = paths.member_path(member.split("/"), path)
        why = why if short == member else f"the path has more than {paths.PATH_MAX:,} bytes"
        member = short
    return WalkedFile(path, member, stamp.size, stamp.mtime_ns or 0, why)
