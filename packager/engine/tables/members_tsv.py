"""NAME.members.tsv.zst: the rows of a members table as lines, for readers without Parquet (FORMAT.md 7).

It is written as seekable zstd and read frame by frame, within the limits of `seekable`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from packager.core.releases.members_table import tsv_lines
from packager.engine.tables import jsonl_zst_reader, jsonl_zst_writer, parquet
from packager.errors import InputError
from packager.model import MEMBERS
from packager.paths import display_text

BATCH_ROWS = 8192
ROWS = pa.schema([*(MEMBERS.field(name) for name in ("id", "path", "offset", "size", "sha256")), ("line", pa.string())])
_LINE = re.compile(rb"([^\t]+)\t([^\t]+)\t(0|[1-9][0-9]{0,18})\t(0|[1-9][0-9]{0,18})\t([0-9a-f]{64})\t([^\t]+)")


def members_tsv_path(table: Path) -> Path:
    """Return where the lines of a members table are: NAME.tsv.zst beside NAME.parquet."""
    return table.with_name(table.name.removesuffix(".parquet") + ".tsv.zst")


def write_members_tsv(table: Path) -> Path:
    """Write the lines of a members table beside it, durably, and return where. Memory: some thousand rows."""
    path = members_tsv_path(table)
    jsonl_zst_writer.write_jsonl_zst(path, map(tsv_lines, _few_rows(parquet.read_batches(table, MEMBERS))))
    return path


def _few_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows as tables of at most BATCH_ROWS."""
    for batch in batches:
        for first in range(0, batch.num_rows, BATCH_ROWS):
            yield pa.Table.from_batches([batch.slice(first, BATCH_ROWS)])


def read_members_tsv(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ROWS that the lines say, frame by frame.

    Raises InputError for what `read_jsonl_zst` refuses, and for a line that is not as FORMAT.md 7 says.
    """
    first = 1
    for frame in jsonl_zst_reader.read_jsonl_zst(path):
        lines = frame.split(b"\n")
        if lines.pop():
            raise InputError(display_text(str(path)), "a frame does not end at the end of a line")
        yield _batch(lines, first, path)
        first += len(lines)


def _batch(lines: list[bytes], first: int, path: Path) -> pa.RecordBatch:
    """Return lines, of which the first has the number `first`, as rows."""
    columns: list[list[object]] = [[] for _ in ROWS]
    for number, line in enumerate(lines, first):
        found = _LINE.fullmatch(line)
        if found is None:
            raise InputError(
                display_text(str(path)), f"line {number} is not id, path, offset, size, SHA-256 and record"
            )
        own_id, member, offset, size, digest, record = found.groups()
        try:
            values = (own_id.decode(), member.decode(), int(offset), int(size), bytes.fromhex(digest.decode()))
            texts = (*values, record.decode() + "\n")
        except UnicodeDecodeError:
            raise InputError(display_text(str(path)), f"line {number} is not UTF-8") from None
        for column, value in zip(columns, texts, strict=True):
            column.append(value)
    if any(number >= 1 << 63 for at in (2, 3) for number in columns[at] if isinstance(number, int)):
        raise InputError(display_text(str(path)), "has an offset or a size of more than 63 bits")
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, ROWS, strict=True)], schema=ROWS
    )
