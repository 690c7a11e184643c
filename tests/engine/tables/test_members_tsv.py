"""NAME.members.tsv.zst: the rows of a members table as lines, whole in any zstd, within limits in ours."""

import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given

from packager.check.inspect.inspect import inspect
from packager.core.shards.records_jsonl import record_lines
from packager.engine.tables import jsonl_zst_writer, members_tsv, parquet
from packager.errors import InputError
from packager.model import MEMBERS
from tests.end_to_end.test_growing import release
from tests.helpers.made_up_releases import make_members
from tests.helpers.projects import make_project
from tests.helpers.strategies import members_tables

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE = b"a\ta.txt\t1536\t2\t" + b"0" * 64 + b'\t{"id":"a","path":"a.txt","kind":"other","size":2}\n'


def write(folder: Path, members: pa.Table) -> Path:
    table = folder / "x.members.parquet"
    parquet.write_members(table, MEMBERS, members.to_batches(), members.num_rows)
    return members_tsv.write_members_tsv(table)


def with_places(members: pa.Table) -> pa.Table:
    """Return rows that lack offset and sha256 as a members table."""
    rows = [
        row | {"offset": 512 * at, "sha256": bytes([at % 256]) * 32, "id": f"{at}{CONTROL.sub('', row['id'])}"}
        for at, row in enumerate(members.to_pylist())
    ]
    return pa.Table.from_pylist(rows, MEMBERS)


def test_any_zstd_reads_the_lines_and_the_sixth_field_is_records_jsonl(tmp_path: Path) -> None:
    members = make_members([{"id": f"{at}", "path": f"{at}.flac", "title": f"tab\there {at}"} for at in range(20_000)])
    path = write(tmp_path, members)
    assert path == tmp_path / "x.members.tsv.zst"
    lines = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    assert subprocess.run(["cut", "-f6"], input=lines, check=True, capture_output=True).stdout.decode() == "".join(
        record_lines(members).to_pylist()
    )
    first = lines.split(b"\n", 1)[0].decode().split("\t")
    assert first[:5] == ["0", "0.flac", "512", str(members["size"][0]), members["sha256"][0].as_py().hex()]


def test_the_rows_read_back(tmp_path: Path) -> None:
    members = make_members([{"id": f"{at}", "path": f"ø {at}.flac"} for at in range(20_000)])
    found = pa.Table.from_batches(members_tsv.read_members_tsv(write(tmp_path, members)))
    assert found.drop_columns("line").equals(members.select(members_tsv.ROWS.names[:-1]))
    assert found["line"].to_pylist() == record_lines(members).to_pylist()


@given(members_tables())
def test_any_rows_read_back(tmp_path_factory: pytest.TempPathFactory, members: pa.Table) -> None:
    rows = with_places(members)
    found = pa.Table.from_batches(
        members_tsv.read_members_tsv(write(tmp_path_factory.mktemp("x"), rows)), members_tsv.ROWS
    )
    assert found["id"].to_pylist() == rows["id"].to_pylist()
    assert found["line"].to_pylist() == record_lines(rows).to_pylist()


def test_a_table_without_rows_has_no_lines(tmp_path: Path) -> None:
    path = write(tmp_path, make_members([]))
    assert subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout == b""
    assert list(members_tsv.read_members_tsv(path)) == []


