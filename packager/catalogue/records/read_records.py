"""Converts a records file to a checked table (record_values.RECORDS), one row for each record, in the same order."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from packager.catalogue.records import record_formats
from packager.catalogue.records.record_values import RECORDS, parse_record
from packager.engine.tables import parquet

_BATCH = 8192


def read_records(path: Path, into: Path) -> int:
    """Write the records of a file to the Parquet file `into`, and return their number.

    The format follows from the extension. Memory: one batch. Raises InputError, which names the line or row.
    """
    checked = _checked(path)

    def batches() -> Iterator[pa.RecordBatch]:
        while rows := list(islice(checked, _BATCH)):
            arrays = [pa.array(c, field.type) for c, field in zip(zip(*rows, strict=True), RECORDS, strict=True)]
            yield pa.record_batch(arrays, RECORDS)

    return parquet.write_rows(into, RECORDS, batches(), quick=True)


def _checked(path: Path) -> Iterator[tuple[object, ...]]:
    """Yield the rows of RECORDS."""
    for number, columns, values in record_formats.read_rows(path):
        yield parse_record(columns, values, number, record_formats.row_location(path, number))
