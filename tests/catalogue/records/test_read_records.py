"""Records files: four formats that say the same, and every way to be wrong."""

import csv
import io
import json
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packager.catalogue.records.read_records import read_records
from packager.catalogue.records.record_values import RECORDS
from packager.errors import InputError
from tests.helpers.catalogue_projects import CatalogueProject

TYPES = {"track": pa.int64(), "year": pa.int32(), "duration": pa.float64(), "popularity": pa.float64()}


def write_csv(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    path.write_bytes("\n".join(json.dumps({k: r[k] for k in names}, ensure_ascii=False) for r in rows).encode())


def write_parquet(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    pq.write_table(pa.table({n: pa.array([r[n] for r in rows], TYPES.get(n, pa.string())) for n in names}), path)


def write_sqlite(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    with database:
        database.execute(f"CREATE TABLE anything ({', '.join(names)})")
        marks = ", ".join("?" * len(names))
        database.executemany(f"INSERT INTO anything VALUES ({marks})", [[r[n] for n in names] for r in rows])
    database.close()


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet, "sqlite": write_sqlite}
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMED = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": NAMED,
            "Title": TEXT,
            "track": st.none() | st.integers(0, 2**31 - 1),
            "year": st.none() | st.integers(0, 9999),
            "duration": st.none() | st.floats(0, 1e8),
            "popularity": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "LICENSE": TEXT,
            "mood": TEXT,
        }
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row["id"],
)


