"""Record what was verified when, in a small SQLite file, so that verify resumes and rereads the oldest data first.

One row per run of pieces, keyed by path, size, modification time, inode and expected hashes: if any of them
changes, the data counts as not verified. A kill at any instant loses only the rows of the last seconds.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packager.check.targets.target import PieceStream
from packager.core.config.store_url import is_store_url
from packager.engine.files import atomic_files
from packager.engine.hashing.check_tasks import FileDigestCheck
from packager.engine.stores.base import Place
from packager.errors import IncompleteError, InputError
from packager.paths import display_text
from packager.units import GIB

_APPLICATION = 0x7061636B  # "pack": marks a file of this program
_FORMAT = 1
_NOT_OURS = "not a state file of packager verify, or damaged"
_FLUSH_SECONDS, _FLUSH_BYTES = 30.0, GIB
_NEVER = 1 << 62  # Unix seconds
_TABLES = """
CREATE TABLE file (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, stamp TEXT NOT NULL, expected BLOB NOT NULL,
    units INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE TABLE run (file INTEGER NOT NULL, first INTEGER NOT NULL, stop INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (file, first)) WITHOUT ROWID;
"""


class ScrubState:
    """An open state file. Times are Unix seconds, stored to the minute, rounded down."""

    def __init__(self, database: sqlite3.Connection, clock: Callable[[], float], older_than: float | None) -> None:
        """Treat recorded data as verified, unless that was `older_than` seconds ago or more."""
        self._database, self._clock = database, clock
        self._since = None if older_than is None else clock() - older_than
        self._flushed, self._bytes = clock(), 0
        self.skipped = 0  # bytes not read because they were verified before

    def pieces(self, stream: PieceStream, unit: int) -> Sequence[range]:  # noqa: ARG002 (a Choice)
        """Return the readable pieces that are not verified."""
        fresh = self._fresh(self._stream(stream))
        wanted = [run for there in stream.readable for run in _less(there, fresh)]
        self.skipped += _bytes(stream, stream.readable) - _bytes(stream, wanted)
        return wanted

    def wants(self, file: FileDigestCheck, unit: int) -> bool:  # noqa: ARG002 (a Choice)
        """Return whether a file is not verified."""
        proved = bool(self._fresh(self._whole(file)))
        self.skipped += file.size if proved else 0
        return not proved

    def add_verified(self, stream: PieceStream, pieces: Sequence[range]) -> None:
        """Record pieces."""
        file = self._stream(stream)
        for run in pieces:
            self._write(file, run)
        self._bytes += _bytes(stream, pieces)
        self._flush_if_due()

    def add_verified_file(self, file: FileDigestCheck) -> None:
        """Record a file."""
        self._write(self._whole(file), range(1))
        self._bytes += file.size
        self._flush_if_due()

    def _stream(self, stream: PieceStream) -> int:
        """Return the row of a stream."""
        return self._file(
            stream.path, stream.stamp, stream.known.pieces.expected, stream.known.pieces.count, stream.known.pieces.size
        )

    def _whole(self, file: FileDigestCheck) -> int:
        """Return the row of a file that is checked by its digest."""
        expected = b"".join(name.encode() + digest for name, digest in file.digests)
        return self._file(file.path, file.stamp, expected, 1, file.size)

    def _file(self, path: bytes, stamp: str, expected: bytes, units: int, size: int) -> int:
        """Return the row of a file, a new one if the recorded stamp or hashes differ."""
        place, asked = _absolute(path), hashlib.sha256(expected).digest()
        row = self._database.execute("SELECT id, stamp, expected FROM file WHERE path = ?", (place,)).fetchone()
        if row and (row[1], row[2]) == (stamp, asked):
            return int(row[0])
        if row:
            self._database.execute("DELETE FROM run WHERE file = ?", (row[0],))
            self._database.execute("DELETE FROM file WHERE id = ?", (row[0],))
        made = self._database.execute(
            "INSERT INTO file (path, stamp, expected, units, size) VALUES (?, ?, ?, ?, ?)",
            (place, stamp, asked, units, size),
        )
        assert made.lastrowid is not None
        return made.lastrowid

    def _fresh(self, file: int) -> list[range]:
        """Return the verified pieces of a file that need not be read again, in order."""
        rows = self._database.execute(
            "SELECT first, stop FROM run WHERE file = ? AND at > ? AND at <= ? ORDER BY first",
            (file, *self._fresh_times()),
        )
        return [range(first, stop) for first, stop in rows]

    def _write(self, file: int, run: range) -> None:
        """Record a run; it replaces older runs that it covers, and joins neighbours of the same minute."""
        at = int(self._clock()) // 60 * 60
        first, stop = run.start, run.stop
        rows = self._database.execute(
            "SELECT first, stop, at FROM run WHERE file = ? AND first <= ? AND stop >= ?", (file, stop, first)
        ).fetchall()
        for old_first, old_stop, old_at in rows:
            self._database.execute("DELETE FROM run WHERE file = ? AND first = ?", (file, old_first))
            if old_at == at:
                first, stop = min(first, old_first), max(stop, old_stop)
                continue
            for left in _less(range(old_first, old_stop), [run]):
                self._database.execute("INSERT INTO run VALUES (?, ?, ?, ?)", (file, left.start, left.stop, old_at))
        self._database.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", (file, first, stop, at))

    def verified_bytes(self) -> int:
        """Return about how many bytes of all files are verified and need not be read again."""
        row = self._database.execute(
            "SELECT coalesce(sum(size * (stop - first) / units), 0) "
            "FROM file JOIN run ON run.file = file.id WHERE at > ? AND at <= ?",
            self._fresh_times(),
        ).fetchone()
        return int(row[0])

    def _fresh_times(self) -> tuple[float, float]:
        """Return the times after which, and until which, verified data need not be read again.

        If that depends on its age, data that was verified in the future is read again: the clock was set back.
        """
        return (-1, _NEVER) if self._since is None else (self._since, self._clock())

    def age(self, path: Place) -> float:
        """Return when the oldest part of a file was verified; 0 if some of it was not."""
        row = self._database.execute(
            "SELECT units, min(at), sum(run.stop - run.first) FROM file JOIN run ON run.file = file.id WHERE path = ?",
            (_absolute(bytes(path)),),
        ).fetchone()
        return float(row[1]) if row and row[0] is not None and row[0] == row[2] else 0.0

    def _flush_if_due(self) -> None:
        """Make the recorded state durable, from time to time."""
        if self._bytes >= _FLUSH_BYTES or self._clock() - self._flushed >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Make the recorded state durable."""
        self._database.commit()
        self._flushed, self._bytes = self._clock(), 0


def _absolute(path: bytes) -> bytes:
    """Return an absolute path; a URL of a store is returned unchanged."""
    return path if is_store_url(os.fsdecode(path)) else os.path.abspath(path)


def _bytes(stream: PieceStream, runs: Sequence[range]) -> int:
    """Return the total size of runs of pieces in bytes."""
    span = stream.known.pieces.span
    return sum(span(run.stop - 1)[1] - span(run.start)[0] for run in runs if run)


def _less(run: range, others: Sequence[range]) -> Iterator[range]:
    """Yield the parts of a range that are in no other range; the others ascend."""
    start = run.start
    for other in others:
        if start < min(other.start, run.stop):
            yield range(start, min(other.start, run.stop))
        start = max(start, other.stop)
    if start < run.stop:
        yield range(start, run.stop)


@contextmanager
def open_scrub_state(path: Path, clock: Callable[[], float], older_than: float | None) -> Iterator[ScrubState]:
    """Open a state file, created if there is none, and make it durable at the end, even after an error.

    Raises InputError if it is another kind of file or in use, IncompleteError if it cannot be written.
    """
    where = display_text(str(path))
    atomic_files.make_folder(path.parent)
    try:
        database = sqlite3.connect(path, timeout=0, isolation_level="DEFERRED")
    except sqlite3.Error as error:
        raise IncompleteError(where, str(error), "fix the permissions, or name another file") from error
    try:
        _prepare(database, where)
        scrub = ScrubState(database, clock, older_than)
        try:
            yield scrub
        finally:
            scrub.flush()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise InputError(where, "in use by another packager", "wait until it ends") from error
        if "no such" in str(error):
            raise InputError(where, _NOT_OURS, "name another file") from error
        raise IncompleteError(
            where, str(error), "free some space or fix the permissions, then run the command again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(where, _NOT_OURS, "name another file") from error
    finally:
        database.close()


def _prepare(database: sqlite3.Connection, where: str) -> None:
    """Lock the file for this process, and create its tables if it is new. Raises InputError."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN EXCLUSIVE")
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_FORMAT}")
        for statement in _TABLES.strip().split(";"):
            database.execute(statement)
    elif (application, version) != (_APPLICATION, _FORMAT):
        raise InputError(where, _NOT_OURS, "name another file")
    database.commit()
