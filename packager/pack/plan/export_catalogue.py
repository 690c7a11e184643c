"""Writes the files of a catalogue phase: the catalogue as Parquet and as seekable JSONL.zst.

They are written with the plan, because a shard's layout needs their sizes, and are then the shard's source files.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from packager.core.shards.records_jsonl import FIELDS, as_members, record_lines, record_members
from packager.engine.files import atomic_files
from packager.engine.processes.prefetch import prefetch
from packager.engine.tables import jsonl_zst_writer, parquet, select_records, sql
from packager.model import CATALOGUE, PLANNED
from packager.options import PhaseOptions

ROWS = 5_000_000  # in one file, about 0.5 GB of Parquet, so that it fits into a shard


def export_catalogue(
    database: sql.Database, phase: PhaseOptions, may_go_out: str, folder: Path, *, file_times: bool
) -> tuple[int, pa.Table]:
    """Write a catalogue phase's files into a new `folder`. Return the number of records, and the rows of PLANNED.

    may_go_out: the condition on its records, `Selection.open_records`. Both formats contain the fields of records.jsonl
    (FORMAT.md), ordered by id. file_times: add that column to the Parquet. Memory: some batches.
    """
    atomic_files.remove_tree(folder)
    atomic_files.make_folder(folder)
    total = select_records.count_exported(database, phase, may_go_out)
    names: list[str] = []
    for number, first in enumerate(range(0, max(total, 1), ROWS), 1):
        query = select_records.exported(phase, may_go_out, first, ROWS)
        name = f"catalogue-{number:05d}"
        schema = _schema(file_times=file_times)
        rows = (_row_fields(batch).select(schema.names) for batch in sql.run_batches(database, query, CATALOGUE))
        batches = (batch for table in rows for batch in table.cast(schema).to_batches())
        parquet.write_rows(folder / f"{name}.parquet", schema, prefetch(batches))
        jsonl_zst_writer.write_jsonl_zst(folder / f"{name}.jsonl.zst", prefetch(_lines(folder / f"{name}.parquet")))
        names += [f"{name}.parquet", f"{name}.jsonl.zst"]
    return total, pa.Table.from_pylist([_planned(folder / name) for name in names], PLANNED)


def _planned(path: Path) -> dict[str, object]:
    """Return a file's row. Its SHA-256 detects changes that keep the size."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    name, size = path.name, path.stat().st_size
    return {"shard": 0, "id": name, "path": name, "member": name, "kind": "metadata", "size": size, "sha256": digest}


def _schema(*, file_times: bool) -> pa.Schema:
    """Return the columns of the exported Parquet."""
    fields = [_FIELD_TYPES.field(name) for name in FIELDS]
    return pa.schema([*fields, CATALOGUE.field("mtime_ns")] if file_times else fields)


_FIELD_TYPES = pa.schema(
    [
        CATALOGUE.field("id"),
        CATALOGUE.field("path"),
        ("source_path", pa.string()),
        ("source_path_b64", pa.string()),
        *(field for field in CATALOGUE if field.name in FIELDS and field.name not in ("id", "path")),
    ]
)


def _row_fields(batch: pa.RecordBatch) -> pa.Table:
    """Return catalogue rows with the columns of records.jsonl. A record without a file has no path."""
    return as_members(pa.Table.from_batches([batch]))


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of an exported Parquet file."""
    for batch in parquet.read_batches(path):
        yield bytes(record_members(record_lines(pa.Table.from_batches([batch]))))
