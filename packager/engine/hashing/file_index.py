"""What is known of the files of some folders, kept in an SQLite file: path, size, time, inode, SHA-256.

A file's SHA-256 is taken only when its size is asked for, and holds as long as its size, time and inode
do. No one may trust it: it says where to look, and who reads a file compares what was read.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.regular_file import RegularFile
from packager.engine.processes.local_workers import run_tasks
from packager.errors import InputError, PackagerError
from packager.paths import display_text
from packager.progress import Advance, Progress
from packager.units import MIB

_ID = 0x70_6B_67_31  # SQLite's application_id: "pkg1"
_BUSY_SECONDS = 60.0
_ROWS = 20_000  # written in one transaction
_BATCH_BYTES, _BATCH_FILES = 256 * MIB, 512  # hashed in one task
_SCHEMA = """
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 BLOB
) WITHOUT ROWID;
CREATE INDEX by_size ON files (size);
"""
_UPSERT = """
INSERT INTO files VALUES (:path, :size, :mtime_ns, :inode, :sha256) ON CONFLICT (path) DO UPDATE SET
    sha256 = CASE
        WHEN excluded.sha256 IS NOT NULL THEN excluded.sha256
        WHEN (size, mtime_ns, inode) = (excluded.size, excluded.mtime_ns, excluded.inode) THEN sha256
    END,
    size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode
"""

_UNKNOWN = FileStamp(-1, -1, -1)  # no file has it


def default_index(environment: Mapping[str, str]) -> Path:
    """Return where a user's index lies: in the folder of caches (XDG Base Directory Specification)."""
    cache = environment.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache.startswith("/") else Path.home() / ".cache") / "packager" / "files.sqlite"


@dataclass(frozen=True)
class IndexedFile:
    """A file as it was seen; sha256 is None if it was not read, or could not be."""

    path: bytes  # absolute
    stamp: FileStamp
    sha256: bytes | None


class FileIndex:
    """The index in the file `path`, made if there is none."""

    def __init__(self, path: Path, *, workers: int, progress: Progress) -> None:
        """Set out to keep an index; workers: processes that hash."""
        self._path, self._workers, self._progress = path, workers, progress

    def __enter__(self) -> "FileIndex":
        """Open the file. Raises InputError if it is not an index of ours or cannot be used."""
        atomic_files.make_folder(self._path.parent)
        with self._told():
            self._database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            self._prepare()
        except PackagerError:
            self._database.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()

    def _prepare(self) -> None:
        """Make the tables in an empty file."""
        with self._told(), self._transaction():
            [(tables,)] = self._database.execute("SELECT count(*) FROM sqlite_master").fetchall()
            [(found,)] = self._database.execute("PRAGMA application_id").fetchall()
            if not tables:
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {_ID}")
            elif found != _ID:
                raise InputError(self._where, "is a database, but no index of files", "name another with --index")
        with self._told():
            self._database.execute("CREATE TEMP TABLE wanted (size INTEGER PRIMARY KEY)")

    @property
    def _where(self) -> str:
        """The index's own path, as messages show it."""
        return display_text(str(self._path))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            what = f"cannot be used as an index ({error})"
            raise InputError(self._where, what, "remove it if it is one, or name another with --index") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def walk(self, root: bytes) -> None:
        """Note every regular file below an absolute folder; links are not followed, nothing is read."""
        self._progress.begin("Listing", None, "file")
        seen: list[IndexedFile] = []
        for file in _files(root, self._progress):
            seen.append(file)
            if len(seen) == _ROWS:
                self._write(seen)
                self._progress.advance(len(seen))
                seen = []
        self._write(seen)
        self._progress.end()

    def _write(self, files: Iterable[IndexedFile]) -> None:
        """Enter files; a SHA-256 that is known and still holds is kept."""
        with self._told(), self._transaction():
            self._database.executemany(_UPSERT, map(_row, files))

    def find(self, wanted: set[tuple[int, bytes]], roots: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return the paths, below `roots`, of known files with a wanted (size, SHA-256), by SHA-256.

        Files of a wanted size that were not hashed yet are hashed now, on processes.
        """
        candidates = self._of_sizes({size for size, _ in wanted}, roots)
        found: dict[bytes, list[bytes]] = {}
        for file in self._current(candidates):
            if file.sha256 is not None and (file.stamp.size, file.sha256) in wanted:
                found.setdefault(file.sha256, []).append(file.path)
        return found

    def digests(self, paths: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return the SHA-256 of files by path; None for one that cannot be read or is no regular file."""
        known = []
        for path in paths:
            with self._told():
                rows = self._database.execute(
                    "SELECT path, size, mtime_ns, inode, sha256 FROM files WHERE path = ?", (path,)
                )
                known += [_file(row) for row in rows] or [IndexedFile(path, _UNKNOWN, None)]
        held = {file.path: file.sha256 for file in self._current(known)}
        return {path: held.get(path) for path in paths}

    def _of_sizes(self, sizes: set[int], roots: Sequence[bytes]) -> list[IndexedFile]:
        """Return the known files of these sizes below these folders, each once, in order of their paths."""
        found: dict[bytes, IndexedFile] = {}
        with self._told():
            self._database.execute("DELETE FROM wanted")
            self._database.executemany("INSERT INTO wanted VALUES (?)", ((size,) for size in sizes))
            for root in roots:
                first = root.rstrip(b"/") + b"/"
                rows = self._database.execute(
                    "SELECT path, files.size, mtime_ns, inode, sha256 FROM wanted CROSS JOIN files USING (size) "
                    "WHERE path >= ? AND path < ?",
                    (first, first[:-1] + b"0"),  # "0" follows "/"
                )
                found |= {file.path: file for file in map(_file, rows)}
        return sorted(found.values(), key=lambda file: file.path)

    def _current(self, files: Sequence[IndexedFile]) -> Iterator[IndexedFile]:
        """Yield those of `files` that are still there, all with their SHA-256 as they are now."""
        stale: list[IndexedFile] = []
        gone: list[bytes] = []
        for file in files:
            stamp = _stamp_of(file.path)
            if stamp is None:
                gone.append(file.path)
            elif not stamp.difference(file.stamp) and file.sha256 is not None:
                yield file
            else:
                stale.append(IndexedFile(file.path, stamp, None))
        with self._told(), self._transaction():
            self._database.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in gone))
        yield from self._hashed(stale)

    def _hashed(self, files: Sequence[IndexedFile]) -> Iterator[IndexedFile]:
        """Yield files with their SHA-256, each batch noted as soon as it is read: a run that is killed goes on."""
        if not files:
            return
        self._progress.begin("Hashing", sum(file.stamp.size for file in files))
        tasks = list(_batches(files))
        for _, result in run_tasks(hash_files, tasks, workers=self._workers, advance=self._progress.advance):
            if isinstance(result, PackagerError):
                raise result
            self._write(result)
            yield from result
        self._progress.end()


