"""The door to the tables: Parquet in batches, and SQL over them by DuckDB, out of core.

Nothing here holds a table in memory: rows come and go as Arrow record batches. DuckDB may read only
the files it is given and spills to the folder it is given.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from packager.engine import durable
from packager.errors import IncompleteError, InputError, PackagerError, from_os_error

BATCH_ROWS = 65_536
Database: TypeAlias = duckdb.DuckDBPyConnection
MEMORY_LIMIT = "2GiB"  # DuckDB's own; with Python and Arrow a command stays under 4 GB
SqlError = duckdb.Error  # what is raised for SQL that DuckDB refuses


def write_table(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, group_rows: int = BATCH_ROWS
) -> int:
    """Write record batches of `schema` to a Parquet file, durably, and return its rows.

    The bytes hang on the rows and pyarrow's version alone: rows are regrouped, so that the sizes of
    the batches do not show. Memory: one row group.
    """
    rows = 0
    with (
        durable.replace(path) as file,
        pq.ParquetWriter(
            file, schema, compression="zstd", compression_level=6, write_page_index=True, store_schema=True
        ) as writer,
    ):
        for table in _regrouped(schema, batches, group_rows):
            rows += table.num_rows
            writer.write_table(table, row_group_size=group_rows)
    return rows


def _regrouped(schema: pa.Schema, batches: Iterable[pa.RecordBatch], group_rows: int) -> Iterator[pa.Table]:
    """Yield the rows as tables of exactly `group_rows` rows, the last one shorter."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + rest.num_rows >= group_rows:
            room = group_rows - count
            yield pa.Table.from_batches([*held, rest.slice(0, room)], schema).combine_chunks()
            held, count, rest = [], 0, rest.slice(room)
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
    if held:
        yield pa.Table.from_batches(held, schema).combine_chunks()


def open_table(path: Path, schema: pa.Schema | None = None) -> pq.ParquetFile:
    """Open a Parquet file and check that it has the columns of `schema`. Raises InputError."""
    try:
        file = pq.ParquetFile(path)
        found = file.schema_arrow
    except OSError as error:
        if error.errno is None:
            raise InputError(path, f"not a readable Parquet file ({_first_line(error)})") from error
        raise from_os_error(error, path) from error
    except (pa.ArrowException, ValueError) as error:  # ValueError: a column's name that is not UTF-8
        raise InputError(path, f"not a readable Parquet file ({_first_line(error)})") from error
    for field in schema or ():
        index = found.get_field_index(field.name)
        if index < 0 or found.field(index).type != field.type:
            raise InputError(path, f'column "{field.name}" of type {field.type} is missing')
    return file


def count_rows(path: Path) -> int:
    """Return the rows of a Parquet file from its footer."""
    with open_table(path) as file:
        return int(file.metadata.num_rows)


def read_batches(
    path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a Parquet file's rows in order, in batches of at most BATCH_ROWS. Raises InputError."""
    with open_table(path, schema) as file:
        try:
            yield from file.iter_batches(BATCH_ROWS, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise InputError(path, f"a row group cannot be read ({_first_line(error)})") from error


def read_rows(path: Path, first: int, rows: int, schema: pa.Schema | None = None) -> pa.Table:
    """Return `rows` rows from row `first` on; only the row groups that hold them are read. Raises InputError."""
    with open_table(path, schema) as file:
        start = skip = 0
        groups: list[int] = []
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            if start < first + rows and stop > first:
                if not groups:
                    skip = first - start
                groups.append(group)
            start = stop
        try:
            table = file.read_row_groups(groups).slice(skip, rows)
            return (table.select(schema.names).cast(schema) if schema else table).combine_chunks()
        except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a null where the schema has none
            raise InputError(path, f"a row group cannot be read ({_first_line(error)})") from error


def open_database(readable: Iterable[Path], spill: Path, *, threads: int | None = None) -> Database:
    """Return an in-memory DuckDB that may read only `readable` and spill to the folder `spill`.

    No other file, no network, no extension; and SQL that it is given cannot lift this. Same result
    for any number of threads as long as queries order their rows in full.
    """
    database = duckdb.connect(":memory:", config={"threads": threads} if threads else {})
    database.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    database.execute("SET preserve_insertion_order = true")
    database.execute("SET TimeZone = 'UTC'")  # the machine's own would show in casts of dates with an offset
    database.execute(f"SET temp_directory = {quoted(str(durable.make_folder(spill)))}")
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET autoload_known_extensions = false")
    database.execute(f"SET allowed_paths = [{', '.join(quoted(str(path)) for path in readable)}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


def quoted(text: str) -> str:
    """Return a string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def run_batches(database: Database, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a query's rows in order as record batches of `schema`, BATCH_ROWS at most in each.

    Raises InputError where a row's values do not fit the query, IncompleteError where memory or disk run out.
    """
    try:
        for batch in database.sql(query).to_arrow_reader(BATCH_ROWS):
            yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()
    except duckdb.Error as error:
        raise sql_error(error) from error


def sql_error(error: duckdb.Error) -> PackagerError:
    """Return what DuckDB's error means to the user: wrong values in the rows, or no room to work in."""
    message = _first_line(error)
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException | duckdb.InternalException):
        return IncompleteError("catalogue", message, "make room in memory or on disk and run the command again")
    return InputError("catalogue", message, "mend the phase's SQL or the records")


def _first_line(error: Exception) -> str:
    """Return the first line of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