@settings(max_examples=12)
@given(rows=ROWS)
def test_the_four_formats_give_equal_catalogues(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = CatalogueProject(Path(folder))
        project.put("a.txt")
        catalogues = set()
        for extension, write in WRITERS.items():
            project.records = project.root / f"records.{extension}"
            write(project.records, rows, list(rows[0]))
            project.scan()
            catalogues.add(project.project.catalogue.read_bytes())
        assert len(catalogues) == 1
        kept = {row["id"]: row for row in project.rows().values() if "member" not in row}
        for row in rows:
            if row["id"] in kept:
                assert kept[row["id"]].get("title") == (row["Title"] or None)
                assert kept[row["id"]].get("popularity") == row["popularity"]


def read(project: CatalogueProject, name: str, data: bytes) -> list[dict[str, Any]]:
    """Return the records of a file, nulls left out."""
    path = project.write_records(name, data)
    read_records(path, project.root / "read.parquet")
    return [
        {k: v for k, v in row.items() if v is not None}
        for row in pq.read_table(project.root / "read.parquet").to_pylist()
    ]


def test_csv_may_have_a_mark_crlf_quotes_empty_lines_and_no_last_line_end(project: CatalogueProject) -> None:
    data = b'\xef\xbb\xbfID,Title ,other\r\n\r\n1,"a ""b"", c\r\nd",x\r\n2,,'
    assert read(project, "r.csv", data) == [
        {"line": 3, "id": "1", "title": 'a "b", c\r\nd', "extra": '{"other":"x"}'},
        {"line": 5, "id": "2"},
    ]
    assert read(project, "r.TSV", b"id\ttitle\n1\ta,b\n") == [{"line": 2, "id": "1", "title": "a,b"}]


def test_json_lines_keep_what_is_not_ours_as_canonical_json(project: CatalogueProject) -> None:
    data = '\ufeff{"id": 7, "z": [1, null], "b": {"y": 1, "x": "é"}, "n": null}\n\n{"path":"p","extra":{"q":1},"a":2.5}'
    assert read(project, "r.jsonl", data.encode()) == [
        {"line": 1, "id": "7", "extra": '{"b":{"x":"é","y":1},"z":[1,null]}'},
        {"line": 3, "path": "p", "extra": '{"a":2.5,"q":1}'},
    ]


def test_tables_keep_dates_bytes_and_nested_columns(project: CatalogueProject) -> None:
    path = project.root / "r.parquet"
    columns = {
        "id": pa.array([12]),
        "date": pa.array([0], pa.date32()),
        "sha256": pa.array([bytes(32)]),
        "seen": pa.array([1], pa.timestamp("ns")),
        "blob": pa.array([b"\xff"]),
        "tags": pa.array([{"b": [1], "a": None}]),
        "price": pa.array(["1.50"]).cast(pa.decimal128(4, 2)),
        "track": pa.array([3.0]),
    }
    pq.write_table(pa.table(columns), path)
    (row,) = read(project, "r.parquet", path.read_bytes())
    extra = '{"blob":"/w==","price":"1.50","seen":"1970-01-01T00:00:00","tags":{"a":null,"b":[1]}}'
    expected = {"line": 1, "id": "12", "date": "1970-01-01", "year": 1970, "sha256": bytes(32), "track": 3}
    assert row == {**expected, "extra": extra}


def sqlite_bytes(*statements: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.sqlite"
        database = sqlite3.connect(path)
        with database:
            for statement in statements:
                database.execute(statement)
        database.close()
        return path.read_bytes()


def parquet_bytes(**columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_sqlite_takes_the_table_or_view_named_records(project: CatalogueProject) -> None:
    data = sqlite_bytes(
        "CREATE TABLE songs (id, t)",
        "INSERT INTO songs VALUES ('x', 'y')",
        "CREATE TABLE other (a)",
        "CREATE VIEW Records AS SELECT id, t AS title FROM songs",
    )
    assert read(project, "r.db", data) == [{"line": 1, "id": "x", "title": "y"}]


def test_the_year_of_a_date_stands_where_no_year_is_given(project: CatalogueProject) -> None:
    project.put_media("sine.flac")
    project.write_records("r.csv", b"id,date\nsine,May 1964\n")
    project.scan()
    assert (project.rows()["sine"]["date"], project.rows()["sine"]["year"]) == ("May 1964", 1964)


def test_no_records_is_a_table_of_none(project: CatalogueProject) -> None:
    assert read(project, "r.jsonl", b"") == []
    assert read(project, "r.csv", b"id\n") == []
    assert pq.read_schema(project.root / "read.parquet").names == RECORDS.names


MIB = 1 << 20
BAD: list[tuple[str, bytes | Callable[[], bytes], str]] = [
    ("r.csv", b"", "r.csv: the file is empty; name the columns in the first line"),
    (
        "r.csv",
        b"title;id\na;b\n",
        'r.csv:1: there is neither a column "id" nor a column "path"; '
        "name the columns in the first line, separated by commas (.csv) or tabs (.tsv)",
    ),
    ("r.csv", b"id,,x\na,b,c\n", "r.csv:1: a column has no name; name it, or remove it"),
    ("r.csv", b"id,Title,title\na,b,c\n", 'r.csv:1: column "Title" exists twice, as "title" too; keep one of them'),
    (
        "r.csv",
        b"id,licence,license\na,,\n",
        'r.csv:1: column "licence" exists twice, as "license" too; keep one of them',
    ),
    (
        "r.csv",
        b"id,title\na,b\nc,d,e\n",
        "r.csv:3: 3 values, but the header names 2 columns; quote values that contain the separator",
    ),
    (
        "r.csv",
        b'id,title\na,"b\nc,d\n',
        'r.csv:2: a quote is not closed; close it; write a quote inside a value as ""',
    ),
    (
        "r.csv",
        b'id,title\na,"b"c\n',
        "r.csv:2: the line is not CSV (',' expected after '\"'); "
        "quote values that contain quotes, separators or line ends",
    ),
    (
        "r.csv",
        b"id,title\na," + b"x" * 200_000 + b"\n",
        "r.csv:2: a value has more than 131,072 characters, or a quote is not closed; fix the line",
    ),
    ("r.csv", b"id\na\n" + b"x" * (MIB + 1), "r.csv:3: the line has more than 1,048,576 bytes; shorten it or split it"),
    ("r.csv", b"id,title\na,ab\xff\n", "r.csv:2: byte 5 of the line is not UTF-8; save the file as UTF-8"),
    (
        "r.csv",
        b"id,track\na,3/12\n",
        'r.csv:2: track "3/12" is not a whole number from 0 to 2,147,483,647; write digits only, or leave it empty',
    ),
    (
        "r.csv",
        b"id,year\na,12024\n",
        'r.csv:2: year "12024" is not a whole number from 0 to 9,999; write digits only, or leave it empty',
    ),
    (
        "r.csv",
        b"id,popularity\na,nan\n",
        'r.csv:2: popularity "nan" is not a number; write it as "12.5", or leave it empty',
    ),
    (
        "r.csv",
        b"id,popularity\na,1e999\n",
        'r.csv:2: popularity "1e999" is not a number; write it as "12.5", or leave it empty',
    ),
    (
        "r.csv",
        b"id,duration\na,-1\n",
        'r.csv:2: duration "-1" is not a number of seconds; write 12.5, or leave it empty',
    ),
    (
        "r.csv",
        b"id,duration\na,3:20\n",
        'r.csv:2: duration "3:20" is not a number of seconds; write 12.5, or leave it empty',
    ),
    ("r.csv", b"id,sha256\na,12ab\n", 'r.csv:2: sha256 "12ab" is not a SHA-256; write its 64 hex digits'),
    (
        "r.csv",
        b"id,kind\na,sound\n",
        'r.csv:2: kind "sound" is not a kind; write audio, artwork, metadata or other',
    ),
    (
        "r.csv",
        b"path\n/srv/a.flac\n",
        'r.csv:2: path "/srv/a.flac" is an absolute path; write the path below the source folder: "folder/name.flac"',
    ),
    (
        "r.csv",
        b"path\na/../../b.flac\n",
        'r.csv:2: path "a/../../b.flac" has an empty, "." or ".." part; '
        'write the path below the source folder: "folder/name.flac"',
    ),
    ("r.csv", b"id,path,title\n,,x\n", "r.csv:2: the record has neither an id nor a path; add one of them"),
    (
        "r.csv",
        b"id,extra\na,[1]\n",
        'r.csv:2: extra "[1]" is not a JSON object; write {"name": "value"}, or leave it empty',
    ),
    ("r.csv", b"id,extra\na,{\n", 'r.csv:2: extra "{" is not JSON; write {"name": "value"}, or leave it empty'),
    (
        "r.csv",
        b'id,extra,q\na,"{""q"":1}",2\n',
        'r.csv:2: "q" is both a key of extra and a column; keep one of them',
    ),
    (
        "r.jsonl",
        b'{"id":"a"}\n[1]\n',
        "r.jsonl:2: the line is not a JSON object (Expected `object`, got `array`); write one object per line",
    ),
    (
        "r.jsonl",
        b'{"id":NaN}\n',
        "r.jsonl:1: the line is not a JSON object (JSON is malformed: "
        "invalid character (byte 6));"
        " write one object per line",
    ),
    (
        "r.jsonl",
        b'{"id":"a"',
        "r.jsonl:1: the line is not a JSON object (Input data was truncated); write one object per line",
    ),
    (
        "r.jsonl",
        b'{"id":"a","a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "r.jsonl:1: the line is not a JSON object "
        "(maximum recursion depth exceeded while deserializing an object); write one object per line",
    ),
    (
        "r.jsonl",
        b'{"id":"a\\tb"}\n',
        r'r.jsonl:1: id "a\x09b" has a control character, such as a tab or a line break; remove it from the id',
    ),
    (
        "r.csv",
        b'id,title\n"a\nb",x\n',
        r'r.csv:2: id "a\x0ab" has a control character, such as a tab or a line break; remove it from the id',
    ),
    (
        "r.csv",
        "id,title\na\u0085b,x\n".encode(),
        r'r.csv:2: id "a\x85b" has a control character, such as a tab or a line break; remove it from the id',
    ),
    ("r.jsonl", b'{"id":true}\n', 'r.jsonl:1: id "True" is not text; write it as text'),
    ("r.jsonl", b'{"id":"a","title":["b"]}\n', "r.jsonl:1: title of type list is not text; write it as text"),
    ("r.jsonl", b'{"title":"b"}\n', "r.jsonl:1: the record has neither an id nor a path; add one of them"),
    (
        "r.parquet",
        lambda: parquet_bytes(id=pa.array(["a", "b"]), popularity=pa.array([1.0, float("inf")])),
        'r.parquet: row 2: popularity "inf" is not a number; write it as "12.5", or leave it empty',
    ),
    (
        "r.parquet",
        lambda: parquet_bytes(id=pa.array(["a"]), score=pa.array([float("nan")])),
        "r.parquet: row 1: JSON cannot represent a value of an extra column (NaN, or text that is not UTF-8); "
        "correct it",
    ),
    (
        "r.parquet",
        lambda: parquet_bytes(title=pa.array(["a"])),
        'r.parquet: there is neither a column "id" nor a column "path"; rename the key column',
    ),
    (
        "r.parquet",
        lambda: parquet_bytes(id=pa.array([b"a\xff"])),
        "r.parquet: row 1: id of type bytes is not text; write it as text",
    ),
    (
        "r.sqlite",
        b"SQLite format 4\0" + struct.pack("100x"),
        "r.sqlite: not a readable SQLite database (file is not a database)",
    ),
    ("r.sqlite", b"", 'r.sqlite: the database contains no table; name the table of the records "records"'),
    (
        "r.sqlite",
        lambda: sqlite_bytes("CREATE TABLE a (id)", "CREATE TABLE b (id)"),
        'r.sqlite: 2 tables, but none is named "records"; name the table of the records "records"',
    ),
    (
        "r.sqlite",
        lambda: sqlite_bytes("CREATE TABLE a (id, title)", "INSERT INTO a VALUES (1, CAST(X'61ff' AS TEXT))"),
        r'r.sqlite: row 1: title "a\xff" is not UTF-8; write it as UTF-8',
    ),
    (
        "r.xlsx",
        b"PK",
        'r.xlsx: ".xlsx" is not a supported extension of a records file; '
        "name it .csv, .tsv, .jsonl, .ndjson, .parquet, .sqlite, .sqlite3 or .db",
    ),
]


@pytest.mark.parametrize(("name", "data", "sentence"), BAD)
def test_bad_records_are_refused_in_a_sentence(
    project: CatalogueProject, name: str, data: bytes | Callable[[], bytes], sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        read(project, name, data() if callable(data) else data)
    assert str(refused.value) == sentence


def test_a_records_file_that_is_missing_or_no_parquet_is_named(project: CatalogueProject) -> None:
    with pytest.raises(InputError, match=r"r\.csv: no such file; correct records\.files in packager\.toml"):
        read_records(project.root / "r.csv", project.root / "read.parquet")
    with pytest.raises(InputError, match=r"r\.parquet: not a readable Parquet file"):
        read(project, "r.parquet", b"PAR1 no")


@settings(max_examples=60)
@given(data=st.binary(max_size=60) | st.text('id,path"\n\\{}[]:1\t', max_size=40).map(str.encode), name=st.sampled_from(
    ["r.csv", "r.tsv", "r.jsonl", "r.sqlite", "r.parquet"]))  # fmt: skip
@example(data=b'""\x00', name="r.tsv")  # whose error tells of a tab
def test_hostile_bytes_never_escape_as_anything_but_our_error(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = CatalogueProject(Path(folder))
        sentences: list[str] = []
        for head in (b"", b"id\n"):
            try:
                read(project, name, head + data)
            except InputError as error:
                sentences.append(str(error))
        assert all(sentence.isprintable() for sentence in sentences)
