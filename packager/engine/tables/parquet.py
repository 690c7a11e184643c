"""The door to the tables: Parquet in batches. Nothing here holds a table in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from packager.engine.files import atomic_files
from packager.errors import InputError, first_line, from_os_error

BATCH_ROWS = 65_536


def write_members(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> int:
    """Write a members table of so many rows, as write_table does, so that one row of it is cheap to read."""
    return write_rows(path, schema, batches, group_rows=members_group(rows), statistics=False)


def members_group(rows: int) -> int:
    """Return the rows of a row group of a members table: a power of two from 2048 on, at least 4 × √rows.

    Who reads one row reads the footer, which has 1.5 KB for each group, and one group, 92 bytes a row: together they
    are least where both are about equal. Smaller groups than 2048 would slow down who reads all rows.
    """
    group = 2048
    while group * group < 16 * rows:
        group *= 2
    return group


def write_rows(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    group_rows: int = BATCH_ROWS,
    statistics: bool = True,
    quick: bool = False,
) -> int:
    """Write record batches of `schema` to a Parquet file, durably, and return its rows.

    statistics: tell each group's and page's least and greatest values. quick: for tables of the state folder, which
    are read from end to end: made in a third of the time, and of about the same size. The bytes depend on the rows and
    pyarrow's version alone: rows are regrouped, so that the sizes of the batches do not show. Memory: one row group.
    """
    rows = 0
    with (
        atomic_files.replace_file(path) as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=1 if quick else 6,
            use_dictionary=not quick,  # most columns of ours repeat little, and filling dictionaries takes long
            write_statistics=statistics,
            write_page_index=not quick,
            store_schema=True,
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
    """Open a Parquet file and check that it has the columns of `schema`; one that may be null may be missing.

    Raises InputError.
    """
    try:
        file = pq.ParquetFile(path)
        found = file.schema_arrow
    except OSError as error:
        if error.errno is None:
            raise InputError(path, f"not a readable Parquet file ({first_line(error)})") from error
        raise from_os_error(error, path) from error
    except (pa.ArrowException, ValueError) as error:  # ValueError: a column's name that is not UTF-8
        raise InputError(path, f"not a readable Parquet file ({first_line(error)})") from error
    for field in schema or ():
        index = found.get_field_index(field.name)
        if index < 0 and field.nullable and field.name not in found.names:  # a name that stands twice has no index
            continue
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
            raise InputError(path, f"a row group cannot be read ({first_line(error)})") from error


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
            table = file.read_row_groups(groups, schema.names if schema else None).slice(skip, rows)
            return (with_columns(table, schema) if schema else table).combine_chunks()
        except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a null if the schema has none
            raise InputError(path, f"a row group cannot be read ({first_line(error)})") from error


def with_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of `schema` of a table, null if it lacks one.

    Raises ValueError for a null in a column that may have none.
    """
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names).cast(schema)
