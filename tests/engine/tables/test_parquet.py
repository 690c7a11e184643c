"""Tables: the same rows give the same bytes, any rows are found again, and SQL sees only what it is given."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.tables import parquet, sql
from packager.errors import IncompleteError, InputError

Mount = Callable[[str], Path]
SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), ("size", pa.int64()), ("sha256", pa.binary(32))])


def rows(count: int, first: int = 0) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"id": f"é{n}", "size": None if n % 3 else n, "sha256": bytes([n % 256]) * 32 if n % 2 else None}
            for n in range(first, first + count)
        ],
        SCHEMA,
    )


def cut(table: pa.Table, cuts: list[int]) -> list[pa.RecordBatch]:
    """Return a table's rows as batches that end at the cuts."""
    bounds = [0, *sorted(min(at, table.num_rows) for at in cuts), table.num_rows]
    batches = []
    for start, stop in pairwise(bounds):
        batches += table.slice(start, stop - start).to_batches() or [pa.RecordBatch.from_pylist([], SCHEMA)]
    return batches


@settings(max_examples=25)
@given(st.integers(0, 60), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 20))
def test_the_bytes_do_not_hang_on_how_the_rows_come(
    tmp_path_factory: pytest.TempPathFactory, count: int, cuts: list[int], group_rows: int
) -> None:
    folder, table = tmp_path_factory.mktemp("tables"), rows(count)
    assert parquet.write_rows(folder / "a", SCHEMA, cut(table, []), group_rows=group_rows) == count
    assert parquet.write_rows(folder / "b", SCHEMA, cut(table, cuts), group_rows=group_rows) == count
    fresh = pa.Table.from_pylist(table.to_pylist(), SCHEMA).to_batches()
    parquet.write_rows(folder / "c", SCHEMA, fresh, group_rows=group_rows)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes() == (folder / "c").read_bytes()
    groups = pq.ParquetFile(folder / "b").metadata
    sizes = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sizes == [group_rows] * (count // group_rows) + [count % group_rows] * bool(count % group_rows)
    assert parquet.count_rows(folder / "b") == count
    assert pa.Table.from_batches(parquet.read_batches(folder / "b", SCHEMA), SCHEMA).equals(table)


@settings(max_examples=60)
@given(st.integers(0, 45), st.integers(0, 45))
def test_any_rows_are_found_across_row_groups(tmp_path_factory: pytest.TempPathFactory, first: int, count: int) -> None:
    path = tmp_path_factory.getbasetemp() / "found.parquet"
    if not path.exists():
        parquet.write_rows(path, SCHEMA, rows(40).to_batches(), group_rows=7)
    assert parquet.read_rows(path, first, count, SCHEMA).equals(rows(40).slice(first, count).combine_chunks())


def test_columns_are_read_in_the_schema_s_order_and_others_are_let_be(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    more = rows(5).append_column("more", pa.array(range(5))).select(["more", "sha256", "size", "id"])
    pq.write_table(more, path)
    assert parquet.read_rows(path, 1, 3, SCHEMA).equals(rows(5).slice(1, 3).combine_chunks())
    assert parquet.read_rows(path, 1, 3).column_names == ["more", "sha256", "size", "id"]
    assert [batch.schema.names for batch in parquet.read_batches(path, SCHEMA, ["id"])] == [["id"]]


def test_a_stopped_write_leaves_the_old_table(tmp_path: Path) -> None:
    def stopping() -> Iterator[pa.RecordBatch]:
        yield from rows(10).to_batches()
        raise ZeroDivisionError

    path = tmp_path / "a.parquet"
    parquet.write_rows(path, SCHEMA, rows(3).to_batches())
    with pytest.raises(ZeroDivisionError):
        parquet.write_rows(path, SCHEMA, stopping(), group_rows=4)
    assert parquet.count_rows(path) == 3
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_a_full_disk_is_told_in_one_sentence(mount: Mount) -> None:
    path = mount("tmpfs") / "a.parquet"
    noise = pa.schema([("noise", pa.binary())])
    batches = (pa.record_batch([pa.array([random.Random(n).randbytes(1 << 20)])], noise) for n in range(5))
    with pytest.raises(IncompleteError) as error:
        parquet.write_rows(path, noise, batches, group_rows=1)
    assert str(error.value).startswith(f"{path}: No space left on device; at least ")
    assert os.listdir(path.parent) == []


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small Parquet file of several row groups."""
    path = tmp_path / "a.parquet"
    parquet.write_rows(path, SCHEMA, rows(50).to_batches(), group_rows=20)
    return path


def read_in_every_way(path: Path) -> None:
    """Open a table and read all of it twice."""
    parquet.count_rows(path)
    list(parquet.read_batches(path, SCHEMA))
    parquet.read_rows(path, 0, 50, SCHEMA)


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1PAR1", b"not parquet" * 10, b"PAR1" + b"\xff" * 40 + b"PAR1"], ids=repr
)
def test_what_is_no_parquet_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        parquet.open_table(path, SCHEMA)
    assert str(error.value).startswith(f"{path}: not a readable Parquet file (")
    assert "\n" not in str(error.value)


def test_a_truncated_table_is_refused(table: Path) -> None:
    data = table.read_bytes()
    for length in [0, 3, 8, len(data) // 2, len(data) - 9, len(data) - 8, len(data) - 4, len(data) - 1]:
        table.write_bytes(data[:length])
        with pytest.raises(InputError, match="not a readable Parquet file"):
            read_in_every_way(table)


@pytest.mark.parametrize("length", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_wrong_footer_length_is_refused(table: Path, length: int) -> None:
    data = table.read_bytes()
    table.write_bytes(data[:-8] + length.to_bytes(4, "little") + data[-4:])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_in_every_way(table)


def test_a_table_with_changed_bytes_is_read_or_refused_and_nothing_else(table: Path) -> None:
    data, chance = table.read_bytes(), random.Random(20261121)
    sentences = []
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.choice([1, 1, 3, 10])):
            broken[chance.randrange(len(data))] = chance.randrange(256)
        table.write_bytes(broken)
        try:
            read_in_every_way(table)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) > 50
    assert all(sentence.startswith(f"{table}: ") and "\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"size": pa.array([1]), "sha256": pa.array([bytes(32)], pa.binary(32))},
            'column "id" of type string is missing',
        ),
        (
            {"id": ["a"], "size": pa.array(["1"]), "sha256": pa.array([bytes(32)], pa.binary(32))},
            'column "size" of type int64 is missing',
        ),
        (
            {"id": ["a"], "size": pa.array([1]), "sha256": pa.array([bytes(31)], pa.binary(31))},
            'column "sha256" of type fixed_size_binary[32] is missing',
        ),
    ],
)
def test_a_table_without_a_column_or_of_another_type_is_refused(
    tmp_path: Path, columns: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    for read in (lambda: parquet.open_table(path, SCHEMA), lambda: read_in_every_way(path)):
        with pytest.raises(InputError) as error:
            read()
        assert str(error.value) == f"{path}: {sentence}"


def test_a_null_where_none_may_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    loose = pa.schema([field.with_nullable(True) for field in SCHEMA])
    pq.write_table(pa.Table.from_pylist([{"id": None, "size": 1}], loose), path)
    with pytest.raises(InputError, match="Casting field 'id' with null values to non-nullable"):
        parquet.read_rows(path, 0, 1, SCHEMA)


def test_a_table_that_is_not_there_or_a_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="No such file or directory"):
        parquet.open_table(tmp_path / "none.parquet")
    with pytest.raises((InputError, IncompleteError)) as error:
        parquet.open_table(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ")


@pytest.fixture
def database(table: Path, tmp_path: Path) -> Iterator[sql.Database]:
    """A database that may read the files of state/, of which one is a copy of the table, and nothing else."""
    state, other = tmp_path / "state", tmp_path / "state-2"  # whose path begins alike
    for folder in (state, other):
        folder.mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    for folder in (tmp_path, other):
        pq.write_table(rows(1), folder / "other.parquet")
    (state / "link.parquet").symlink_to(tmp_path / "other.parquet")
    shutil.copy(table, state)
    with sql.open_database(state, tmp_path / "spill") as database:
        yield database


def test_sql_reads_a_table_of_its_folder_in_batches(tmp_path: Path, database: sql.Database) -> None:
    query = f"SELECT size, id, sha256 FROM read_parquet({sql.quoted(f'{tmp_path}/state/a.parquet')}) ORDER BY id DESC"
    found = pa.Table.from_batches(sql.run_batches(database, query, SCHEMA), SCHEMA)
    assert found.equals(rows(50).sort_by([("id", "descending")]))


FORBIDDEN = [
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/*')",
    "SELECT * FROM read_parquet('{folder}/other.parquet')",
    "SELECT * FROM read_parquet('{folder}/*.parquet')",
    "SELECT * FROM read_parquet('{folder}/state/../other.parquet')",
    "SELECT * FROM read_parquet('{folder}/state/link.parquet')",
    "SELECT * FROM read_parquet('{folder}/state-2/other.parquet')",
    "SELECT * FROM read_parquet('{folder}/state*/other.parquet')",
    "SELECT * FROM read_parquet('{folder}/state')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "ATTACH '{folder}/new.db'",
    "ATTACH '{folder}/new.db' AS more (READ_ONLY)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/secret.csv'",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/a.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{folder}/out'",
    "SET enable_external_access = true",
    "SET allowed_paths = ['{folder}/secret.csv']",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "SET memory_limit = '1TB'",
    "SET temp_directory = '{folder}/elsewhere'",
    "RESET enable_external_access",
    "PRAGMA enable_external_access",
    "SELECT getenv('HOME')",
]


@pytest.mark.parametrize("query", FORBIDDEN)
def test_sql_is_refused_all_else(tmp_path: Path, table: Path, database: sql.Database, query: str) -> None:
    before, data = sorted(os.listdir(tmp_path)), table.read_bytes()
    with pytest.raises(sql.SqlError):
        database.execute(query.format(folder=tmp_path)).fetchall()
    assert sorted(os.listdir(tmp_path)) == before
    assert table.read_bytes() == data


def test_what_one_caller_makes_another_does_not_see(tmp_path: Path) -> None:
    with sql.open_database(tmp_path) as first, sql.open_database(tmp_path) as second:
        first.execute("CREATE TEMP TABLE mine AS SELECT 1")
        first.register("registered", rows(1))
        for name in ("mine", "registered"):
            with pytest.raises(sql.SqlError, match="does not exist"):
                second.execute(f"FROM {name}")
        assert second.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_table_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for count in (3, 4, 5):
        parquet.write_rows(path, SCHEMA, rows(count).to_batches())
        os.utime(path, ns=(0, 0))  # as another that was written in the same tick of the clock
        with sql.open_database(tmp_path) as database:
            assert sql.count_rows(database, sql.parquet(path)) == count


def test_names_in_sql_are_quoted() -> None:
    assert sql.quoted("a'b\\c\"") == "'a''b\\c\"'"


@pytest.mark.parametrize("name", ["it's.parquet", "a*b.parquet", "a[b].parquet", "a,b.parquet", "é?.parquet"])
def test_a_table_of_an_odd_name_is_read_and_only_that(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    parquet.write_rows(path, SCHEMA, rows(3).to_batches())
    with sql.open_database(tmp_path, tmp_path / "spill's") as database:
        count = database.execute(f"SELECT count(*) FROM read_parquet({sql.quoted(str(path))})").fetchall()
    assert count == [(3,)]


def test_the_result_is_the_same_on_one_thread_and_on_two(table: Path, tmp_path: Path) -> None:
    found = []
    for threads in (1, 2):
        with sql.open_database(tmp_path, threads=threads) as database:
            assert database.execute("SELECT current_setting('threads')").fetchall() == [(threads,)]
            query = f"SELECT * FROM read_parquet({sql.quoted(str(table))}) ORDER BY size, id"
            found.append(pa.Table.from_batches(sql.run_batches(database, query, SCHEMA), SCHEMA))
    assert found[0].equals(found[1])
