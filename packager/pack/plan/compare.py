"""Compares the catalogue with the published shards: which records stay in their shards, and which must be planned.

A published record stays in its shard while its file has the published bytes or cannot be read, even if its tags or path
changed. For most files, size and time show this. If only the time or the path (`moved_records`) is different, the file
is read. Files with withdrawn content are never planned. DuckDB does the work on disk.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa

from packager.engine.published.listed_members import create_moved
from packager.engine.tables import parquet, sql
from packager.errors import IncompleteError, InputError
from packager.model import ShardName
from packager.pack.content.source_hashes import HASHED, ROWS, SourceHashes, SourceRow
from packager.pack.plan import moved_records
from packager.pack.plan.published_shards import PublishedShardRows, update_times
from packager.paths import display_text
from packager.units import count_of

# Published records that the plan puts into another shard. shard: of their newest published version. replaced: the
# complete shard is superseded; otherwise only the record's file has changed.
RETURNING = pa.schema([("id", pa.string()), ("shard", pa.string()), ("replaced", pa.bool_())])
_LISTED = pa.schema(
    [("no", pa.int32()), ("name", pa.string()), ("phase", pa.string()), ("replaced", pa.bool_()), ("stays", pa.bool_())]
)
_SUSPECT = pa.schema([*ROWS, ("sha256", pa.binary()), ("no", pa.int32()), ("row", pa.int64())])
_ROW_BITS = 40  # bits of `place` for the row; the others are the shard's number

# The newest published version of each record. id: the present id. place: a hash of the file's path.
_PUBLISHED = "CREATE TEMP VIEW published AS SELECT * FROM %s"
_KNOWN = """
CREATE TEMP VIEW known AS
SELECT coalesce(m.id, p.id) AS id, p.shard AS no, p.file_row_number AS row, p.size, p.mtime_ns, p.sha256,
    CASE WHEN m.path IS NULL THEN hash(p.path, p.path_b64) ELSE hash(m.path, m.path_b64) END AS place
FROM published p LEFT JOIN moved m ON m.no = p.shard AND m.row = p.file_row_number
"""
_LATEST = """
CREATE TEMP TABLE latest AS
SELECT known.* FROM known JOIN (SELECT id, max(no) AS no FROM known GROUP BY id) USING (id, no)
ANTI JOIN withdrawn USING (id)
"""
_SUSPECTS = """
SELECT c.id, c.path, c.path_b64, c.size, c.mtime_ns, l.sha256, l.no, l.row
FROM catalogue c JOIN latest l USING (id) JOIN listed USING (no)
WHERE NOT c.unread AND (NOT replaced OR c.id IN (SELECT id FROM embargoed))
    AND c.size = l.size AND c.mtime_ns IS DISTINCT FROM l.mtime_ns
ORDER BY l.no, l.row
"""
_RETURNING = """
CREATE TEMP TABLE returned AS
SELECT c.id, l.no, l.row, listed.name AS shard, listed.replaced,
    (c.size <> l.size OR c.id IN (SELECT id FROM rewritten)) AND c.id IN (SELECT id FROM embargoed) AS waits
FROM catalogue c JOIN latest l USING (id) JOIN listed USING (no)
WHERE NOT c.unread
    AND (listed.replaced OR c.size <> l.size OR c.id IN (SELECT id FROM rewritten))
"""
# The files to plan. home: the phase of a published record. place: its old place, if the complete shard is replaced.
# A new version that an embargoed phase selects has neither, so it waits for that phase.
_FILES = f"""
CREATE TEMP TABLE left_to_plan AS
SELECT c.*, NULL::VARCHAR AS home, NULL::BIGINT AS place
FROM catalogue c ANTI JOIN latest USING (id) WHERE NOT c.unread
UNION ALL BY NAME
SELECT c.*, CASE WHEN listed.stays AND NOT waits THEN listed.phase END AS home,
    CASE WHEN returned.replaced AND NOT waits THEN (returned.no::BIGINT << {_ROW_BITS}) + returned.row END AS place
