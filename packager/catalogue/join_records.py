"""Joins files and records to the catalogue, ordered by id, with DuckDB.

A record with a `path` matches that file. Other records match by `id`: the file with this path, else the only audio file
with this name without extension, else the only file with this name. The record's values override the file's tags. A
record without an id gets `record_ids.path_id` of its path. A record without a file is audio if it sets no other kind.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from packager import paths
from packager.catalogue.files_table import FILES
from packager.catalogue.warning_log import WarningLog
from packager.engine.tables import parquet, sql
from packager.engine.tables.record_ids import path_id
from packager.errors import InputError
from packager.model import CATALOGUE, KINDS, TAGS

Where = Callable[[int], str]  # returns the name of a record's line or row for messages
_Ask = Callable[[str, pa.Schema], Iterator[tuple[Any, ...]]]

_LINED = pa.schema([*CATALOGUE, ("line", pa.int64())])
_TWICE = pa.schema([("value", pa.string()), ("first", pa.int64()), ("second", pa.int64())])
_AMBIGUOUS = pa.schema([("line", pa.int64()), ("id", pa.string()), ("one", pa.string()), ("other", pa.string())])
_ABSENT = pa.schema([("line", pa.int64()), ("path", pa.string())])

# One row for each record and file that may match. `sure`: matched by path, or an audio file.
_CANDIDATES = """
CREATE TEMP TABLE candidates AS
WITH by_id AS (SELECT r.line, f.n FROM r JOIN f ON f.path = r.id WHERE r.path IS NULL)
SELECT r.line, f.n, true AS sure FROM r JOIN f ON f.path = r.path
UNION ALL SELECT line, n, true FROM by_id
UNION ALL SELECT r.line, f.n, f.kind = 'audio' FROM (SELECT * FROM r ANTI JOIN by_id USING (line)) r
    JOIN f ON f.stem = r.id WHERE r.path IS NULL
"""
_MATCHED = """
CREATE TEMP TABLE matched AS
SELECT line, coalesce(min(n) FILTER (sure), min(n)) AS n, coalesce(max(n) FILTER (sure), max(n)) AS other
FROM candidates GROUP BY line
"""


@dataclass
class CatalogueCounts:
    """Counts of the catalogue's rows: all, those without a file, and by kind."""

    records: int = 0
    without_file_count: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


def check_records(records: Path, state: Path, where: Where) -> None:
    """Raise InputError if a table of RECORDS has the same id or path twice. The error names both lines."""
    with closing(sql.open_database(state)) as database:
        for column in ("id", "path"):
            twice = sql.run_rows(
                database,
                f"SELECT {column} AS value, min(line) AS first, max(line) AS second"  # noqa: S608
                f" FROM {sql.parquet(records)} WHERE {column} IS NOT NULL"
                " GROUP BY ALL HAVING count(*) > 1 ORDER BY second LIMIT 1",
                _TWICE,
            )
            for value, first, second in twice:
                what = f'{column} "{paths.display_text(value)}" is used twice, here and at {where(first)}'
                raise InputError(where(second), what, "keep one of them")


def write_catalogue(
    catalogue: Path, files: Path, records: Path | None, *, state: Path, where: Where, warnings: WarningLog
) -> CatalogueCounts:
    """Write the catalogue (model.CATALOGUE) of a files table and a table of RECORDS, ordered by the bytes of id.

    state: the folder that contains all three. Memory: DuckDB's limit. Raises InputError for an id that matches
    several files, two records of one file, and two rows with one id.
    """
    counts = CatalogueCounts()
    with closing(sql.open_database(state)) as database:
        from_files = sql.parquet(files, "file_row_number = true")
        run = partial(sql.execute, database)
        run(f"CREATE TEMP VIEW f AS SELECT *, file_row_number AS n FROM {from_files}")  # noqa: S608
        rows = _unrecorded()
        if records is not None:
            run(f"CREATE TEMP VIEW r AS SELECT * FROM {sql.parquet(records)}")  # noqa: S608
            run(_CANDIDATES)
            run(_MATCHED)
            ask = partial(sql.run_rows, database)
            _check_matches(ask, where)
            for line, path in ask(_ABSENT_QUERY, _ABSENT):
                what = f'names a file that the scan did not find: "{paths.display_text(path)}"'
                warnings.add(where(line), what, "records")
            # Two steps, join and sort, because both in one query need far more memory.
            run(f"CREATE TEMP TABLE joined AS {_joined()}")
            run("DROP TABLE candidates; DROP TABLE matched")
            rows = "SELECT * FROM joined"
        ordered = sql.run_batches(database, f"{rows} ORDER BY id, line", _LINED)
        parquet.write_rows(catalogue, CATALOGUE, _counted(ordered, counts, where), quick=True)
    return counts


