"""Make the golden shard again (`python manifests/vectors/shard/make.py`).

It cuts a release from source/, records.csv and packager.toml as they lie here, and keeps what a second
implementation needs to compare itself with. README.md tells each file and what may differ.
"""

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa

from packager import api
from packager.engine.tables import parquet

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected"
INPUTS = ("source", "records.csv", "packager.toml")
NAME = "example-texts-00001"
# What a release has of the shard, by its path in the project; the lists are those of the whole release.
KEPT = (
    f"shards/{NAME}.tar",
    f"site/torrents/{NAME}.torrent",
    f"site/torrents/{NAME}.v1.torrent",
    f"site/manifests/{NAME}.manifest.json",
    f"site/manifests/{NAME}.members.parquet",
    f"site/manifests/{NAME}.members.tsv.zst",
    "site/release.json",
    "site/torrents.json",
    "site/magnets.txt",
    "site/magnets-v1.txt",
    "site/feed.xml",
)


def made() -> dict[str, bytes]:
    """Return every expected file by its name in expected/, made anew in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        for name in INPUTS:
            copy = shutil.copytree if (FOLDER / name).is_dir() else shutil.copyfile
            copy(FOLDER / name, project / name)
        api.release(project / "packager.toml", workers=1)
        files = {Path(path).name: (project / path).read_bytes() for path in KEPT}
        table = project / f"site/manifests/{NAME}.members.parquet"
        files["members.json"] = members_json(parquet.read_rows(table, 0, parquet.count_rows(table)))
        with tarfile.open(project / f"shards/{NAME}.tar") as tar:
            for name in ("bag-info.txt", "records.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt"):
                held = tar.extractfile(f"{NAME}/{name}")
                assert held is not None
                files[name] = held.read()
    return files


def members_json(table: pa.Table) -> bytes:
    """Return a members table as a JSON list, an object a row, digests in hex, nulls kept."""
    rows = [row | {"sha256": row["sha256"].hex()} for row in table.to_pylist()]
    return (json.dumps(rows, ensure_ascii=False, indent=2) + "\n").encode()


def main() -> None:
    """Write expected/ anew."""
    shutil.rmtree(EXPECTED, ignore_errors=True)
    EXPECTED.mkdir()
    for name, data in made().items():
        (EXPECTED / name).write_bytes(data)


if __name__ == "__main__":
    main()
