"""Members tables: the same columns in each, a rule for columns that are unknown or missing, and where a file is now."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from packager.check.repair.find_members import MemberFinder
from packager.cli.app import main
from packager.core.releases.members_table import source_paths, with_current_ids
from packager.engine.tables import parquet, untrusted_parquet
from packager.engine.tables.filter_members import filter_members
from packager.errors import InputError
from packager.model import LATER, MEMBERS, ShardName
from tests.end_to_end.test_growing import release
from tests.helpers.made_up_releases import make_members
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def chain(tmp_path: Path, capsys: Capture) -> Project:
    """Two releases: in the second a published file has a new version, and another was withdrawn."""
    project = make_project(tmp_path / "project", files=5)
    release(project, capsys)
    (project.source / "notes.txt").write_bytes(b"written again\n")
    release(project, capsys)
    return project


def published_tables(project: Project) -> list[Path]:
    return sorted((project.root / "site" / "manifests").glob("*.parquet"))


def test_every_table_of_a_chain_has_the_same_columns(chain: Project) -> None:
    paths = published_tables(chain)
    assert {pq.read_schema(path).remove_metadata() for path in paths} == {MEMBERS}
    together = pyarrow.dataset.dataset([str(path) for path in paths]).to_table()
    marked = duckdb.sql(f"SELECT superseded FROM read_parquet({[str(p) for p in paths]}) WHERE superseded IS NOT NULL")
    assert marked.fetchall() == [("tones-rest-00002",)]
    assert set(together["superseded"].to_pylist()) == {None, "tones-rest-00002"}


def test_times_are_null_unless_the_manifest_says_them(tmp_path: Path, capsys: Capture) -> None:
    for mtimes in ("false", "true"):
        project = make_project(tmp_path / mtimes, files=5)
        project.write_config(collection=f"[records]\nfile_times = {mtimes}")
        release(project, capsys)
        table = pq.read_table(project.root / "site/manifests/tones-rest-00001.members.parquet")
        manifest = json.loads((project.root / "site/manifests/tones-rest-00001.manifest.json").read_text())
        assert manifest.get("mtimes", False) == (mtimes == "true")
        assert table["mtime_ns"].null_count == (0 if manifest.get("mtimes") else table.num_rows)


def more_columns(table: pa.Table) -> pa.Table:
    more = table.append_column("mood", pa.array(["calm"] * table.num_rows))
    return more.append_column("list", pa.array([[1, 2]] * table.num_rows))


def reordered(table: pa.Table) -> pa.Table:
    return table.select(list(reversed(table.column_names)))


CHANGED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "unknown columns": more_columns,
    "no columns of later": lambda table: table.drop_columns(list(LATER)),
    "no title": lambda table: table.drop_columns(["title", "mtime_ns"]),
    "another order": reordered,
}


@pytest.mark.parametrize("name", CHANGED)
def test_unknown_columns_are_ignored_and_missing_ones_are_null(name: str, tmp_path: Path) -> None:
    rows = [{"id": "a", "path": "a.txt", "size": 1}, {"id": "b", "path": "b.txt", "size": 2, "title": "B"}]
    table = make_members(rows)
    path = tmp_path / "x.members.parquet"
    pq.write_table(CHANGED[name](table), path)
    expected = table
    if name == "no title":
        expected = table.set_column(table.column_names.index("title"), "title", pa.nulls(2, pa.string()))
    for read in (untrusted_parquet.read_untrusted_table(path, MEMBERS), parquet.read_rows(path, 0, 2, MEMBERS)):
        assert read.schema == MEMBERS
        assert read.to_pylist() == expected.to_pylist()
    assert (
        untrusted_parquet.read_untrusted_group(path, MEMBERS, 0, path.stat().st_size).to_pylist()
        == expected.to_pylist()
    )


@pytest.mark.parametrize("column", ["id", "path", "offset", "size", "sha256", "kind"])
def test_a_column_that_may_not_be_null_may_not_be_missing(column: str, tmp_path: Path) -> None:
    path = tmp_path / "x.members.parquet"
    pq.write_table(make_members([{"id": "a", "path": "a.txt"}]).drop_columns([column]), path)
    with pytest.raises(InputError, match=f'column "{column}" of type'):
        untrusted_parquet.read_untrusted_table(path, MEMBERS)


def test_a_shard_is_rebuilt_verified_and_extracted_by_a_table_with_other_columns(
    chain: Project, tmp_path: Path, capsys: Capture
) -> None:
    folder = chain.root / "site" / "manifests"
    name = "tones-rest-00001"
    for change in CHANGED.values():
        path = folder / f"{name}.members.parquet"
        kept = path.read_bytes()
        pq.write_table(change(pq.read_table(path)), path)
        manifest = str(folder / f"{name}.manifest.json")
        tar = chain.root / "shards" / f"{name}.tar"
        assert main(["verify", str(tar), "--manifest", manifest]) == 0
        assert main(["extract", str(tar), "--manifest", manifest, "--to", str(tmp_path / "out"), "--overwrite"]) == 0
        assert main(["inspect", str(path)]) == 0
        shutil.copytree(tmp_path / "out", tmp_path / "loose", dirs_exist_ok=True)
        out = tmp_path / "rebuilt.tar"
        if change is not CHANGED["no title"]:  # the title is part of the tar
            told = ["--from", str(tmp_path / "loose"), "--to", str(out)]
            assert main(["rebuild", name, "--manifest", manifest, *told]) == 0, capsys.readouterr().err
            assert out.read_bytes() == tar.read_bytes()
            out.unlink()
        path.write_bytes(kept)


MOVED = [
    {"id": "old/a.txt", "path": "old/a.txt", "size": 1, "current_id": "new/a.txt", "current_path": "new/a.txt"},
    {"id": "b", "path": "b.txt", "size": 2, "current_path": "moved/b.txt"},
    {"id": "new/c.txt", "path": "new/c~1.txt", "source_path": "new/c.txt", "size": 3, "current_path": "../c.txt"},
]


def test_who_looks_for_an_id_or_a_path_finds_the_record_under_what_it_is_called_now() -> None:
    members = with_current_ids(make_members(MOVED))
    assert members.schema == MEMBERS
    assert members["id"].to_pylist() == ["new/a.txt", "b", "new/c.txt"]
    assert filter_members(members, records=["new/a.txt"], paths=[], where=None) == [0]
    with pytest.raises(InputError, match="no file has the id, path or ISRC"):
        filter_members(members, records=["old/b.txt"], paths=[], where=None)
    assert filter_members(members, records=["old/a.txt", "b"], paths=[], where=None) == [0, 1]
    coded = make_members(
        [{"id": "x", "path": "x", "size": 1}, {"id": "y", "path": "y", "isrc": "USS1Z9900001", "size": 1}]
    )
    assert filter_members(coded, records=["us-s1z-99-00001"], paths=[], where=None) == [1]
    assert filter_members(members, records=[], paths=["old/a.txt"], where=None) == [0]
    assert filter_members(members, records=[], paths=["moved/*"], where=None) == [1]


def test_a_file_is_looked_for_where_it_is_now_then_where_it_was_and_never_outside(tmp_path: Path) -> None:
    members = make_members(MOVED)
    assert source_paths(members) == [[b"new/a.txt", b"old/a.txt"], [b"moved/b.txt", b"b.txt"], [b"new/c.txt"]]
    for size, path in enumerate(("new/a.txt", "b.txt", "new/c.txt"), 1):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * size)
    places = MemberFinder(ShardName("x"), members, [tmp_path]).places
    assert places == [str(tmp_path / path).encode() for path in ("new/a.txt", "b.txt", "new/c.txt")]
