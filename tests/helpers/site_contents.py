"""Every byte that a site tells, for tests that look for what must not be there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def told(site: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file of a site by its path, as it lies and, where it is compressed, as it unpacks."""
    for path in sorted(site.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(site).as_posix()
        yield name, path.read_bytes()
        if name.endswith(".parquet"):
            yield name, repr(pq.read_table(path).to_pylist()).encode()
        if name.endswith(".zst"):
            yield name, zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()


def told_by_tar(tar: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file of a shard, unpacked into `folder`, likewise; and the tar itself."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "xf", tar, "-C", folder], check=True)
    yield tar.name, tar.read_bytes()
    for name, data in told(folder / tar.stem):
        yield f"{tar.stem}/{name}", data


def rows(table: Path) -> list[dict[str, object]]:
    found: pa.Table = pq.read_table(table)
    return list(found.to_pylist())
