"""manifests/vectors/shard/ is what manifests/vectors/shard/make.py makes today.

Three files depend on the versions of the tools that wrote them: NAME.manifest.json on packager's, NAME.members.parquet
on pyarrow's, NAME.members.tsv.zst on zstd's. release.json has their sizes and digests. Only those values may differ.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from packager import __version__
from tests.helpers.load_script import load

VECTORS = Path(__file__).parents[2] / "manifests/vectors"
EXPECTED = VECTORS / "shard/expected"
MANIFEST, TABLE = "example-texts-00001.manifest.json", "example-texts-00001.members.parquet"
TSV = "example-texts-00001.members.tsv.zst"
FIELDS = {MANIFEST: "manifest", TABLE: "members_table", TSV: "members_tsv"}


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    files: dict[str, bytes] = load(VECTORS / "shard/make.py").made()
    return files


def golden(name: str) -> bytes:
    return (EXPECTED / name).read_bytes()


def test_the_vector_has_the_files_that_are_made(made: dict[str, bytes]) -> None:
    assert sorted(made) == sorted(path.name for path in EXPECTED.iterdir())


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXPECTED.iterdir() if path.name not in (*FIELDS, "release.json"))
)
def test_a_golden_file_is_made_again_byte_for_byte(made: dict[str, bytes], name: str) -> None:
    assert made[name] == golden(name)


def test_the_golden_manifest_is_made_again_but_for_the_tools_version(made: dict[str, bytes]) -> None:
    now = json.loads(made[MANIFEST])
    assert now["tool"] == f"archive-packager {__version__}"
    then = json.dumps(json.loads(golden(MANIFEST))["tool"]).encode()
    assert made[MANIFEST].replace(json.dumps(now["tool"]).encode(), then) == golden(MANIFEST)


def test_the_golden_lines_of_the_members_are_made_again(made: dict[str, bytes]) -> None:
    now, then = (zstandard.ZstdDecompressor().stream_reader(data).read() for data in (made[TSV], golden(TSV)))
    assert now == then
    assert b"".join(line.split(b"\t")[5] + b"\n" for line in now.splitlines()) == golden("records.jsonl")


def test_the_golden_release_is_made_again_but_for_the_digests_of_those_files(made: dict[str, bytes]) -> None:
    now, then = made["release.json"], golden("release.json")
    for name in FIELDS:
        assert published(now, name) == facts(made[name])
        assert published(then, name) == facts(golden(name))
        now = now.replace(written(published(now, name)), written(published(then, name)))
    assert now == then


def published(release: bytes, name: str) -> dict[str, Any]:
    [shard] = json.loads(release)["shards"]
    file: dict[str, Any] = shard[FIELDS[name]]
    return {"size": file["size"], "sha256": file["sha256"]}


def facts(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def written(file: dict[str, Any]) -> bytes:
    return f'"size": {file["size"]},\n        "sha256": "{file["sha256"]}"'.encode()


def test_member_names_are_made_again_byte_for_byte() -> None:
    assert load(VECTORS / "make_names.py").text() == (VECTORS / "names.json").read_text(encoding="utf-8")


def test_the_worked_headers_of_the_format_are_made_again_byte_for_byte() -> None:
    make = load(VECTORS / "make_headers.py")
    text = (VECTORS.parent / "FORMAT.md").read_text(encoding="utf-8")
    assert text.count("<!-- header ") == 3
    assert make.text(text) == text
    assert make.text(text.replace("  PaxHeaders", "  paxHeaders", 1)) == text
