"""The members table, as Parquet and as lines (section 7)."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.second_implementation.bag import record_line
from tests.second_implementation.names import is_safe_path, key
from tests.second_implementation.problems import must, same

TEXT, LONG, INT, REAL = pa.string(), pa.int64(), pa.int32(), pa.float64()
COLUMNS: dict[str, tuple[pa.DataType, bool]] = {
    "id": (TEXT, False),
    "path": (TEXT, False),
    "source_path": (TEXT, True),
    "source_path_b64": (TEXT, True),
    "offset": (LONG, False),
    "size": (LONG, False),
    "sha256": (pa.binary(32), False),
    "kind": (TEXT, False),
    "title": (TEXT, True),
    "artist": (TEXT, True),
    "album": (TEXT, True),
    "track": (INT, True),
    "date": (TEXT, True),
    "year": (INT, True),
    "isrc": (TEXT, True),
    "duration": (REAL, True),
    "codec": (TEXT, True),
    "licence": (TEXT, True),
    "popularity": (REAL, True),
    "extra": (TEXT, True),
    "mtime_ns": (LONG, True),
    "current_id": (TEXT, True),
    "current_path": (TEXT, True),
    "superseded": (TEXT, True),
}
Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """Return the rows of a members table: unknown columns ignored, missing ones that may be null read as null."""
    table = pq.read_table(path)
    missing = [name for name, (_, null) in COLUMNS.items() if not null and name not in table.column_names]
    must(not missing, f"the table has no column {missing}")
    for name, (kind, null) in COLUMNS.items():
        if name in table.column_names:
            same(table.schema.field(name).type, kind, f"the type of column {name}")
            must(null or not table[name].null_count, f"column {name} holds nulls")
        else:
            table = table.append_column(name, pa.nulls(len(table), kind))
    return [row | {"sha256": row["sha256"].hex()} for row in table.select(list(COLUMNS)).to_pylist()]


def check_written(path: Path) -> None:
    """Check that a table was written with exactly the columns of section 7, in their order."""
    same(pq.read_schema(path).names, list(COLUMNS), "the table's columns")


def members_tsv(rows: Sequence[Row]) -> bytes:
    """Return the lines of NAME.members.tsv.zst, unpacked."""
    return "".join(
        f"{row['id']}\t{row['path']}\t{row['offset']}\t{row['size']}\t{row['sha256']}\t{record_line(row)}"
        for row in rows
    ).encode()


def unpack(path: Path) -> bytes:
    """Return the bytes of a .zst of one frame or more."""
    with path.open("rb") as file:
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)).read()


def read_tsv(path: Path) -> list[Row]:
    """Return the rows of NAME.members.tsv.zst, without Parquet: id, path, offset, size, sha256, line."""
    rows = []
    for number, line in enumerate(unpack(path).decode().split("\n")[:-1], 1):
        fields = line.split("\t")
        must(len(fields) == 6, f"line {number} of {path.name} has {len(fields)} fields")
        name, member, offset, size, digest, record = fields
        row = {"id": name, "path": member, "offset": int(offset), "size": int(size), "sha256": digest}
        rows.append(row | {"line": record + "\n"})
    return rows


def check_rows(rows: Sequence[Row], members: int, size: int) -> None:
    """Check what a reader must refuse: wrong number of rows, unsafe or colliding paths, members outside the shard."""
    same(len(rows), members, "the number of rows")
    seen: set[str] = set()
    for row in rows:
        path = row["path"]
        must(is_safe_path(path), f"{path!r} is not a safe path")
        folded = "/".join(map(key, path.split("/")))
        must(folded not in seen, f"{path!r} is there twice, or differs by case or normalisation only")
        seen.add(folded)
        must(row["offset"] >= 0 and row["size"] >= 0 and (not size or row["offset"] + row["size"] <= size), path)
        must(row["kind"] in ("audio", "artwork", "metadata", "other"), f"{path!r} is of kind {row['kind']!r}")
        if row["source_path_b64"] is not None:
            must(row["source_path"] is not None, f"{path!r} has source_path_b64 and no source_path")
