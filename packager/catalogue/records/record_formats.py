"""Reads the rows of a records file (CSV, TSV, JSON lines, Parquet or SQLite) as (number, columns, values).

Memory: one line, row group or row. If something cannot be read, the InputError names the line or row.
"""

import contextlib
import csv
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow as pa

from packager import paths
from packager.catalogue.records.record_values import VALUE_MAX, Columns, find_columns
from packager.engine.tables import parquet
from packager.errors import InputError, from_os_error

Row = tuple[int, Columns, tuple[object, ...]]
_BOM = b"\xef\xbb\xbf"


def read_rows(path: Path) -> Iterator[Row]:
    """Yield (line or row number from 1, columns, values) for each record. Raises InputError."""
    read = _FORMATS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            paths.display_text(path.name),
            f'"{paths.display_text(path.suffix)}" is not a supported extension of a records file',
            f"name it {', '.join(list(_FORMATS)[:-1])} or {list(_FORMATS)[-1]}",
        )
    if not path.is_file():
        raise InputError(
            paths.display_text(str(path)), "no such file", "correct records.files in packager.toml, or remove it"
        )
    try:
        open(path, "rb").close()
    except OSError as error:
        raise from_os_error(error, path, "fix its permissions or its disk") from error
    yield from read(path)


def row_location(path: Path, number: int) -> str:
    """Return a record's name for messages: "records.csv:12" for a line, "records.parquet: row 12" for a table."""
    return f"{_location_prefix(path)}{number}"


@lru_cache
def _location_prefix(path: Path) -> str:
    """Return the part of `row_location` before the number."""
    name = paths.display_text(path.name)
    return f"{name}:" if _FORMATS.get(path.suffix.lower()) in _TEXT else f"{name}: row "


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their line ends, without a byte order mark; at most VALUE_MAX bytes each."""
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(VALUE_MAX + 1):
                number += 1
                if len(line) > VALUE_MAX:
                    raise InputError(
                        row_location(path, number),
                        f"the line has more than {VALUE_MAX:,} bytes",
                        "shorten it or split it",
                    )
                try:
                    yield (line.removeprefix(_BOM) if number == 1 else line).decode("utf-8")
                except UnicodeDecodeError as error:
                    what = f"byte {error.start + 1} of the line is not UTF-8"
                    raise InputError(row_location(path, number), what, "save the file as UTF-8") from None
    except OSError as error:
        raise from_os_error(error, path) from error


def _header(names: Sequence[str], place: str, fix: str) -> Columns:
    """Return a table's columns. Raises InputError if there is neither an id nor a path."""
    columns = find_columns(names, place)
    if not {"id", "path"} & set(columns.known):
        raise InputError(place, 'there is neither a column "id" nor a column "path"', fix)
    return columns


def _csv(path: Path, delimiter: str = ",") -> Iterator[Row]:
    """Yield the rows of RFC 4180 text. The first line names the columns; empty lines are skipped."""
    reader = csv.reader(_lines(path), delimiter=delimiter, strict=True)
    columns: Columns | None = None
    while True:
        start = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InputError(row_location(path, start), *_csv_fault(error)) from None
        if row is None:
            break
        if not row:
            continue
        if columns is None:
            fix = "name the columns in the first line, separated by commas (.csv) or tabs (.tsv)"
            columns = _header(row, row_location(path, start), fix)
            continue
        if len(row) != len(columns.names):
            what = f"{len(row)} values, but the header names {len(columns.names)} columns"
            raise InputError(row_location(path, start), what, "quote values that contain the separator")
        yield start, columns, tuple(row)
    if columns is None:
        raise InputError(paths.display_text(path.name), "the file is empty", "name the columns in the first line")


def _csv_fault(error: csv.Error) -> tuple[str, str]:
    """Return a message for a csv.Error, and the fix."""
    message = paths.display_text(str(error))
    if "unexpected end of data" in message:
        return "a quote is not closed", 'close it; write a quote inside a value as ""'
    if "field limit" in message:
        return (
            f"a value has more than {csv.field_size_limit():,} characters, or a quote is not closed",
            "fix the line",
        )
    return f"the line is not CSV ({message})", "quote values that contain quotes, separators or line ends"


def _tsv(path: Path) -> Iterator[Row]:
    """Yield the rows of CSV that is separated by tabs."""
    return _csv(path, "\t")


def _jsonl(path: Path) -> Iterator[Row]:
    """Yield a row for each line, which must be a JSON object; empty lines are skipped."""
    decoder = msgspec.json.Decoder(dict[str, object])
    columns = Columns((), ())
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            message = paths.display_text(str(error), 100)
            raise InputError(
                row_location(path, number), f"the line is not a JSON object ({message})", "write one object per line"
            ) from None
        if columns.names != tuple(row):
            columns = find_columns(tuple(row), row_location(path, number))
        yield number, columns, tuple(row.values())


def _parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file. Times are truncated to microseconds."""
    number = 0
    for batch in parquet.read_batches(path):
        columns = _header(batch.schema.names, paths.display_text(path.name), "rename the key column")
        try:
            lists = [_python(column) for column in batch.columns]
        except (ValueError, OverflowError, pa.ArrowException) as error:
            what = f"a value in rows {number + 1} to {number + batch.num_rows} cannot be read ({error})"
            raise InputError(paths.display_text(path.name), paths.display_text(what), "write the file again") from None
        for values in zip(*lists, strict=True):
            number += 1
            yield number, columns, values


def _python(column: pa.Array) -> list[object]:
    """Return a column's values, with times in microseconds, because Python has no nanoseconds."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return list(column.to_pylist())


def _sqlite(path: Path) -> Iterator[Row]:
    """Yield the rows of the table or view "records", or of the only table; the database is opened read-only."""
    name = paths.display_text(path.name)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            database.execute("PRAGMA trusted_schema = OFF")
            table = _table(database, name)
            quoted = '"' + table.replace('"', '""') + '"'
            cursor = database.execute(f"SELECT * FROM {quoted}")  # noqa: S608  # an identifier, quoted
            columns = _header([column[0] for column in cursor.description], name, "rename the key column")
            for number, values in enumerate(cursor, 1):
                yield number, columns, values
    except sqlite3.Error as error:
        raise InputError(name, f"not a readable SQLite database ({paths.display_text(str(error), 100)})") from None


def _table(database: sqlite3.Connection, name: str) -> str:
    """Return the name of the table with the records."""
    found = database.execute(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    ).fetchall()
    for table, _ in found:
        if table.lower() == "records":
            return str(table)
    only = [table for table, kind in found if kind == "table"]
    if len(only) != 1:
        what = f'{len(only)} tables, but none is named "records"' if only else "the database contains no table"
        raise InputError(name, what, 'name the table of the records "records"')
    return str(only[0])


_TEXT: tuple[Callable[[Path], Iterator[Row]], ...] = (_csv, _tsv, _jsonl)
_FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".sqlite": _sqlite,
    ".sqlite3": _sqlite,
    ".db": _sqlite,
}
