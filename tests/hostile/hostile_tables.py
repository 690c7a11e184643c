"""Members tables with one fault each, and the published documents of a shard that do not fit each other."""

import io
from collections.abc import Callable
from typing import Any

import hostile_documents
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from packager.model import MEMBERS

NAME = "example-texts-00001"
GOLDEN = hostile_documents.GOLDEN
TABLE = pq.read_table(GOLDEN / f"{NAME}.members.parquet").cast(MEMBERS)
TORRENT = (GOLDEN / f"{NAME}.torrent").read_bytes()


def parquet(table: pa.Table, **options: Any) -> bytes:
    held = io.BytesIO()
    plain = {"write_statistics": False, "store_schema": False}  # smaller to keep
    pq.write_table(table, held, compression="zstd", **(plain | options))
    return held.getvalue()


def with_column(name: str, values: Any, table: pa.Table = TABLE) -> pa.Table:
    index = table.schema.get_field_index(name)
    column = values if isinstance(values, pa.Array) else pa.array(values, table.schema.field(name).type)
    return table.set_column(index, pa.field(name, column.type), column)


def changed(name: str, row: int, value: Any) -> pa.Table:
    values = TABLE[name].to_pylist()
    values[row] = value
    return with_column(name, values)


def rows(count: int, **columns: Any) -> pa.Table:
    """A table of `count` members, right but for `columns`."""
    made = {
        "id": [f"{at}" for at in range(count)],
        "path": [f"{at}.txt" for at in range(count)],
        "offset": [512 * (2 * at + 1) for at in range(count)],
        "size": [1] * count,
        "sha256": [bytes(32)] * count,
        "kind": ["other"] * count,
    } | columns
    arrays = [pa.array(made.get(field.name, [None] * count), field.type) for field in MEMBERS]
    return pa.table(arrays, names=MEMBERS.names)


def not_utf8() -> pa.Array:
    return pa.array([b"\xff\xfe%d" % at for at in range(TABLE.num_rows)], pa.binary()).view(pa.string())


def lying(data: bytes, claim: int, start: int = 8) -> bytes:
    """A Parquet file whose last eight bytes say that its footer has `claim` bytes."""
    return data[:-start] + claim.to_bytes(4, "little") + b"PAR1"


GOOD = parquet(TABLE)
TABLES: dict[str, Callable[[], bytes]] = {
    "cell-empty": lambda: parquet(with_column("size", [None] * TABLE.num_rows)),
    "column-missing": lambda: parquet(TABLE.drop(["offset"])),
    "column-of-another-type": lambda: parquet(
        with_column("size", pc.cast(TABLE["size"], pa.string()).combine_chunks())
    ),
    "cut-short": lambda: GOOD[:3000],
    "dictionary-bomb": lambda: parquet(rows(60, title=["A" * (4 << 20)] * 60)),
    "footer-length-beyond-the-file": lambda: lying(GOOD, 0x7FFFFFFF),
    "footer-length-too-short": lambda: lying(GOOD, 5),
    "id-doubled": lambda: parquet(changed("id", 1, TABLE["id"][0].as_py())),
    "kind-unknown": lambda: parquet(changed("kind", 0, "executable")),
    "not-utf8": lambda: parquet(with_column("path", not_utf8())),
    "offset-inside-another-member": lambda: parquet(changed("offset", 1, TABLE["offset"][0].as_py() + 512)),
    "offset-negative": lambda: parquet(changed("offset", 0, -512)),
    "page-header-is-junk": lambda: GOOD[:4] + b"\xff" * 64 + GOOD[68:],
    "path-absolute": lambda: parquet(changed("path", 0, "/etc/passwd")),
    "path-climbs": lambda: parquet(changed("path", 0, "../../x")),
    "path-doubled": lambda: parquet(changed("path", 1, TABLE["path"][0].as_py())),
    "path-empty": lambda: parquet(changed("path", 0, "")),
    "path-with-nul": lambda: parquet(changed("path", 0, "a\0b")),
    "paths-case-twins": lambda: parquet(changed("path", 1, TABLE["path"][0].as_py().upper())),
    "prefix-encoding-bomb": lambda: parquet(
        rows(100, title=["A" * (1 << 20)] * 100), use_dictionary=False, column_encoding={"title": "DELTA_BYTE_ARRAY"}
    ),
    "size-negative": lambda: parquet(changed("size", 0, -1)),
    "string-of-100-mib": lambda: parquet(rows(1, title=["A" * (100 << 20)]), use_dictionary=False),
}


def published(table: bytes = GOOD, torrent: bytes = TORRENT, **changes: Any) -> dict[str, bytes]:
    """A shard's documents as they lie beside one another."""
    return {
        f"{NAME}.manifest.json": hostile_documents.manifest(**changes),
        f"{NAME}.members.parquet": table,
        f"{NAME}.torrent": torrent,
    }


def wrapping() -> bytes:
    """Sixty members whose sizes add up, in 64 bits, to the payload that was published."""
    return parquet(rows(60, size=[19861] + [0] * 27 + [1 << 59] * 32))


PUBLISHED: dict[str, Callable[[], dict[str, bytes]]] = {
    "bag-info-of-another-length": lambda: published(bag_info="Payload-Oxum: 19861.6\n" * 50),
    "infohash-of-another-torrent": lambda: published(infohash_v1="ab" * 20),
    "manifest-counts-2-billion": lambda: published(members=1 << 31),
    "manifest-of-another-payload": lambda: published(payload=1),
    "manifest-of-another-size": lambda: published(size=34816 + 512),
    "manifest-of-another-tar": lambda: published(file="../x.tar", name="../x"),
    "members-of-another-order": lambda: published(parquet(TABLE.take([1, 0, 2, 3, 4, 5]))),
    "members-sizes-of-2-to-the-62": lambda: published(parquet(changed("size", 0, 1 << 62))),
    "members-sizes-wrap-around": lambda: published(wrapping(), members=60, size=1 << 16),
    "member-path-climbs": lambda: published(TABLES["path-climbs"]()),
    "member-paths-case-twins": lambda: published(TABLES["paths-case-twins"]()),
    "members-offset-inside-another": lambda: published(TABLES["offset-inside-another-member"]()),
    "members-table-bomb": lambda: published(TABLES["dictionary-bomb"](), members=60, size=1 << 16),
    "members-too-few": lambda: published(parquet(TABLE.slice(1))),
    "pieces-root-of-another-file": lambda: published(pieces_root="ab" * 32),
    "torrent-of-another-shard": lambda: published(torrent=TORRENT.replace(b"texts-00001.tar", b"texts-00002.tar")),
}


def made() -> dict[str, bytes]:
    """Return every file by its path."""
    files = {f"members-{name}.members.parquet": make() for name, make in TABLES.items()}
    for name, make in PUBLISHED.items():
        files |= {f"published-{name}/{path}": data for path, data in make().items()}
    return files