FROM catalogue c JOIN returned USING (id) JOIN listed USING (no)
"""  # noqa: S608 (a number of ours)


@dataclass(frozen=True)
class Comparison:
    """Counts of the comparison. kept: records that stay, by phase; moved: files of those with a new path."""

    kept: dict[str, int]
    changed: int
    removed: int  # kept records that are not in the catalogue, or have no file there
    moved: int = 0  # since the last comparison
    stale: frozenset[str] = frozenset()  # shards with missing or changed source files


class _Suspect(NamedTuple):
    """A record with a file of the published size but another time. no, row: its published shard and row."""

    file: SourceRow
    sha256: bytes
    no: int
    row: int


def compare_records(
    hashes: SourceHashes,
    live: Sequence[PublishedShardRows],
    *,
    replaced: Collection[ShardName],
    phases: Collection[str],
    closed: str,
) -> Comparison:
    """Create the view `files` of what must be planned, write project.replanned, and return the counts.

    hashes: its database has the views catalogue and withdrawn. live: published shards of files. replaced: superseded
    shards; their records are planned again, except withdrawn ones. phases: of the config. closed: the SQL condition of
    records under embargo, which open phases must not include. Raises InputError if a record of a replaced shard has no
    file, IncompleteError if a file cannot be read.
    """
    database, project = hashes.database, hashes.project
    _list(database, live, replaced, phases)
    sql.execute(database, _PUBLISHED % sql.parquet((each.rows for each in live), "file_row_number = true"))
    create_moved(database, [(project.moved(each.shard.name), each.order) for each in live])
    sql.execute(database, _KNOWN)
    sql.execute(database, _LATEST)
    sql.execute(database, f"CREATE TEMP TABLE embargoed AS SELECT id FROM catalogue WHERE {closed}")  # noqa: S608 (checked)
    by_order = {each.order: each for each in live}
    _find_rewritten(database, by_order, hashes)
    moved_records.find_moves(database, hashes)
    moved = moved_records.keep_moves(database, project, by_order)
    _check_replaced(database)
    sql.execute(database, _RETURNING)
    rows = sql.run_batches(database, "SELECT id, shard, replaced FROM returned ORDER BY id", RETURNING)
    parquet.write_rows(project.replanned, RETURNING, rows)
    sql.execute(database, _FILES)
    sql.execute(database, "CREATE OR REPLACE TEMP VIEW files AS SELECT * FROM left_to_plan ANTI JOIN barred USING (id)")
    return _counts(database, moved)


def _list(
    database: sql.Database,
    live: Sequence[PublishedShardRows],
    replaced: Collection[ShardName],
    phases: Collection[str],
) -> None:
    """Create the table `listed` of published shards."""
    columns = zip(
        *((e.order, e.shard.name, e.shard.phase, e.shard.name in replaced, e.shard.phase in phases) for e in live),
        strict=True,
    )
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _LISTED, strict=True)]
    database.register("listed", pa.table(arrays, _LISTED))


def _check_replaced(database: sql.Database) -> None:
    """Raise InputError if a file of a replaced shard is missing, IncompleteError if it cannot be read."""
    missing = sql.execute(
        database,
        "SELECT name, count(*), min(id), bool_or(unread) FROM latest JOIN listed USING (no)"
        " LEFT JOIN catalogue USING (id) WHERE replaced AND unread IS DISTINCT FROM false GROUP BY name ORDER BY name",
    )
    for name, count, first, is_unread in missing:
        if is_unread:
            what = f'must be replaced, but {count_of(count, "file")} of it ("{display_text(first)}") cannot be read'
            raise IncompleteError(name, what, "fix the permissions or the disk, then run the command again")
        raise InputError(
            name,
            f'must be replaced, but {count_of(count, "record")} of it ("{display_text(first)}")'
            " have no file in the source",
            "restore the files (packager extract reads them from the tar), or withdraw the records too",
        )


def _find_rewritten(database: sql.Database, live: Mapping[int, PublishedShardRows], hashes: SourceHashes) -> None:
    """Create the table `rewritten` (id, sha256) of files with the published size but other bytes."""
    sql.execute(database, "CREATE TEMP TABLE rewritten (id VARCHAR, sha256 BLOB)")
    [(size,)] = sql.execute(database, f"SELECT coalesce(sum(size), 0) FROM ({_SUSPECTS})")  # noqa: S608 (ours)
    hashes.progress.begin("Comparing", int(size))
    suspects = (
        _Suspect(SourceRow(*file), sha256, number, row)
        for *file, sha256, number, row in sql.run_rows(database, _SUSPECTS, _SUSPECT)
    )
    hashes.insert("rewritten", HASHED, _rewritten(hashes, live, suspects))
    sql.execute(database, "INSERT INTO hashed SELECT id, sha256 FROM rewritten")
    hashes.progress.end()


def _rewritten(
    hashes: SourceHashes, live: Mapping[int, PublishedShardRows], suspects: Iterator[_Suspect]
) -> Iterator[pa.RecordBatch]:
    """Yield rows of HASHED for changed files; save the times of unchanged files, shard by shard."""
    for number, of_shard in groupby(suspects, key=lambda suspect: suspect.no):
        same: dict[int, int] = {}
        others: dict[str, bytes] = {}
        for suspect in of_shard:
            digest = hashes.digest(suspect.file)
            if digest != suspect.sha256:
                others[suspect.file.id] = digest
            elif suspect.file.mtime_ns is not None:
                same[suspect.row] = suspect.file.mtime_ns
        if same:
            update_times(hashes.project, live[number], same)
        if others:
            yield pa.record_batch([list(others), list(others.values())], HASHED)


def _counts(database: sql.Database, moved: int) -> Comparison:
    """Return how many records stay, changed or are missing, and from which shards."""
    kept = sql.execute(
        database,
        "SELECT phase, count(*) FROM latest JOIN listed USING (no) ANTI JOIN returned USING (id) GROUP BY phase",
    )
    changed = sql.count_rows(database, "returned", "NOT replaced")
    with_file = "(SELECT id FROM catalogue WHERE path IS NOT NULL)"
    gone = sql.count_rows(database, f"latest ANTI JOIN {with_file} USING (id)")
    stale = sql.execute(
        database,
        "SELECT DISTINCT listed.name FROM latest JOIN listed USING (no)"
        " LEFT JOIN (SELECT id FROM catalogue WHERE path IS NOT NULL) c USING (id) LEFT JOIN returned r USING (id)"
        " WHERE NOT listed.replaced AND (c.id IS NULL OR r.id IS NOT NULL)",
    )
    names = frozenset(str(name) for (name,) in stale)
    return Comparison({str(phase): int(count) for phase, count in kept}, changed, gone, moved, names)
