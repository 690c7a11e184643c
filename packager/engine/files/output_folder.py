"""A folder that files are put into: each whole, checked and durable under its name, or not there at all.

Nothing is ever written outside it: names are opened one by one and no link is followed, whatever lies
there. What is being written stands in a folder of its own, which the next run clears.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Set
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from packager.core.shards.path_formats import folded_path
from packager.engine.files import atomic_files
from packager.engine.files.regular_file import READ
from packager.engine.files.write_errors import write_error
from packager.errors import InputError
from packager.paths import display_text

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITING = b"file"
_REFUSED = (errno.EILSEQ, errno.EINVAL, errno.ENAMETOOLONG)
_TAKEN = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST)


class BlockedError(Exception):
    """Something else has the name: a folder, a link, a file where a folder should be. Never reaches a user."""


class NameRefusedError(Exception):
    """The file system cannot have this name. Never reaches a user."""


class OutputFolder:
    """The folder `root`, made if need be; one process at a time writes to it."""

    def __init__(self, root: Path, avoid: Set[bytes] = frozenset()) -> None:
        """Set out to write below `root`. avoid: names at its top that the files to come have."""
        self._root = root
        tops = {folded_path(name) for name in avoid}
        names = (b".packager-writing" + (b"~%d" % number if number else b"") for number in range(len(tops) + 1))
        self._staging_name = next(name for name in names if folded_path(name) not in tops)
        self._top = self._staging = self._folder = -1
        self._open_path: bytes | None = None

    def __enter__(self) -> "OutputFolder":
        """Open the folder. Raises InputError if another process writes to it, IncompleteError if it cannot be."""
        atomic_files.make_folder(self._root)
        try:
            self._top = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            while self._staging < 0:
                self._staging = self._enter(self._top, self._staging_name)
                fcntl.flock(self._staging, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not self._is_there(self._staging_name, self._staging):  # its last owner has just removed it
                    os.close(self._staging)
                    self._staging = -1
        except BlockingIOError:
            self._close()
            raise InputError(
                display_text(str(self._root)), "another packager writes there", "wait until it ends"
            ) from None
        except OSError as error:
            self._close()
            raise write_error(error, self._root) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the last names durable and leave nothing half written."""
        try:
            self._remove_writing()
            self._leave()
            with contextlib.suppress(OSError):  # somebody put something there
                os.rmdir(self._staging_name, dir_fd=self._top)
            os.fsync(self._top)
        except OSError as failed:
            if kind is None:
                raise write_error(failed, self._root) from failed
        finally:
            self._close()

    def _close(self) -> None:
        """Close what is open."""
        for descriptor in (self._folder, self._staging, self._top):
            if descriptor >= 0:
                os.close(descriptor)
        self._top = self._staging = self._folder = -1

    def _is_there(self, name: bytes, descriptor: int) -> bool:
        """Return whether a folder that is open is the one with this name below the root."""
        try:
            found = os.stat(name, dir_fd=self._top, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(descriptor))

    def folds_case(self) -> bool:
        """Return whether the file system takes names that differ only by case for one."""
        try:
            os.close(self._new())
            os.stat(_WRITING.upper(), dir_fd=self._staging)
        except OSError:
            return False
        return True

    def digest(self, path: bytes, size: int) -> bytes | None:
        """Return the SHA-256 of the file at `path` where it has `size` bytes; None if nothing is there.

        Raises InTheWayError for anything else there, NameRefusedError, IncompleteError if it cannot be read.
        """
        try:
            descriptor = self._open_there(path)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise BlockedError("a folder is there" if stat.S_ISDIR(found.st_mode) else "no plain file is there")
            if found.st_size != size:
                raise BlockedError(f"a file of {found.st_size} bytes is there")
            state = sha256()
            with self._told(path):
                while data := os.read(descriptor, READ):
                    state.update(data)
            return state.digest()
        finally:
            os.close(descriptor)

    def _open_there(self, path: bytes) -> int:
        """Return a descriptor of what is at `path`. Raises FileNotFoundError if nothing is."""
        with self._told(path, absent=True):
            *folders, name = path.split(b"/")
            at = os.dup(self._top)
            try:
                for folder in folders:
                    below = os.open(folder, _FOLDER, dir_fd=at)
                    os.close(at)
                    at = below
                return os.open(name, _FILE, dir_fd=at)
            finally:
                os.close(at)

    def put(self, path: bytes, pieces: Iterable[bytes], *, sha256_: bytes, mtime_ns: int | None) -> bool:
        """Write a file and give it its name, in place of what file has it, if its SHA-256 is right; say whether.

        What `pieces` raises passes; then, and where the digest is wrong, nothing of it is left. Raises
        InTheWayError, NameRefusedError, and IncompleteError where it cannot be written.
        """
        *folders, name = path.split(b"/")
        with self._told(path):
            folder = self._folder_of(folders)
            descriptor = self._new()
        try:
            state = sha256()
            for data in pieces:
                state.update(data)
                with self._told(path, needed=len(data)):
                    _write(descriptor, data)
            if state.digest() != sha256_:
                return False
            with self._told(path):
                if mtime_ns is not None:
                    # A time out of the file system's range is no reason to do without the file.
                    with contextlib.suppress(OSError, OverflowError):
                        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
                os.fsync(descriptor)
                os.replace(_WRITING, name, src_dir_fd=self._staging, dst_dir_fd=folder)
        finally:
            os.close(descriptor)
        return True

    def _new(self) -> int:
        """Open the file that is written; one that has its name, which may be a link to another file, is removed."""
        self._remove_writing()
        return os.open(_WRITING, _NEW, 0o644, dir_fd=self._staging)

    def _remove_writing(self) -> None:
        """Remove the file that is written, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_WRITING, dir_fd=self._staging)

    def _folder_of(self, folders: list[bytes]) -> int:
        """Return the descriptor of a folder below the root, made if need be; it stays open for the next file."""
        path = b"/".join(folders)
        if path == self._open_path:
            return self._folder
        self._leave()
        at = os.dup(self._top)
        try:
            for name in folders:
                below = self._enter(at, name)
                os.close(at)
                at = below
        except OSError:
            os.close(at)
            raise
        self._folder, self._open_path = at, path
        return at

    def _enter(self, parent: int, name: bytes) -> int:
        """Open a folder's own folder, made if need be."""
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            os.mkdir(name, 0o777, dir_fd=parent)
            os.fsync(parent)
            return os.open(name, _FOLDER, dir_fd=parent)

    def _leave(self) -> None:
        """Make the names in the open folder durable and close it."""
        if self._folder >= 0:
            os.fsync(self._folder)
            os.close(self._folder)
        self._folder, self._open_path = -1, None

    @contextlib.contextmanager
    def _told(self, path: bytes, *, absent: bool = False, needed: int = 0) -> Iterator[None]:
        """Tell the system's refusals apart. absent: let FileNotFoundError pass. needed: bytes that are written."""
        try:
            yield
        except OSError as error:
            if absent and error.errno == errno.ENOENT:
                raise
            if error.errno in _REFUSED:
                raise NameRefusedError(error.strerror) from error
            if error.errno in _TAKEN:
                raise BlockedError(_what_is_there(error.errno)) from error
            raise write_error(error, self._root / os.fsdecode(path), needed) from error


def _what_is_there(code: int) -> str:
    """Return what an errno says of what has the name."""
    if code == errno.ELOOP:
        return "a symbolic link is there"
    return "a folder is there" if code in (errno.EISDIR, errno.ENOTEMPTY) else "a file is where a folder should be"


def _write(descriptor: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
