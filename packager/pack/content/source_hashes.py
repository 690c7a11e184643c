"""Hashes the few source files that planning must read, because size and time do not show whether they changed."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, starmap
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from packager.engine.files import source_files
from packager.engine.project.project import Project
from packager.engine.stores.open_members import open_members
from packager.engine.tables import parquet, sql
from packager.paths import decode_path
from packager.progress import Progress

ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("path_b64", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)
HASHED = pa.schema([("id", pa.string()), ("sha256", pa.binary(32))])
_CHUNK = 1 << 20  # bytes read at once
_BATCH = 1000  # files


class SourceRow(NamedTuple):
    """A record's file in the catalogue. size: in bytes."""

    id: str
    path: str
    path_b64: str | None
    size: int
    mtime_ns: int | None

    @property
    def member(self) -> source_files.SourceFile:
        """Return the file with the size and time of the scan."""
        return source_files.SourceFile(decode_path(self.path, self.path_b64), self.size, self.mtime_ns, None)


def hashed_file(project: Project) -> Path:
    """Return the path of a temporary Parquet file for rows that are inserted into the database."""
    return project.replanned.with_name("hashed.parquet")


@dataclass(frozen=True)
class SourceHashes:
    """The table `hashed` (id, sha256) in the planning database, with the source files that were read."""

    database: sql.Database
    project: Project
    progress: Progress

    def create(self) -> None:
        """Create the table."""
        sql.execute(self.database, "CREATE TEMP TABLE hashed (id VARCHAR, sha256 BLOB)")

    def read(self, query: str) -> None:
        """Hash the files that a query selects (columns of SourceRow), except those in the table already.

        Raises IncompleteError for a file that cannot be read or has changed since the scan.
        """
        left = f"SELECT {', '.join(ROWS.names)} FROM ({query}) ANTI JOIN hashed USING (id)"  # noqa: S608 (ours)
        [(size,)] = sql.execute(self.database, f"SELECT coalesce(sum(size), 0) FROM ({left})")  # noqa: S608
        self.progress.begin("Comparing", int(size))
        rows = sql.run_rows(self.database, f"{left} ORDER BY id", ROWS)
        self.insert("hashed", HASHED, self._hashed(starmap(SourceRow, rows)))
        self.progress.end()

    def _hashed(self, rows: Iterator[SourceRow]) -> Iterator[pa.RecordBatch]:
        """Yield rows of HASHED."""
        while some := list(islice(rows, _BATCH)):
            yield pa.record_batch([[row.id for row in some], [self.digest(row) for row in some]], HASHED)

    def digest(self, row: SourceRow) -> bytes:
        """Return the SHA-256 of a source file. Raises IncompleteError if it cannot be read or has changed."""
        digest, at, buffer = hashlib.sha256(), 0, memoryview(bytearray(min(_CHUNK, row.size)))
        with open_members(self.project.source_location, [row.member]) as opened, opened(0) as file:
            while at < row.size:
                got = file.read(at, buffer[: row.size - at])
                digest.update(buffer[:got])
                at += got
        self.progress.advance(row.size)
        return digest.digest()

    def insert(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Insert rows into a table of the database. They may come from a query that is still open."""
        path = hashed_file(self.project)
        parquet.write_rows(path, schema, batches, quick=True)
        sql.execute(self.database, f"INSERT INTO {table} SELECT * FROM {sql.parquet(path)}")  # noqa: S608
        path.unlink()
