"""The lines of a bag's records.jsonl: one JSON object a member, made column by column in Arrow.

A line's bytes are a function of the member's row alone, so its length is known when the plan is cut.
The rule for other implementations is in manifests/FORMAT.md, "records.jsonl".
"""

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from packager.model import TAGS

FILE = "records.jsonl"
FIELDS = ("id", "path", "source_path", "source_path_b64", "kind", "size", *TAGS.names)
_BATCH = 8192
_NO_LINES = pa.array([], pa.string())


def as_members(planned: pa.Table) -> pa.Table:
    """Return a PLANNED table's rows with the columns FIELDS, plus mtime_ns, as a members table has them.

    source_path stands where the member's name is not the source's own.
    """
    same = pc.and_(pc.equal(planned["member"], planned["path"]), pc.is_null(planned["path_b64"]))
    columns = {
        "id": planned["id"],
        "path": planned["member"],
        "source_path": pc.if_else(same, pa.scalar(None, pa.string()), planned["path"]),
        "source_path_b64": planned["path_b64"],
        "kind": planned["kind"],
        "size": planned["size"],
        **{name: planned[name] for name in TAGS.names},
        "mtime_ns": planned["mtime_ns"],
    }
    return pa.table(columns)


def record_lines(members: pa.Table) -> pa.Array:
    """Return the lines (strings that end in LF) of rows that have the columns FIELDS.

    Fields in the order of FIELDS, nulls left out, no spaces, text as UTF-8, `extra` as the object it is.
    """
    if not len(members):
        return _NO_LINES
    members = members.combine_chunks()
    pieces: list[pa.Array | str] = []
    before = ""  # constant text after the last piece, joined with the next, since each piece costs a pass
    for name in FIELDS:
        if name not in members.column_names or members[name].null_count == len(members):
            continue
        column = members[name].combine_chunks()
        key, value, after = _field(name, column)
        if column.null_count:
            pieces += [before, pc.binary_join_element_wise(key, value, after, "")]
            before = ""
        else:
            pieces += [before + key, value]
            before = after
    return pc.binary_join_element_wise(*pieces, before + "}\n", "", null_handling="replace")


def _field(name: str, column: pa.Array) -> tuple[str, pa.Array, str]:
    """Return a column as JSON text: what goes before each value, the values, null where null, and what goes after."""
    key = f'{"{" if name == "id" else ","}"{name}":'
    if name == "extra":
        return key, column, ""
    if pa.types.is_string(column.type):
        return key + '"', _escaped(column), '"'
    return key, _numbers(column) if pa.types.is_floating(column.type) else column.cast(pa.string()), ""


_THOUSANDTHS = pa.array(["", *(f".{part:03d}".rstrip("0") for part in range(1, 1000))], pa.string())


def _numbers(column: pa.Array) -> pa.Array:
    """Return doubles as `_number` writes each; those of at most three decimals, nearly all, without a loop.

    Decimals of up to 15 digits are told apart by their doubles, so the shortest one of such a value is itself.
    """
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values * 1000)
        short = (scaled / 1000 == values) & (scaled < 1e15) & ~np.signbit(values)
    whole = np.where(short, scaled, 0).astype(np.int64)
    texts = pc.binary_join_element_wise(
        pa.array(whole // 1000).cast(pa.string()), _THOUSANDTHS.take(pa.array(whole % 1000)), ""
    )
    texts = pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.string()))
    if short.all():
        return texts
    others = pa.array([_number(value) for value in values[~short].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(~short), others)


def _number(value: float) -> str:
    """Return the shortest decimal that reads back as the same double; a whole number has no point."""
    text = repr(value)
    return text.removesuffix(".0")


def _escaped(column: pa.Array) -> pa.Array:
    """Return strings with what JSON escapes escaped; control characters are rare and done one by one."""
    data = np.frombuffer(record_members(column), np.uint8)
    if (data < ord(" ")).any():
        return pa.array(
            [None if value is None else json.dumps(value, ensure_ascii=False)[1:-1] for value in column.to_pylist()],
            pa.string(),
        )
    if (data == ord("\\")).any():
        column = pc.replace_substring(column, "\\", "\\\\")
    return pc.replace_substring(column, '"', '\\"') if (data == ord('"')).any() else column


def record_members(lines: pa.Array) -> memoryview:
    """Return the bytes of strings that follow one another, without a copy."""
    if not len(lines):
        return memoryview(b"")
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


def line_sizes(members: pa.Table) -> npt.NDArray[np.int64]:
    """Return the bytes of each row's line, LF included, as int64."""
    sizes = np.zeros(members.num_rows, np.int64)
    for first in range(0, members.num_rows, _BATCH):
        lines = record_lines(members.slice(first, _BATCH))
        sizes[first : first + len(lines)] = pc.binary_length(lines).to_numpy()
    return sizes


def stream_lines(members: pa.Table) -> Iterator[bytes]:
    """Yield the bytes of records.jsonl in order, some thousand rows at a time."""
    for first in range(0, members.num_rows, _BATCH):
        yield bytes(record_members(record_lines(members.slice(first, _BATCH))))
