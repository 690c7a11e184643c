"""Single rows of a members table on a server: what is read of it, and what is refused."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from packager.engine.published import member_rows
from packager.engine.published.member_rows import TAIL, read_rows
from packager.engine.published.release_reader import ReleaseReader, open_release_reader
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.model import MEMBERS, MTIME
from tests.helpers.http_server import LOOPBACK, Site, serving
from tests.helpers.made_up_releases import make_members

NAME = "manifests/tones-all-00001.members.parquet"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({}) as found:
        yield found


@pytest.fixture
def files(site: Site) -> Iterator[ReleaseReader]:
    with open_release_reader(site.address, seconds=5, allowed=LOOPBACK) as reader:
        yield reader


def table_of(rows: int) -> pa.Table:
    chance = random.Random(rows)
    return make_members([{"id": chance.randbytes(8).hex(), "title": chance.randbytes(20).hex()} for _ in range(rows)])


def write(folder: Path, table: pa.Table, group: int = 2048) -> bytes:
    path = folder / "made.parquet"
    parquet.write_rows(path, table.schema, table.to_batches(), group_rows=group, statistics=False)
    return path.read_bytes()


@pytest.mark.parametrize(("rows", "group", "requests"), [(50, 2048, 1), (20_000, 2048, 2), (20_000, 256, 3)])
def test_a_row_costs_the_tables_end_and_its_row_group(tmp_path: Path, rows: int, group: int, requests: int) -> None:
    table, row = table_of(rows), rows // 3
    with (
        serving({NAME: write(tmp_path, table, group)}) as site,
        open_release_reader(site.address, seconds=5, allowed=LOOPBACK) as files,
    ):
        found = read_rows(files, NAME, [row], tmp_path)
        assert (site.requests, site.sent) == (files.cost.requests, files.cost.received)
    assert found.select(MEMBERS.names).to_pylist() == table.slice(row, 1).to_pylist()
    assert found[MTIME.name].to_pylist() == [None]
    assert files.cost.requests == requests
    assert list(tmp_path.iterdir()) == [tmp_path / "made.parquet"]


def test_rows_come_in_the_order_asked_for_each_group_read_once(
    site: Site, files: ReleaseReader, tmp_path: Path
) -> None:
    table = table_of(10_000)
    times = table.set_column(MEMBERS.names.index(MTIME.name), MTIME, pa.array(range(10_000), pa.int64()))
    site.files[NAME] = write(tmp_path, times, 1024)
    wanted = [4000, 1, 4001, 0, 4000]
    found = read_rows(files, NAME, wanted, tmp_path)
    assert found["id"].to_pylist() == [table["id"][row].as_py() for row in wanted]
    assert found[MTIME.name].to_pylist() == wanted
    assert files.cost.requests == 3


def test_a_folder_gives_the_same_row(tmp_path: Path) -> None:
    table = table_of(3000)
    (tmp_path / "manifests").mkdir()
    (tmp_path / NAME).write_bytes(write(tmp_path, table, 1024))
    with open_release_reader(str(tmp_path)) as files:
        assert read_rows(files, NAME, [2999], tmp_path)["id"].to_pylist() == table["id"].to_pylist()[-1:]


def test_a_server_that_ignores_ranges_gives_small_tables_alone(
    site: Site, files: ReleaseReader, tmp_path: Path
) -> None:
    site.fault = "ignores range"
    table = table_of(50)
    site.files[NAME] = write(tmp_path, table)
    assert read_rows(files, NAME, [7], tmp_path)["id"].to_pylist() == [table["id"][7].as_py()]
    site.files[NAME] = bytes(2 << 20)
    with pytest.raises(InputError, match="sends more than 1 MiB"):
        read_rows(files, NAME, [7], tmp_path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data[:-1], "not a members table"),
        (lambda _: b"", "answers 416|not a members table"),
        (lambda data: data[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1", "larger than any that is read"),
        (lambda data: data[:-8] + (9).to_bytes(4, "little") + b"PAR1", "not a readable Parquet file"),
        (lambda data: data[:4] + data[-(TAIL // 2) :], "row"),
        (lambda data: data[:20] + bytes(len(data) - 9000) + data[-(len(data) - (len(data) - 8980)) :], "."),
        (lambda _: b"<html>not found</html>" * 100, "not a members table"),
    ],
)
def test_a_broken_table_is_refused(site: Site, files: ReleaseReader, tmp_path: Path, change: object, what: str) -> None:
    assert callable(change)
    site.files[NAME] = change(write(tmp_path, table_of(20_000)))
    with pytest.raises(InputError, match=what) as raised:
        read_rows(files, NAME, [7], tmp_path)
    assert str(tmp_path) not in str(raised.value)


def test_a_row_that_is_not_there_is_told(site: Site, files: ReleaseReader, tmp_path: Path) -> None:
    site.files[NAME] = write(tmp_path, table_of(50))
    with pytest.raises(InputError, match="has 50 rows, and row 50"):
        read_rows(files, NAME, [50], tmp_path)


def test_a_row_group_too_large_to_fetch_for_one_row_is_refused(
    site: Site, files: ReleaseReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_rows, "GROUP_MOST", 100_000)
    site.files[NAME] = write(tmp_path, table_of(20_000), 20_000)
    with pytest.raises(InputError, match="would have to be read for one row"):
        read_rows(files, NAME, [7], tmp_path)
    assert files.cost.requests == 1


def test_a_table_without_our_columns_is_refused(site: Site, files: ReleaseReader, tmp_path: Path) -> None:
    site.files[NAME] = write(tmp_path, pa.table({"id": ["a"]}))
    with pytest.raises(InputError, match='column "path" of type string is missing'):
        read_rows(files, NAME, [0], tmp_path)


def test_a_path_that_leads_out_of_the_release_is_never_asked_for(files: ReleaseReader, site: Site) -> None:
    for path in ("../x", "/etc/passwd", "a//b", "http://elsewhere/"):
        with pytest.raises(InputError, match="cannot be a file of a release"):
            files.read(path, 10)
    assert site.requests == 0
