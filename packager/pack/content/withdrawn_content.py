"""Leaves out files with the content of a withdrawn record, whatever their names are.

Only files with the size of a withdrawn file are hashed, and these are few. The file of a withdrawn record is left out
too, whatever it contains. If its content has changed, the plan lists the file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, starmap
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.engine.project.project import Project
from packager.engine.published.listed_members import CONTENT, create_contents
from packager.engine.tables import parquet, sql
from packager.errors import IncompleteError
from packager.model import FileDigest, OtherContent, ShardName, WithdrawnFile
from packager.pack.content.source_hashes import ROWS, SourceHashes, SourceRow
from packager.paths import display_text

_NAMED = 20  # files that a plan lists
_BATCH = 1000  # files


# Digests of the files of withdrawn records, with the sizes and times when they were hashed.
_OWN_HASHES = pa.schema([*(ROWS.field(name) for name in ("id", "size", "mtime_ns")), ("sha256", pa.binary(32))])
_WITHOUT_CONTENT = """
SELECT id, path, id AS record FROM own_file f LEFT JOIN own_hash h USING (id)
WHERE NOT EXISTS (SELECT 1 FROM withdrawn_content w WHERE w.size = f.size AND w.sha256 = h.sha256)
    AND (f.size > 0 OR id IN (SELECT record FROM withdrawn_content))
    AND (h.id IS NOT NULL OR f.size NOT IN (SELECT size FROM withdrawn_content))
"""


def leave_out(
    hashes: SourceHashes, contents: Mapping[str, Sequence[FileDigest]]
) -> tuple[int, list[WithdrawnFile], OtherContent | None]:
    """Remove files with withdrawn content from the views `files` and `catalogue`. Return their number, and the first.

    contents: the content of each withdrawn record, by id. Its sizes and digests are saved beside the plan for `pack`,
    which checks every file that it reads. The third value describes files of withdrawn records with other content; None
    if there are none. Raises IncompleteError if a file cannot be read.
    """
    database, project = hashes.database, hashes.project
    known = create_contents(database, contents)
    parquet.write_rows(project.withdrawn_content, CONTENT, known.to_batches(), quick=True)
    if not contents:
        return 0, [], None
    hashes.read("SELECT id, path, path_b64, size, mtime_ns FROM files SEMI JOIN withdrawn_content USING (size)")
    found = (
        "CREATE TEMP TABLE with_content AS SELECT f.id, f.path, min(w.record) AS record FROM files f"
        " JOIN hashed h USING (id) JOIN withdrawn_content w ON w.size = f.size AND w.sha256 = h.sha256 GROUP BY ALL"
    )
    sql.execute(database, found)
    sql.execute(database, "INSERT INTO barred SELECT id FROM with_content")
    _read_own(hashes)
    exchanged = (
        "INSERT INTO with_content SELECT id, path, min(w.record) FROM own_file f JOIN own_hash h USING (id)"
        " JOIN withdrawn_content w ON w.size = f.size AND w.sha256 = h.sha256 GROUP BY id, path"
        " HAVING NOT bool_or(w.record = id)"
    )
    sql.execute(database, exchanged)
    count, named = _named(database, "with_content")
    others, first = _named(database, f"({_WITHOUT_CONTENT})")
    return count, named, OtherContent(files=others, named=tuple(first)) if others else None


def _named(database: sql.Database, relation: str) -> tuple[int, list[WithdrawnFile]]:
    """Return the number of rows in a relation (id, path, record), and the first files."""
    rows = sql.execute(database, f"SELECT path, record FROM {relation} ORDER BY id LIMIT {_NAMED}")  # noqa: S608 (ours)
    files = [WithdrawnFile(path=display_text(str(path)), record=str(record)) for path, record in rows]
    return sql.count_rows(database, relation), files


def _read_own(hashes: SourceHashes) -> None:
    """Create the tables `own_file`, with the files of withdrawn records, and `own_hash` with their digests.

    Only files with the size of a withdrawn file are read, and again only if their size or time changes. A file that
    cannot be read has no digest; it is left out anyway.
    """
    database, path = hashes.database, hashes.project.withdrawn_hashes
    catalogue = sql.parquet(hashes.project.catalogue)
    columns = ", ".join(ROWS.names)
    sql.execute(
        database,
        f"CREATE TEMP TABLE own_file AS SELECT {columns} FROM {catalogue}"  # noqa: S608 (a path of ours)
        " SEMI JOIN withdrawn USING (id) WHERE NOT unread",
    )
    sql.execute(database, "CREATE TEMP TABLE own_hash (id VARCHAR, size BIGINT, mtime_ns BIGINT, sha256 BLOB)")
    if path.exists():
        same = "k.id = f.id AND k.size = f.size AND k.mtime_ns = f.mtime_ns"
        sql.execute(
            database,
            f"INSERT INTO own_hash SELECT k.* FROM {sql.parquet(path)} k SEMI JOIN own_file f ON {same}",  # noqa: S608
        )
    unread = "own_file SEMI JOIN withdrawn_content USING (size) ANTI JOIN own_hash USING (id)"
    [(size,)] = sql.execute(database, f"SELECT coalesce(sum(size), 0) FROM {unread}")  # noqa: S608 (ours)
    if size:
        hashes.progress.begin("Comparing", int(size))
        rows = sql.run_rows(database, f"SELECT {columns} FROM {unread} ORDER BY id", ROWS)  # noqa: S608 (ours)
        hashes.insert("own_hash", _OWN_HASHES, _digests(hashes, rows))
        hashes.progress.end()
    every = sql.run_batches(database, "SELECT * FROM own_hash ORDER BY id", _OWN_HASHES)
    parquet.write_rows(path, _OWN_HASHES, every, quick=True)


def _digests(hashes: SourceHashes, rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    """Yield rows of _OWN_HASHES for the files that can be read."""
    for batch in iter(lambda: list(islice(rows, _BATCH)), []):
        found = []
        for row in starmap(SourceRow, batch):
            with suppress(IncompleteError):
                found.append((row.id, row.size, row.mtime_ns, hashes.digest(row)))
        if found:
            columns = zip(*found, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _OWN_HASHES, strict=True)]
            yield pa.record_batch(arrays, _OWN_HASHES)


def withdrawn_digests(project: Project, sizes: Iterable[int]) -> frozenset[bytes]:
    """Return the SHA-256 of withdrawn files with one of these sizes, as saved with the plan."""
    path = project.withdrawn_content
    if not path.exists() or not parquet.count_rows(path):
        return frozenset()
    known = parquet.read_rows(path, 0, parquet.count_rows(path), CONTENT)
    same = pc.is_in(known["size"], pa.array(np.unique(np.fromiter(sizes, np.int64))))
    return frozenset(known["sha256"].filter(same).to_pylist())


def check_withdrawn(name: ShardName, paths: Sequence[bytes], digests: bytes, withdrawn: frozenset[bytes]) -> None:
    """Raise IncompleteError for the first member with withdrawn content.

    digests: the SHA-256 of all members as they were read, joined.
    """
    if not withdrawn:
        return
    for row, path in enumerate(paths):
        if digests[32 * row : 32 * row + 32] in withdrawn:
            what = f"has the content of a withdrawn record, so {name} is not packed"
            raise IncompleteError(
                display_text(path), what, "touch the file, so that it is scanned again; then: packager release"
            )
