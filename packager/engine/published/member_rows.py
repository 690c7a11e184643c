"""Single rows of a members table that may be far away: its footer and one row group are read, and no more.

What was read lies in a sparse file of the table's size, each byte at its place, and is then held to the
same limits as a stranger's whole table.
"""

import bisect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow.parquet import ColumnChunkMetaData, ParquetFile

from packager.core.releases.document_checks import TABLE_LIMIT
from packager.engine.published.release_reader import ReleaseReader
from packager.engine.tables import parquet, untrusted_parquet
from packager.errors import InputError, from_os_error
from packager.model import MEMBERS
from packager.paths import display_text
from packager.units import KIB, MIB, format_size

TAIL = 64 * KIB  # bytes read from a table's end at first: the footer of some 35,000 members, or a small table whole
FOOTER_MOST = 16 * MIB
GROUP_MOST = 16 * MIB  # bytes of a row group that is fetched for one row; ours have a tenth of one
_MAGIC = b"PAR1"
_TRAILER = 8  # the footer's length in 4 bytes, and the magic


def read_rows(files: ReleaseReader, path: str, rows: Sequence[int], scratch: Path) -> pa.Table:
    """Return these rows of a members table of a release, in this order.

    scratch: a folder for the sparse file. Raises InputError if the table is broken or over the limits, or
    has no such row.
    """
    where = display_text(path)
    if files.folder is not None:
        return rows_of(files.folder / path, rows)
    place = scratch / Path(path).name
    try:
        with open(place, "w+b") as sparse:
            there, end = _read_tail(files, path, sparse)
            for start, stop in _group_ranges(place, rows):
                if not len(_MAGIC) <= start < stop <= end or stop - start > GROUP_MOST:
                    what = (
                        f"bytes {start} to {stop} would have to be read for one row, at most {format_size(GROUP_MOST)}"
                    )
                    raise InputError(where, what, "fetch the table or the shard, and use packager extract")
                if start < there:
                    sparse.seek(start)
                    sparse.write(files.read_range(path, start, min(stop, there)))
            sparse.flush()
            return rows_of(place, rows, os.fstat(sparse.fileno()).st_blocks * 512)
    except InputError as error:
        raise InputError(where, error.what, error.fix) from error  # not the name of a file of ours
    except OSError as error:
        raise from_os_error(error, place) from error
    finally:
        place.unlink(missing_ok=True)


def rows_of(table: Path, rows: Sequence[int], held: int | None = None) -> pa.Table:
    """Return these rows of a table on this machine. held: bytes of it that are there; None: all."""
    with parquet.open_table(table, MEMBERS) as file:
        groups = _groups(file, rows, table)
    there = table.stat().st_size if held is None else held
    read = {
        group: untrusted_parquet.read_untrusted_group(table, MEMBERS, group, there)
        for group in sorted({g for g, _ in groups})
    }
    return pa.concat_tables([read[group].slice(at, 1) for group, at in groups]).combine_chunks()


def _groups(file: ParquetFile, rows: Sequence[int], where: Path) -> list[tuple[int, int]]:
    """Return the row group of each row, and its place in that. Raises InputError for a row that is not there."""
    starts = [0]
    for group in range(file.num_row_groups):
        starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    for row in rows:
        if not 0 <= row < starts[-1]:
            raise InputError(display_text(str(where)), f"has {starts[-1]} rows, and row {row} was looked for")
    groups = [bisect.bisect_right(starts, row) - 1 for row in rows]
    return [(group, row - starts[group]) for group, row in zip(groups, rows, strict=True)]


def _group_ranges(table: Path, rows: Sequence[int]) -> list[tuple[int, int]]:
    """Return the bytes of each row group that holds one of these rows."""
    with parquet.open_table(table, MEMBERS) as file:
        ranges = []
        for group in sorted({group for group, _ in _groups(file, rows, table)}):
            metadata = file.metadata.row_group(group)
            columns = [metadata.column(at) for at in range(metadata.num_columns)]
            starts = [_start(column) for column in columns]
            stops = [start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)]
            ranges.append((min(starts), max(stops)))
        return ranges


def _start(column: ColumnChunkMetaData) -> int:
    """Return where the first page of a column chunk begins."""
    dictionary = column.dictionary_page_offset if column.has_dictionary_page else None
    return int(min(column.data_page_offset, dictionary or column.data_page_offset))


def _read_tail(files: ReleaseReader, path: str, sparse: BinaryIO) -> tuple[int, int]:
    """Write a table's end to its place; return where that begins, and where the footer does."""
    where = display_text(path)
    size, tail = files.read_tail(path, TAIL)
    if size > TABLE_LIMIT or len(tail) < len(_MAGIC) + _TRAILER or tail[-4:] != _MAGIC:
        raise InputError(where, f"a file of {size} bytes that is not a members table")
    footer = int.from_bytes(tail[-_TRAILER:-4], "little") + _TRAILER
    if footer > min(FOOTER_MOST, size - len(_MAGIC)):
        raise InputError(where, f"its footer of {footer} bytes is larger than any that is read")
    if footer > len(tail):
        tail = files.read_range(path, size - footer, size - len(tail)) + tail
    sparse.truncate(size)
    sparse.write(_MAGIC)
    sparse.seek(size - len(tail))
    sparse.write(tail)
    sparse.flush()
    return size - len(tail), size - footer