def _row(file: IndexedFile) -> dict[str, bytes | int | None]:
    """Return a file as SQL takes it."""
    size, mtime_ns, inode = file.stamp
    return {"path": file.path, "size": size, "mtime_ns": mtime_ns, "inode": inode, "sha256": file.sha256}


def _file(row: Sequence[object]) -> IndexedFile:
    """Return a row of the index as a file; a cell of a wrong type makes it one that nothing is known of."""
    path, size, mtime_ns, inode, digest = row
    if not (isinstance(size, int) and isinstance(mtime_ns, int) and isinstance(inode, int)):
        return IndexedFile(path if isinstance(path, bytes) else b"", _UNKNOWN, None)
    known = digest if isinstance(digest, bytes) and len(digest) == 32 else None
    return IndexedFile(path if isinstance(path, bytes) else b"", FileStamp(size, mtime_ns, inode), known)


def _stamp_of(path: bytes) -> FileStamp | None:
    """Return the stamp of a regular file, None for anything else or nothing."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return FileStamp.of(found) if stat.S_ISREG(found.st_mode) else None


def _files(root: bytes, progress: Progress) -> Iterator[IndexedFile]:
    """Yield every regular file below a folder; a folder that cannot be read is noted."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):
                            yield IndexedFile(entry.path, FileStamp.of(entry.stat(follow_symlinks=False)), None)
        except OSError as error:
            progress.note(f"{display_text(folder)}: {error.strerror}; what is in it is not looked at")


def _batches(files: Iterable[IndexedFile]) -> Iterator[tuple[bytes, ...]]:
    """Yield the paths of files in tasks of a size that a worker reads in a second or so."""
    batch: list[bytes] = []
    size = 0
    for file in files:
        batch.append(file.path)
        size += file.stamp.size
        if size >= _BATCH_BYTES or len(batch) == _BATCH_FILES:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def hash_files(paths: tuple[bytes, ...], advance: Advance) -> list[IndexedFile]:
    """Return each regular file with its SHA-256; one that cannot be read, or changes meanwhile, is left out."""
    return [file for path in paths if (file := _hash(path, advance)) is not None]


def _hash(path: bytes, advance: Advance) -> IndexedFile | None:
    """Return a file with its SHA-256, None if it cannot be read as a whole."""
    state = sha256()
    try:
        with RegularFile(path) as file:
            for data in file.chunks(0, file.size):
                state.update(data)
                advance(len(data))
            return None if file.change() else IndexedFile(path, file.stamp, state.digest())
    except OSError:
        return None
