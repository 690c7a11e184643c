"""page_header.py: page headers as pyarrow writes them, and no bytes that end in anything but its two errors."""

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.engine.tables.page_header import PageHeader, ShortError, parse_page_header
from packager.errors import InputError


def pages(data: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[PageHeader]:
    at = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    stop = at + chunk.total_compressed_size
    while at < stop:
        page = parse_page_header(data[at:], "x")
        yield page
        at += page.header + page.packed
    assert at == stop


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("packing", ["none", "zstd", "snappy"])
def test_the_pages_add_up_to_what_the_footer_says(version: str, packing: str) -> None:
    table = pa.table({"text": [f"{row}" * 9 for row in range(20_000)], "number": list(range(20_000))})
    held = io.BytesIO()
    pq.write_table(table, held, compression=packing, data_page_version=version, data_page_size=4096)
    data = held.getvalue()
    for chunk in map(pq.ParquetFile(held).metadata.row_group(0).column, range(2)):
        found = list(pages(data, chunk))
        assert len(found) > 5
        assert sum(page.header + page.unpacked for page in found) == chunk.total_uncompressed_size
        assert {page.encoding for page in found} <= {0, 2, 3, 8}


def test_a_header_that_is_cut_is_short_at_every_byte() -> None:
    held = io.BytesIO()
    pq.write_table(pa.table({"text": ["abc"]}), held)
    whole = held.getvalue()[4:]
    header = parse_page_header(whole, "x").header
    for stop in range(header):
        with pytest.raises(ShortError):
            parse_page_header(whole[:stop], "x")


@given(st.binary(max_size=80))
def test_no_bytes_end_in_anything_but_the_two_errors(data: bytes) -> None:
    try:
        page = parse_page_header(data, "x")
    except (ShortError, InputError):
        return
    assert page.packed >= 0
    assert page.unpacked >= 0
