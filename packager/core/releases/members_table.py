"""Rows of a members table: the record's current id, the possible paths of its file, and its line in the TSV. Pure.

`id` and the paths in the tar never change. `current_id` and `current_path` have the new values.
"""

import pyarrow as pa
import pyarrow.compute as pc

from packager.core.shards.path_formats import original_path
from packager.core.shards.records_jsonl import record_lines, record_members


def current_ids(members: pa.Table) -> pa.ChunkedArray:
    """Return the current id of each row's record."""
    return pc.coalesce(members["current_id"], members["id"])


def with_current_ids(members: pa.Table) -> pa.Table:
    """Return a members table with the current id of each record in `id`, for people."""
    at = members.column_names.index("id")
    return members.set_column(at, members.schema.field(at), current_ids(members))


def source_paths(members: pa.Table) -> list[list[bytes]]:
    """Return for each row the possible paths of its file below the collection's folder: the current and the old one.

    Paths outside the folder are left out.
    """
    columns = (members[name].to_pylist() for name in ("path", "source_path", "source_path_b64", "current_path"))
    return [
        [
            found
            for found in (original_path(current, None), original_path(path if source is None else source, source_b64))
            if found is not None
        ]
        for path, source, source_b64, current in zip(*columns, strict=True)
    ]


def tsv_lines(members: pa.Table) -> bytes:
    """Return the lines of some rows: id, path, offset, size, sha256 and the line of records.jsonl.

    No field has a TAB: ids and paths have no control characters, and JSON escapes them.
    """
    digests = pa.array([digest.hex() for digest in members["sha256"].to_pylist()], pa.string())
    numbers = (members[name].combine_chunks().cast(pa.string()) for name in ("offset", "size"))
    texts = (members[name].combine_chunks() for name in ("id", "path"))
    return bytes(record_members(pc.binary_join_element_wise(*texts, *numbers, digests, record_lines(members), "\t")))
