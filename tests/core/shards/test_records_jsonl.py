"""Each line of records.jsonl is the JSON of its row, and as long as said beforehand."""

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.shards import records_jsonl
from packager.core.shards.records_jsonl import FIELDS
from packager.model import PLANNED
from tests.helpers.strategies import MEMBER_ROWS, members_tables

PLAIN = {"id": "1", "path": "a.flac", "kind": "audio", "size": 3}


def reference(row: dict[str, Any]) -> bytes:
    """Return a row's line by way of Python's json: non-null fields in order, whole doubles without a point."""
    fields = {name: row[name] for name in FIELDS if row.get(name) is not None}
    fields = {
        name: int(v) if isinstance(v, float) and v.is_integer() and abs(v) < 1e16 else v for name, v in fields.items()
    }
    parts = []
    for name, value in fields.items():
        text = value if name == "extra" else json.dumps(value, ensure_ascii=False)
        if value == 0 and isinstance(row[name], float) and math.copysign(1, row[name]) < 0:
            text = "-0"
        parts.append(f'"{name}":{text}')
    return ("{" + ",".join(parts) + "}\n").encode()


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{**PLAIN, **row} for row in rows], MEMBER_ROWS)


@settings(max_examples=20)
@given(members_tables())
def test_a_line_reads_back_as_the_fields_of_its_row_that_are_not_null(members: pa.Table) -> None:
    lines = b"".join(records_jsonl.stream_lines(members)).split(b"\n")[:-1]
    assert len(lines) == members.num_rows
    for line, row in zip(lines, members.to_pylist(), strict=True):
        found = json.loads(line)
        wanted = {name: row[name] for name in FIELDS if row[name] is not None}
        if "extra" in wanted:
            wanted["extra"] = json.loads(wanted["extra"])
        assert found == wanted
        assert list(found) == list(wanted)


@settings(max_examples=20)
@given(members_tables())
def test_a_line_is_what_the_written_rule_says_byte_for_byte(members: pa.Table) -> None:
    assert b"".join(records_jsonl.stream_lines(members)) == b"".join(map(reference, members.to_pylist()))


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ('say "hi"', r'"say \"hi\""'),
        ('back\\slash\\"', r'"back\\slash\\\""'),
        ("\\n is no line break", r'"\\n is no line break"'),
        ("line\nbreak\ttab", r'"line\nbreak\ttab"'),
        ("\x00\x01\x1b\x1f", r'"\u0000\u0001\u001b\u001f"'),
        ("\x7f\u0085\u2028\u2029", '"\x7f\u0085\u2028\u2029"'),
        ("\U0001f3b5 é \ufeff", '"\U0001f3b5 é \ufeff"'),
        ("</script>", '"</script>"'),
        ("", '""'),
    ],
    ids=ascii,
)  # fmt: skip
def test_hostile_text_is_escaped_the_same_with_and_without_control_characters_beside_it(title: str, text: str) -> None:
    expected = '{"id":"1","path":"a.flac","kind":"audio","size":3,"title":' + text + "}\n"
    alone = records_jsonl.record_lines(table({"title": title}))
    beside = records_jsonl.record_lines(table({"title": "\x02"}, {"title": title}, {"title": "plain"}))
    assert alone[0].as_py() == beside[1].as_py() == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "-0"), (1.0, "1"), (1.5, "1.5"), (0.1, "0.1"), (1e15, "1000000000000000"), (1e16, "1e+16"),
     (1e22, "1e+22"), (1e-7, "1e-07"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
     (213.347, "213.347")],
)  # fmt: skip
def test_a_number_is_the_shortest_decimal_of_its_double(value: float, text: str) -> None:
    line = records_jsonl.record_lines(table({"duration": value}))[0].as_py()
    assert line == '{"id":"1","path":"a.flac","kind":"audio","size":3,"duration":' + text + "}\n"
    assert json.loads(line)["duration"] == value


