"""The door to DuckDB: SQL over tables, out of core; rows go out as Arrow record batches.

It may read only files below the folder it is given and spills to the folder it is given.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from packager.engine.files import atomic_files
from packager.engine.processes.worker_pool import available_cores
from packager.engine.tables.parquet import BATCH_ROWS
from packager.errors import IncompleteError, InputError, PackagerError, first_line
from packager.paths import display_text

Database: TypeAlias = duckdb.DuckDBPyConnection
MEMORY_LIMIT = "768MiB"  # of what DuckDB counts; with all else of it, Python and Arrow a command stays under 1.5 GB
THREADS = 4  # at most: each holds rows of its own, and what 16 hold of ten million is more than MEMORY_LIMIT
SqlError = duckdb.Error  # what is raised for SQL that DuckDB refuses


def open_database(folder: Path | None, spill: Path | None = None, *, threads: int | None = None) -> Database:
    """Return an in-memory DuckDB that may read only files below `folder`, None: no file.

    spill: the folder that it spills to; None: "spill" in `folder`, else the system's for temporary files.

    No other file, no network, no extension; and SQL that it is given cannot lift this. Tables and views that are made
    must be temporary: the next caller may get the same DuckDB. threads: None for all cores up to THREADS. Same result
    for any number as long as queries order their rows in full.
    """
    if spill is None:
        spill = folder / "spill" if folder else Path(tempfile.gettempdir())
    atomic_files.make_folder(spill)
    return _instance(folder, spill, threads or min(THREADS, available_cores())).cursor()


@lru_cache(maxsize=2)  # to start one takes 12 ms, and a command opens several of a project, one after the other
def _instance(folder: Path | None, spill: Path, threads: int) -> Database:
    """Return a DuckDB of this process, whose configuration is locked."""
    allowed = [f"{folder}/", f"{_literal_glob(folder)}/"] if folder else []
    database = duckdb.connect(":memory:", config={"threads": threads})
    for setting in (
        f"memory_limit = '{MEMORY_LIMIT}'",
        "preserve_insertion_order = true",
        "GLOBAL TimeZone = 'UTC'",  # the machine's own would show in casts of dates with an offset
        f"temp_directory = {quoted(str(spill))}",
        "enable_external_file_cache = false",  # files are replaced under the same name
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        f"allowed_directories = [{', '.join(map(quoted, allowed))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")
    return database


def quoted(text: str) -> str:
    """Return a string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def parquet(paths: Path | Iterable[Path], options: str = "") -> str:
    """Return the SQL relation of the rows of these Parquet files, in order. options: more arguments of read_parquet.

    DuckDB takes a path for a pattern, and "x=1" in one for a column; here neither is anything but a name.
    """
    files = [paths] if isinstance(paths, Path) else paths
    listed = ", ".join(quoted(_literal_glob(path)) for path in files)
    return f"read_parquet([{listed}], hive_partitioning = false{options and ', '}{options})"


def _literal_glob(path: Path) -> str:
    """Return the pattern by which DuckDB finds this path alone.

    A pattern cannot name a backslash; but a path that no file matches as a pattern is looked for as it is written.
    """
    text = str(path)
    return text if "\\" in text else re.sub(r"[*?[]", r"[\g<0>]", text)


def execute(database: Database, query: str) -> list[tuple[Any, ...]]:
    """Run one statement of ours and return its rows, which must be few. Raises as `run_batches` does."""
    try:
        return database.execute(query).fetchall()
    except duckdb.Error as error:
        raise sql_error(error) from error


def count_rows(database: Database, relation: str, where: str = "true") -> int:
    """Return how many rows of a relation a condition is true for. Raises as `run_batches` does."""
    [(count,)] = execute(database, f"SELECT count(*) FROM {relation} WHERE {where}")  # noqa: S608
    return int(count)


def run_batches(database: Database, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a query's rows in order as record batches of `schema`, BATCH_ROWS at most in each.

    Raises RowError if a value of a row does not fit the query, IncompleteError if memory or disk run out.
    """
    try:
        for batch in database.sql(query).to_arrow_reader(BATCH_ROWS):
            yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()
    except duckdb.Error as error:
        raise sql_error(error) from error


def run_rows(database: Database, query: str, schema: pa.Schema) -> Iterator[tuple[Any, ...]]:
    """Yield a query's rows in order, one by one, as tuples of `schema`. Raises as `run_batches` does."""
    for batch in run_batches(database, query, schema):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


class RowError(InputError):
    """SQL fails on a value of a row."""


_CONVERT = re.compile(r"""(?:Could not convert string|Type \S+ with value) (['"]?)(?P<value>.*)\1 """
    r"(?:can't be cast .* type|to) (?P<type>\S+(?:\(.*\))?)(?: when casting .*)?")  # fmt: skip
# What DuckDB's messages call the types of its SQL.
_TYPES = {"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INTEGER", "INT64": "BIGINT", "BOOL": "BOOLEAN"}


def _row_error(error: duckdb.Error, where: str) -> RowError:
    """Return what is wrong with the value of a row, or with the SQL that uses it. where: whose SQL it is."""
    words = plain_words(str(error))
    if converted := _CONVERT.fullmatch(words):
        kind = converted["type"]
        words = f'cannot convert "{converted["value"]}" to {_TYPES.get(kind, kind)}'
    cast = isinstance(error, duckdb.ConversionException)
    return RowError(where, words, f"fix the record, or use {'TRY_CAST' if cast else 'other SQL'}")


def plain_words(message: str) -> str:
    """Return DuckDB's words without the kind of error, its hints and its drawing of where."""
    first = message.partition("\n")[0]
    kind, separator, rest = first.partition(" Error: ")
    words = rest if separator and len(kind.split()) < 5 else first
    return display_text(words.partition(". Use TRY(")[0])


def sql_error(error: duckdb.Error, where: str = "catalogue") -> PackagerError:
    """Return what DuckDB's error means to the user: a RowError, or no memory or disk to work with."""
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException | duckdb.InternalException):
        message = first_line(error)
        fix = f"see that {MEMORY_LIMIT} of memory, and as much of the disk, are free and readable; then run it again"
        return IncompleteError(where, message, fix)
    return _row_error(error, where)
