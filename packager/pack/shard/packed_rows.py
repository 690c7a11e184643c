"""Rows of a table as bytes that travel: an Arrow stream in one zstd frame.

One frame, so that a column that repeats another, as a member's name does its path, costs little.
"""

import pyarrow as pa

_LEVEL = 3


def compress_rows(rows: pa.Table) -> tuple[int, bytes]:
    """Return the size of the rows' Arrow stream in bytes, and the stream, compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    plain = sink.getvalue()
    return plain.size, pa.Codec("zstd", _LEVEL).compress(plain, asbytes=True)


def decompress_rows(rows: tuple[int, bytes]) -> pa.Table:
    """Return what was packed."""
    size, data = rows
    plain = pa.Codec("zstd", _LEVEL).decompress(data, decompressed_size=size)
    return pa.ipc.open_stream(plain).read_all()