@settings(max_examples=20)
@given(members_tables(most=12), st.data())
def test_lines_are_the_same_however_the_rows_are_sliced_and_chunked(members: pa.Table, data: st.DataObject) -> None:
    whole = records_jsonl.record_lines(members)
    sizes = records_jsonl.line_sizes(members)
    first = data.draw(st.integers(0, members.num_rows))
    stop = data.draw(st.integers(first, members.num_rows))
    chunked = pa.concat_tables([members.slice(0, first), members.slice(first)])
    assert records_jsonl.record_lines(chunked).equals(whole)
    assert records_jsonl.record_lines(members.slice(first, stop - first)).to_pylist() == whole[first:stop].to_pylist()
    part = whole.slice(first, stop - first)
    assert bytes(records_jsonl.record_members(part)) == "".join(part.to_pylist()).encode()
    assert b"".join(records_jsonl.stream_lines(members.slice(first, stop - first))) == bytes(
        records_jsonl.record_members(part)
    )
    assert sizes.tolist() == [len(line.encode()) for line in whole.to_pylist()]


def test_more_rows_than_one_batch_are_streamed_in_order() -> None:
    rows = records_jsonl._BATCH * 2 + 1
    members = pa.table(
        {
            "id": pa.array([str(n) for n in range(rows)]),
            "path": pa.array([f"{n}.flac" for n in range(rows)]),
            "kind": pa.array(["audio"] * rows),
            "size": pa.array(range(rows), pa.int64()),
            "title": pa.array(["\n" if n == rows - 1 else None for n in range(rows)], pa.string()),
        }
    )
    streamed = b"".join(records_jsonl.stream_lines(members))
    assert streamed == b"".join(map(reference, members.to_pylist()))
    assert int(records_jsonl.line_sizes(members).sum()) == len(streamed)


def test_no_rows_have_no_lines() -> None:
    empty = MEMBER_ROWS.empty_table()
    assert len(records_jsonl.record_lines(empty)) == 0
    assert bytes(records_jsonl.record_members(records_jsonl.record_lines(empty))) == b""
    assert records_jsonl.line_sizes(empty).tolist() == []
    assert list(records_jsonl.stream_lines(empty)) == []


def test_the_source_path_stands_only_where_the_member_is_named_otherwise() -> None:
    rows = [
        {"path": "a.flac", "member": "a.flac"},
        {"path": "b%.flac", "member": "b_~1.flac"},
        {"path": "caf\ufffd.mp3", "path_b64": "Y2Fm6S5tcDM=", "member": "caf_~2.mp3"},
        {"path": "same\ufffd", "path_b64": "c2FtZf8=", "member": "same\ufffd"},
    ]
    full = [{"shard": 0, "id": str(n), "kind": "audio", "size": n, **row} for n, row in enumerate(rows)]
    members = records_jsonl.as_members(pa.Table.from_pylist(full, PLANNED))
    assert members.schema.names == [*FIELDS, "mtime_ns"]
    assert members.select(["path", "source_path", "source_path_b64"]).to_pylist() == [
        {"path": "a.flac", "source_path": None, "source_path_b64": None},
        {"path": "b_~1.flac", "source_path": "b%.flac", "source_path_b64": None},
        {"path": "caf_~2.mp3", "source_path": "caf\ufffd.mp3", "source_path_b64": "Y2Fm6S5tcDM="},
        {"path": "same\ufffd", "source_path": "same\ufffd", "source_path_b64": "c2FtZf8="},
    ]


@settings(max_examples=60)
@given(
    st.lists(
        st.none()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(0, 10**16).map(lambda part: part / 1000)
        | st.integers(-(10**5), 10**5).map(lambda part: part / 100)
    )
)
def test_doubles_in_bulk_are_written_as_each_alone(values: list[float | None]) -> None:
    wanted = [None if value is None else repr(value).removesuffix(".0") for value in values]
    assert records_jsonl._numbers(pa.array(values, pa.float64())).to_pylist() == wanted
