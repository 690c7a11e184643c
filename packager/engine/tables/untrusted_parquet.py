"""A stranger's Parquet table, read within limits: a few kilobytes can say that they are terabytes.

Before a value is read, every page's header is: no page and no table may unpack to more than a table of
its size can hold. Strings are read as dictionaries and counted before they are spread over the rows,
since one long string in a dictionary may stand in every row.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from packager.engine.files.limited_read import open_regular
from packager.engine.tables import parquet
from packager.engine.tables.page_header import HEADER_MOST, PageHeader, ShortError, parse_page_header
from packager.errors import InputError, first_line, from_os_error
from packager.units import MIB, format_size

BATCH_ROWS = 8192
PAGE_MOST = 16 * MIB  # bytes of an unpacked page; ours have one and a little more
ROOM, RATIO = 64 * MIB, 200  # bytes that any table may unpack to, and for each byte of its file
PAGES = 1_000_000
_WINDOW = 4096
_MAGIC = b"PAR1"
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
ENCODINGS = (None, _PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY)  # no other is ours; some build strings from others


def count_untrusted_rows(path: Path, schema: pa.Schema) -> int:
    """Return the rows of a table whose pages are within the limits. Raises InputError like `read_batches`."""
    open_regular(path).close()
    with parquet.open_table(path, schema) as file:
        unpacked = _check_pages(path, file, schema, range(file.num_row_groups), _limit(path))
        rows = int(file.metadata.num_rows)
    for name, size in unpacked.items():  # each path stands once, so it takes bytes of its own
        if name == "path" and rows > size:
            raise InputError(path, f"says it has {rows} rows, and their paths would fit in {size} bytes")
    return rows


def read_untrusted_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows' columns of `schema`, in batches of at most BATCH_ROWS.

    Raises InputError: not Parquet, a column missing or of another type, text that is not UTF-8, an empty
    cell where there may be none, or more bytes than the limits allow. Memory: a batch and PAGE_MOST a column.
    """
    count_untrusted_rows(path, schema)
    return _batches(path, schema, None, _limit(path))


def read_untrusted_group(path: Path, schema: pa.Schema, group: int, held: int) -> pa.Table:
    """Return the columns of `schema` of one row group; of the other groups no byte is read.

    held: bytes of the file that are there at all, which the limits go by. Raises as `read_batches`.
    """
    limit = ROOM + RATIO * held
    with parquet.open_table(path, schema) as file:
        _check_pages(path, file, schema, [group], limit)
    return pa.Table.from_batches(_batches(path, schema, [group], limit), schema).combine_chunks()


def _batches(path: Path, schema: pa.Schema, groups: Sequence[int] | None, limit: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some row groups, None for all, whose pages were checked."""
    dense = 0
    try:
        there = set(pq.read_schema(path).names)
        texts = [field.name for field in schema if pa.types.is_string(field.type) and field.name in there]
        with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=schema.names, use_threads=False):
                batch.validate(full=True)
                dense += sum(_dense_size(batch[name]) for name in texts)
                if dense > limit:
                    raise InputError(
                        path, f"its rows unpack to more than the {format_size(limit)} that such a file may"
                    )
                yield _cast(batch, schema, path)
    except OSError as error:
        raise InputError(path, f"a row group cannot be read ({first_line(error)})") from error
    except pa.ArrowException as error:
        raise InputError(path, f"a row group cannot be read ({first_line(error)})") from error


def read_untrusted_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Return all rows as one table. Raises as `read_batches`. Memory: the table, which the limits bound."""
    return pa.Table.from_batches(read_untrusted_batches(path, schema), schema).combine_chunks()


def _limit(path: Path) -> int:
    """Return the bytes that a table of this file's size may unpack to."""
    return ROOM + RATIO * os.stat(path).st_size


def _dense_size(column: pa.Array) -> int:
    """Return the bytes of a dictionary column's texts, each counted in every row that has it."""
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)


def _cast(batch: pa.RecordBatch, schema: pa.Schema, path: Path) -> pa.RecordBatch:
    """Return a batch with the columns of `schema` in its order, strings spread."""
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:  # open_table has checked that it may be missing
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch[field.name]
        if column.null_count and not field.nullable:
            raise InputError(path, f'column "{field.name}" has an empty cell')
        columns.append(column.cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column_name(chunk: pq.ColumnChunkMetaData, path: Path) -> str:
    """Return the name of a column chunk's column. Raises InputError if it is not UTF-8."""
    try:
        return str(chunk.path_in_schema)
    except UnicodeDecodeError:
        raise InputError(path, "is damaged: a column's name is not UTF-8") from None


def _check_pages(
    path: Path, file: pq.ParquetFile, schema: pa.Schema, groups: Iterable[int], limit: int
) -> dict[str, int]:
    """Return the bytes that the pages of each column of `schema` unpack to. Raises InputError over the limits."""
    unpacked: dict[str, int] = {}
    left = PAGES
    try:
        with open_regular(path) as data:
            for group in groups:
                chunks = file.metadata.row_group(group)
                for at in range(chunks.num_columns):
                    chunk = chunks.column(at)
                    if _column_name(chunk, path) not in schema.names:
                        continue
                    for page in _pages(data, chunk, path):
                        left -= 1
                        unpacked[chunk.path_in_schema] = unpacked.get(chunk.path_in_schema, 0) + page.unpacked
                        _check_page(page, path)
                    if sum(unpacked.values()) > limit or left < 0:
                        raise InputError(path, f"unpacks to more than the {format_size(limit)} that such a file may")
    except OSError as error:
        raise from_os_error(error, path) from error
    return unpacked


def _check_page(page: PageHeader, path: Path) -> None:
    """Raise InputError for a page that is too large, or of an encoding that could hide its size."""
    if page.unpacked > PAGE_MOST:
        raise InputError(path, f"a page unpacks to {page.unpacked} bytes, more than {format_size(PAGE_MOST)}")
    if page.encoding not in ENCODINGS:
        raise InputError(path, f"a page has the encoding {page.encoding}, which no table of ours has")


def _pages(data: BinaryIO, chunk: pq.ColumnChunkMetaData, path: Path) -> Iterator[PageHeader]:
    """Yield the page headers of a column chunk, from where Arrow begins to read it."""
    at = chunk.data_page_offset
    dictionary = chunk.dictionary_page_offset if chunk.has_dictionary_page else 0
    if 0 < dictionary < at or at < len(_MAGIC):  # a column of no rows has no data page, and 0 for its offset
        at = dictionary
    stop = at + chunk.total_compressed_size
    if at < 0:
        raise InputError(path, f"its footer says that a column begins at byte {at}")
    while at < stop:
        page = _page_at(data, at, path)
        yield page
        at += page.header + page.packed


def _page_at(data: BinaryIO, at: int, path: Path) -> PageHeader:
    """Return the page header at a byte of the file."""
    window = _WINDOW
    while True:
        data.seek(at)
        held = data.read(window)
        try:
            return parse_page_header(held, path)
        except ShortError:
            if len(held) < window or window >= HEADER_MOST:
                raise InputError(path, f"byte {at}: a page's header is cut short") from None
        window *= 16
