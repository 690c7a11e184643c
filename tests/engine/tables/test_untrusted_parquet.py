"""untrusted_parquet.py: a good table is read as it is; what only says it is large is refused before it is unpacked."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packager.engine.tables import parquet, untrusted_parquet
from packager.errors import InputError

SCHEMA = pa.schema([pa.field("path", pa.string(), nullable=False), ("size", pa.int64()), ("title", pa.string())])


def good(rows: int) -> pa.Table:
    columns = [
        [f"{row}.flac" for row in range(rows)],
        [row if row % 3 else None for row in range(rows)],
        [("É" * (row % 5)) if row % 7 else None for row in range(rows)],
    ]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


@pytest.mark.parametrize("rows", [0, 1, 8192, 20_000])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_table_reads_back(rows: int, dictionary: bool, tmp_path: Path) -> None:
    pq.write_table(good(rows), tmp_path / "x", compression="zstd", use_dictionary=dictionary, row_group_size=9000)
    assert untrusted_parquet.count_untrusted_rows(tmp_path / "x", SCHEMA) == rows
    assert untrusted_parquet.read_untrusted_table(tmp_path / "x", SCHEMA).equals(good(rows).combine_chunks())
    assert all(
        batch.num_rows <= untrusted_parquet.BATCH_ROWS
        for batch in untrusted_parquet.read_untrusted_batches(tmp_path / "x", SCHEMA)
    )


def test_our_own_tables_are_within_the_limits(tmp_path: Path) -> None:
    parquet.write_rows(tmp_path / "x", SCHEMA, good(20_000).to_batches())
    assert untrusted_parquet.read_untrusted_table(tmp_path / "x", SCHEMA).num_rows == 20_000


def test_columns_beside_the_schemas_are_passed_over_in_any_order(tmp_path: Path) -> None:
    more = good(10).append_column("extra", pa.array([["x"]] * 10)).select(["extra", "title", "size", "path"])
    pq.write_table(more, tmp_path / "x")
    assert untrusted_parquet.read_untrusted_table(tmp_path / "x", SCHEMA).equals(good(10))


def test_rows_without_bytes_are_refused_by_the_footer_alone(tmp_path: Path) -> None:
    """Ten million rows of one path: some kilobytes of run lengths."""
    path = pa.DictionaryArray.from_arrays(pa.array(bytes(10_000_000), pa.int8()), pa.array([""])).cast(pa.string())
    nothing = pa.nulls(len(path), pa.int64())
    pq.write_table(pa.table([path, nothing, nothing.cast(pa.string())], schema=SCHEMA), tmp_path / "x")
    assert (tmp_path / "x").stat().st_size < 100_000
    with pytest.raises(InputError, match="says it has 10000000 rows, and their paths would fit in"):
        untrusted_parquet.count_untrusted_rows(tmp_path / "x", SCHEMA)


@pytest.mark.parametrize("rows", [100, 100_000])
def test_a_text_in_every_row_is_counted_in_every_row(rows: int, tmp_path: Path) -> None:
    title = pa.array(["A" * (130_000_000 // rows)] * rows)
    pq.write_table(good(rows).set_column(2, SCHEMA.field("title"), title), tmp_path / "x", compression="zstd")
    size = (tmp_path / "x").stat().st_size
    if untrusted_parquet.ROOM + untrusted_parquet.RATIO * size < 130_000_000:
        with pytest.raises(InputError, match="its rows unpack to more than the"):
            untrusted_parquet.read_untrusted_table(tmp_path / "x", SCHEMA)
    else:
        assert untrusted_parquet.read_untrusted_table(tmp_path / "x", SCHEMA).num_rows == rows


@pytest.mark.parametrize("group", [100, 1000])
def test_the_bytes_of_all_pages_columns_and_row_groups_are_counted_together(
    group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page, column or row group is over the limit, and their sum is, by one byte."""
    path = tmp_path / "x"
    pq.write_table(
        good(1000), path, row_group_size=group, use_dictionary=False, data_page_size=512, write_batch_size=50
    )
    with parquet.open_table(path, SCHEMA) as file:
        unpacked = untrusted_parquet._check_pages(path, file, SCHEMA, range(file.num_row_groups), 1 << 40)
        chunks = [file.metadata.row_group(at).column(0) for at in range(file.num_row_groups)]
    assert sum(chunk.total_uncompressed_size for chunk in chunks) > unpacked["path"] > 1000  # many pages, all counted
    monkeypatch.setattr(untrusted_parquet, "RATIO", 0)
    monkeypatch.setattr(untrusted_parquet, "ROOM", sum(unpacked.values()))
    assert untrusted_parquet.count_untrusted_rows(path, SCHEMA) == 1000
    monkeypatch.setattr(untrusted_parquet, "ROOM", sum(unpacked.values()) - 1)
    with pytest.raises(InputError, match="unpacks to more than the"):
        untrusted_parquet.count_untrusted_rows(path, SCHEMA)