BAD = {
    "five fields": (LINE.replace(b"\t2\t", b"\t"), "line 1 is not id, path, offset"),
    "seven fields": (LINE.replace(b"\t2\t", b"\t2\t2\t"), "line 1 is not id, path, offset"),
    "an empty id": (LINE[1:], "line 1 is not id, path, offset"),
    "a sign": (LINE.replace(b"\t2\t", b"\t-2\t"), "line 1 is not id, path, offset"),
    "a leading zero": (LINE.replace(b"\t2\t", b"\t02\t"), "line 1 is not id, path, offset"),
    "64 bits": (LINE.replace(b"\t2\t", b"\t9223372036854775808\t"), "more than 63 bits"),
    "capitals": (LINE.replace(b"0" * 64, b"A" * 64), "line 1 is not id, path, offset"),
    "a short digest": (LINE.replace(b"0" * 64, b"0" * 63), "line 1 is not id, path, offset"),
    "not UTF-8": (LINE.replace(b"a.txt", b"\xff.txt"), "line 1 is not UTF-8"),
    "an empty line": (LINE + b"\n", "line 2 is not id, path, offset"),
    "no line break at the end": (LINE[:-1], "does not end at the end of a line"),
}


@pytest.mark.parametrize("name", BAD)
def test_lines_of_another_form_are_refused(name: str, tmp_path: Path) -> None:
    data, sentence = BAD[name]
    path = tmp_path / "x.members.tsv.zst"
    jsonl_zst_writer.write_jsonl_zst(path, [data])
    with pytest.raises(InputError, match=sentence):
        list(members_tsv.read_members_tsv(path))
    [fault] = inspect(str(path)).faults
    assert sentence in fault.what


@pytest.mark.parametrize("size", [20 << 20, 1 << 33])
def test_a_file_that_claims_more_than_a_frame_may_have_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.members.tsv.zst"
    if size < 1 << 32:
        path.write_bytes(zstandard.compress(bytes(size)) + jsonl_zst_writer._seek_table([(0, size)]))
    else:
        path.write_bytes(zstandard.compress(LINE))  # no seek table
    with pytest.raises(InputError):
        list(members_tsv.read_members_tsv(path))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (LINE.replace(b'"id":"a"', b'"id":"b"'), "another id, path or size than the line"),
        (LINE.replace(b'"size":2', b'"size":3'), "another id, path or size than the line"),
        (LINE.replace(b'{"id"', b'["id"'), "is not a JSON object"),
        (LINE.replace(b"a.txt", b"../a"), "cannot be the path of a member"),
        (LINE.replace(b'"other"', b'"virus"'), 'kind: "virus" is not one of'),
    ],
)
def test_inspect_says_what_is_wrong_with_the_lines(line: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "x.members.tsv.zst"
    jsonl_zst_writer.write_jsonl_zst(path, [line])
    found = inspect(str(path))
    assert found.kind == "members table"
    assert any(sentence in f"{each.where}: {each.what}" for each in found.faults)


def test_the_lines_of_a_release_follow_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path / "project", files=5)
    release(project, capsys)
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "asked", "--keep-shards").code == 0
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    site = project.root / "site"
    for shard in second["shards"]:
        lines = pa.Table.from_batches(
            members_tsv.read_members_tsv(site / shard["members_tsv"]["path"]), members_tsv.ROWS
        )
        table = parquet.read_rows(path := site / shard["members_table"]["path"], 0, parquet.count_rows(path), MEMBERS)
        assert lines.select(["id", "path", "sha256"]).equals(table.select(["id", "path", "sha256"]))
        assert inspect(str(site / shard["members_tsv"]["path"])).faults == ()
    [old] = [shard for shard in second["shards"] if shard["name"] == "tones-rest-00001"]
    assert (
        b"notes.txt"
        not in zstandard.ZstdDecompressor().stream_reader((site / old["members_tsv"]["path"]).read_bytes()).read()
    )
    assert old["members_tsv"]["path"] in (site / "SHA256SUMS").read_text()


def test_lines_that_the_state_lost_are_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path / "project", files=5)
    first = release(project, capsys)
    for path in (project.root / ".packager").rglob("*.tsv.zst"):
        path.unlink()
    (project.source / "new.txt").write_bytes(b"new")
    second = release(project, capsys)
    kept = {shard["name"]: shard["members_tsv"] for shard in second["shards"]}
    assert {shard["name"]: shard["members_tsv"] for shard in first["shards"]}.items() <= kept.items()
