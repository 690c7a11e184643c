"""The members of a catalogue shard: catalogue-N.parquet and catalogue-N.jsonl.zst (section 14)."""

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq
import zstandard

from tests.second_implementation.bag import LINE_FIELDS, record_line
from tests.second_implementation.problems import must, same
from tests.second_implementation.rebuild import Find
from tests.second_implementation.stream import read
from tests.second_implementation.table import COLUMNS

Row = dict[str, Any]


def frames(data: bytes) -> list[bytes]:
    """Return the unpacked frames of a seekable .zst, each checked against the seek table at its end."""
    count, descriptor, magic = struct.unpack("<IBI", data[-9:])
    must((descriptor, magic) == (0, 0x8F92EAB1), "it has no seek table without checksums")
    table = 8 * count + 9
    same(struct.unpack("<II", data[-table - 8 : -table]), (0x184D2A5E, table), "the head of the seek table")
    found, at = [], 0
    for packed, plain in struct.iter_unpack("<II", data[-table:-9]):
        frame = data[at : at + packed]
        same(zstandard.get_frame_parameters(frame).content_size, plain, "the content size of a frame")
        must(zstandard.get_frame_parameters(frame).has_checksum, "a frame has no checksum")
        found.append(zstandard.ZstdDecompressor().decompress(frame))
        same(len(found[-1]), plain, "the bytes of a frame")
        at += packed
    same(at, len(data) - table - 8, "the frames of the seek table")
    return found


def check(rows: Sequence[Row], find: Find, withdrawn: set[str], *, mtimes: bool) -> int:
    """Check the files of one catalogue shard, and return how many records they hold."""
    files = {row["path"]: b"".join(read(find(row))) for row in rows}
    count, last = 0, b""
    for name in sorted(name for name in files if name.endswith(".parquet")):
        table = pq.read_table(io.BytesIO(files[name]))
        columns = [*LINE_FIELDS, *["mtime_ns"] * mtimes]
        same(table.column_names, columns, f"the columns of {name}")
        for column in columns:
            same(table.schema.field(column).type, COLUMNS[column][0], f"the type of {column} in {name}")
        records = table.to_pylist()
        for record in records:
            must(record["id"].encode() > last, f"{record['id']!r} is not after the record before it")
            must(record["id"] not in withdrawn, f"{name} has the withdrawn record {record['id']!r}")
            last = record["id"].encode()
        lines = name.removesuffix(".parquet") + ".jsonl.zst"
        if lines in files:
            unpacked = frames(files[lines])
            must(all(frame.endswith(b"\n") for frame in unpacked), f"a frame of {lines} does not end with a line")
            same(b"".join(unpacked), "".join(map(record_line, records)).encode(), f"the lines of {lines}")
        count += len(records)
    for row in rows:
        record = json.loads(row["line"])
        same((row["id"], record["kind"]), (row["path"], "metadata"), f"id and kind of {row['path']}")
    return count
