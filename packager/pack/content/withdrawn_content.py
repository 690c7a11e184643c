"""Files that have the content of a withdrawn record, whatever their names: nothing of them is planned or packed.

Their digests are not known before they are read, and few have the size of a withdrawn file, so those are read first.
The file of a withdrawn record is not planned either, whatever it contains. If that is another content now, the plan
names the file.
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

_NAMED = 20  # files that a plan names
_BATCH = 1000  # files


# Digests of the files of withdrawn records, of the size and time that they had then.
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
    """Take the files with withdrawn content out of the views `files` and `catalogue`; return their number, and some.

    contents: what each withdrawn record held, by its id. Their sizes and digests are kept beside the plan for `pack`,
    which looks at all that it reads. The third value: the files of withdrawn records that have another content than
    any withdrawn one; None: there are none. Raises IncompleteError where a file that must be read cannot be.
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
    """Return the number of rows of a relation (id, path, record), and the first files."""
    rows = sql.execute(database, f"SELECT path, record FROM {relation} ORDER BY id LIMIT {_NAMED}")  # noqa: S608 (ours)
    files = [WithdrawnFile(path=display_text(str(path)), record=str(record)) for path, record in rows]
    return sql.count_rows(database, relation), files


def _read_own(hashes: SourceHashes) -> None:
    """Make the tables `own_file`, of the files of withdrawn records, and `own_hash` (id, sha256) of those.

    Only files with the size of a withdrawn file are read, each once for its size and time. One that cannot be read
    has no digest: it is not planned anyway.
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
    """Yield rows of _OWN_HASHES of the files that can be read."""
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
    """Return the SHA-256 of withdrawn files that have one of these sizes, as the plan knew them."""
    path = project.withdrawn_content
    if not path.exists() or not parquet.count_rows(path):
        return frozenset()
    known = parquet.read_rows(path, 0, parquet.count_rows(path), CONTENT)
    same = pc.is_in(known["size"], pa.array(np.unique(np.fromiter(sizes, np.int64))))
    return frozenset(known["sha256"].filter(same).to_pylist())


def check_withdrawn(name: ShardName, paths: Sequence[bytes], digests: bytes, withdrawn: frozenset[bytes]) -> None:
    """Raise IncompleteError for the first member that turned out to have withdrawn content.

    digests: the SHA-256 of each member as it was read, joined.
    """
    if not withdrawn:
        return
    for row, path in enumerate(paths):
        if digests[32 * row : 32 * row + 32] in withdrawn:
            what = f"has the content of a withdrawn record, so {name} is not packed"
            raise IncompleteError(
                display_text(path), what, "touch the file, so that it is scanned again; then: packager release"
            )
