"""Files and records to the catalogue, out of core: who belongs to whom, what overrides what, in the order of ids.

A record is matched by `path` where it has one; else by `id`: the file of that path, else the only audio file of that
name without its extension, else the only file of that name. What a record says overrides a file's tags. A record
without an id has that of its path, `record_ids.path_id`; one without a file is of kind audio unless it says otherwise.
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

Where = Callable[[int], str]  # a record's line or row as a message names it
_Ask = Callable[[str, pa.Schema], Iterator[tuple[Any, ...]]]

_LINED = pa.schema([*CATALOGUE, ("line", pa.int64())])
_TWICE = pa.schema([("value", pa.string()), ("first", pa.int64()), ("second", pa.int64())])
_AMBIGUOUS = pa.schema([("line", pa.int64()), ("id", pa.string()), ("one", pa.string()), ("other", pa.string())])
_ABSENT = pa.schema([("line", pa.int64()), ("path", pa.string())])

# One row a (record, file that it may mean). `sure`: by its path, or audio of that name.
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
    """Rows of the catalogue: all, those without a file, and by kind."""

    records: int = 0
    without_file_count: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


def check_records(records: Path, state: Path, where: Where) -> None:
    """Raise InputError where a table of RECORDS has an id or a path twice; name both lines."""
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
                what = f'{column} "{paths.display_text(value)}" stands twice, here and at {where(first)}'
                raise InputError(where(second), what, "keep one of them")


def write_catalogue(
    catalogue: Path, files: Path, records: Path | None, *, state: Path, where: Where, warnings: WarningLog
) -> CatalogueCounts:
    """Write the catalogue (model.CATALOGUE) of a files table and a table of RECORDS, ordered by the bytes of id.

    state: the folder that all three are below. Memory: DuckDB's bound. Raises InputError for an id that means
    several files, two records of one file, and two rows of one id.
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
            # Joined first and sorted then: each spills by itself, both at once need far more memory.
            run(f"CREATE TEMP TABLE joined AS {_joined()}")
            run("DROP TABLE candidates; DROP TABLE matched")
            rows = "SELECT * FROM joined"
        ordered = sql.run_batches(database, f"{rows} ORDER BY id, line", _LINED)
        parquet.write_rows(catalogue, CATALOGUE, _counted(ordered, counts, where), quick=True)
    return counts


_ABSENT_QUERY = "SELECT line, path FROM r ANTI JOIN matched USING (line) WHERE path IS NOT NULL ORDER BY line"


def _check_matches(ask: _Ask, where: Where) -> None:
    """Raise InputError where a record means several files, or a file has several records."""
    ambiguous = (
        "SELECT m.line, coalesce(r.path, r.id) AS id, a.path AS one, b.path AS other FROM matched m JOIN r USING (line)"
        " JOIN f a ON a.n = m.n JOIN f b ON b.n = m.other WHERE m.n <> m.other ORDER BY m.line LIMIT 1"
    )
    for line, name, one, other in ask(ambiguous, _AMBIGUOUS):
        meant = f'"{paths.display_text(one)}" or "{paths.display_text(other)}"'
        what = f'"{paths.display_text(name)}" is ambiguous: it may mean {meant}'
        raise InputError(where(line), what, 'say which in a column "path", or rename one of them')
    shared = (
        "SELECT any_value(f.path) AS value, min(m.line) AS first, max(m.line) AS second"
        " FROM matched m JOIN f USING (n) GROUP BY n HAVING count(*) > 1 ORDER BY second LIMIT 1"
    )
    for path, first, second in ask(shared, _TWICE):
        what = f'the record means the file "{paths.display_text(path)}", as the one at {where(first)} does'
        raise InputError(where(second), what, "keep one record a file")


_TAGS = [name for name in TAGS.names if name in FILES.names]
_OWN = ["path", "path_b64", "member", "size", "mtime_ns", "fault", "unread"]  # what only the file says


def _unrecorded() -> str:
    """Return the SQL of files as rows of the catalogue that no record says anything of."""
    columns = [f"{path_id('f.path', 'f.path_b64')} AS id", "f.kind", *(f"f.{name}" for name in _OWN + _TAGS)]
    columns += [f"NULL AS {name}" for name in (*TAGS.names, "sha256") if name not in _TAGS]
    return f"SELECT {', '.join(columns)}, NULL::BIGINT AS line FROM f"  # noqa: S608  # our own names


def _joined() -> str:
    """Return the SQL of all rows of the catalogue, with their records' lines: what a record says goes first."""
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
    """Yield the rows without their lines, counting them. Raises InputError where two that follow have one id."""
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
    """Raise the InputError of two rows with one id; a file that has no record comes last."""
    first, second = twins.to_pylist()
    told = f'id "{paths.display_text(first["id"])}"'
    if second["line"] is None:
        what = f'{told} is also the id of the file "{paths.display_text(second["path"])}", which no record names'
        raise InputError(where(first["line"]), what, "give the record another id, or give the file a record")
    raise InputError(
        where(second["line"]), f"{told} stands twice, here and at {where(first['line'])}", "keep one of them"
    )