_ABSENT_QUERY = "SELECT line, path FROM r ANTI JOIN matched USING (line) WHERE path IS NOT NULL ORDER BY line"


def _check_matches(ask: _Ask, where: Where) -> None:
    """Raise InputError if a record matches several files, or a file has several records."""
    ambiguous = (
        "SELECT m.line, coalesce(r.path, r.id) AS id, a.path AS one, b.path AS other FROM matched m JOIN r USING (line)"
        " JOIN f a ON a.n = m.n JOIN f b ON b.n = m.other WHERE m.n <> m.other ORDER BY m.line LIMIT 1"
    )
    for line, name, one, other in ask(ambiguous, _AMBIGUOUS):
        candidates = f'"{paths.display_text(one)}" or "{paths.display_text(other)}"'
        what = f'"{paths.display_text(name)}" is ambiguous: it matches {candidates}'
        raise InputError(where(line), what, 'add a column "path" that names the file, or rename one of them')
    shared = (
        "SELECT any_value(f.path) AS value, min(m.line) AS first, max(m.line) AS second"
        " FROM matched m JOIN f USING (n) GROUP BY n HAVING count(*) > 1 ORDER BY second LIMIT 1"
    )
    for path, first, second in ask(shared, _TWICE):
        what = f'the record matches the file "{paths.display_text(path)}", like the record at {where(first)}'
        raise InputError(where(second), what, "keep one record for each file")


_TAGS = [name for name in TAGS.names if name in FILES.names]
_OWN = ["path", "path_b64", "member", "size", "mtime_ns", "fault", "unread"]  # columns that come only from the file


def _unrecorded() -> str:
    """Return the SQL that makes catalogue rows of files without a record."""
    columns = [f"{path_id('f.path', 'f.path_b64')} AS id", "f.kind", *(f"f.{name}" for name in _OWN + _TAGS)]
    columns += [f"NULL AS {name}" for name in (*TAGS.names, "sha256") if name not in _TAGS]
    return f"SELECT {', '.join(columns)}, NULL::BIGINT AS line FROM f"  # noqa: S608  # our own names


def _joined() -> str:
    """Return the SQL of all catalogue rows, with their records' lines. A record's values override the file's."""
    columns = [
        f"coalesce(r.id, {path_id('f.path', 'f.path_b64')}, {path_id('r.path')}) AS id",
        "coalesce(r.kind, f.kind, 'audio') AS kind",
    ]
    columns += [f"f.{name}" for name in _OWN]
    columns += [f"coalesce(r.{name}, f.{name}) AS {name}" if name in _TAGS else f"r.{name}" for name in TAGS.names]
    return (
        f"{_unrecorded()} ANTI JOIN matched USING (n) UNION ALL BY NAME SELECT {', '.join(columns)}, r.sha256, r.line"  # noqa: S608
        " FROM r LEFT JOIN matched USING (line) LEFT JOIN f USING (n)"
    )


def _counted(batches: Iterator[pa.RecordBatch], counts: CatalogueCounts, where: Where) -> Iterator[pa.RecordBatch]:
    """Yield the rows without their lines, and count them. Raises InputError if two rows have the same id."""
    last = None
    for batch in batches:
        ids = batch.column("id")
        again = pc.index(pc.equal(ids[1:], ids[:-1]), True).as_py()
        if again >= 0:
            _refuse_twins(batch.slice(again, 2), where)
        if last is not None and last["id"][0].as_py() == ids[0].as_py():
            _refuse_twins(pa.Table.from_batches([last, batch.slice(0, 1)]).combine_chunks().to_batches()[0], where)
        last = batch.slice(batch.num_rows - 1)
        counts.records += batch.num_rows
        counts.without_file_count += batch.column("path").null_count
        for pair in pc.value_counts(batch.column("kind")).to_pylist():
            counts.kinds[pair["values"]] += pair["counts"]
        yield batch.select(CATALOGUE.names).cast(CATALOGUE)


def _refuse_twins(twins: pa.RecordBatch, where: Where) -> None:
    """Raise the InputError for two rows with one id. If one is a file without a record, it is the second."""
    first, second = twins.to_pylist()
    name = f'id "{paths.display_text(first["id"])}"'
    if second["line"] is None:
        what = f'{name} is also the id of the file "{paths.display_text(second["path"])}", which has no record'
        raise InputError(where(first["line"]), what, "give the record another id, or give the file a record")
    raise InputError(
        where(second["line"]), f"{name} is used twice, here and at {where(first['line'])}", "keep one of them"
    )
