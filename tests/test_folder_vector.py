"""manifests/vectors/folder/ is what its make.py makes today, what FORMAT.md tells, and what libtorrent makes."""

import json
from collections.abc import Iterator
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from packager import __version__
from tests.test_shard_vector import load

VECTORS = Path(__file__).parents[1] / "manifests/vectors"
EXPECTED = VECTORS / "folder/expected"
NAME = "example-texts-00001"
MANIFEST = f"{NAME}.manifest.json"
BLOCK = PIECE = 16384


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    files: dict[str, bytes] = load(VECTORS / "folder/make.py").made()
    return files


def test_every_golden_file_is_made_again_byte_for_byte(made: dict[str, bytes]) -> None:
    golden = {path.name: path.read_bytes() for path in EXPECTED.iterdir()}
    now, then = json.loads(made.pop(MANIFEST)), json.loads(golden.pop(MANIFEST))
    assert now.pop("tool") == f"archive-packager {__version__}"
    assert then.pop("tool").startswith("archive-packager ")
    assert now == then
    assert made == golden


def test_the_bags_own_files_are_those_of_the_tar() -> None:
    for name in ("bag-info.txt", "records.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt"):
        assert (EXPECTED / name).read_bytes() == (VECTORS / "shard/expected" / name).read_bytes()


def files() -> dict[str, bytes]:
    """Every file of the folder by its path, in the stream's order."""
    found = {path.name: path.read_bytes() for path in EXPECTED.glob("*.txt") if "magnets" not in path.name}
    found["records.jsonl"] = (EXPECTED / "records.jsonl").read_bytes()
    for row in json.loads((EXPECTED / "members.json").read_bytes()):
        data = (VECTORS / "shard/source" / (row["source_path"] or row["path"])).read_bytes()
        assert sha256(data).hexdigest() == row["sha256"]
        found[f"data/{row['path']}"] = data
    return dict(sorted(found.items(), key=lambda item: [name.encode() for name in item[0].split("/")]))


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % PIECE)


def pairs(level: list[bytes]) -> list[bytes]:
    return [sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]


def tree(data: bytes) -> tuple[bytes, bytes]:
    """The pieces root and piece layer of a file (BEP 52), pieces being blocks here."""
    level = [sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
    layer = b"".join(level) if len(level) > 1 else b""
    while len(level) & (len(level) - 1):
        level.append(bytes(32))
    while len(level) > 1:
        level = pairs(level)
    return level[0], layer


def listed(every: dict[str, bytes]) -> Iterator[dict[bytes, Any]]:
    for path, data in every.items():
        yield {b"length": len(data), b"path": [name.encode() for name in path.split("/")]}
        if pad := len(padded(data)) - len(data):
            yield {b"attr": b"p", b"length": pad, b"path": [b".pad", str(pad).encode()]}


def by_hand() -> tuple[dict[bytes, Any], dict[bytes, bytes]]:
    """The hybrid's info dictionary and piece layers, written from FORMAT.md."""
    every = files()
    stream = b"".join(map(padded, every.values()))
    file_tree: dict[bytes, Any] = {}
    layers = {}
    for path, data in every.items():
        inner = file_tree
        *folders, name = path.encode().split(b"/")
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = {b"": {b"length": len(data)}}
        if data:
            root, layer = tree(data)
            inner[name][b""][b"pieces root"] = root
            if layer:
                layers[root] = layer
    info = {
        b"file tree": file_tree,
        b"files": list(listed(every)),
        b"meta version": 2,
        b"name": NAME.encode(),
        b"piece length": PIECE,
        b"pieces": b"".join(sha1(stream[at : at + PIECE]).digest() for at in range(0, len(stream), PIECE)),
    }
    return info, layers


def test_a_second_implementation_makes_the_same_torrents() -> None:
    info, layers = by_hand()
    hybrid = lt.bdecode((EXPECTED / f"{NAME}.torrent").read_bytes())
    assert lt.bencode(hybrid[b"info"]) == lt.bencode(info)
    assert hybrid[b"piece layers"] == layers
    assert layers
    twin = lt.bdecode((EXPECTED / f"{NAME}.v1.torrent").read_bytes())
    v1 = {key: value for key, value in info.items() if key not in (b"file tree", b"meta version")}
    assert lt.bencode(twin[b"info"]) == lt.bencode(v1)
    offsets = [row["offset"] for row in json.loads((EXPECTED / "members.json").read_bytes())]
    at, found = 0, {}
    for path, data in files().items():
        found[path] = at
        at += len(padded(data))
    members = json.loads((EXPECTED / "members.json").read_bytes())
    assert offsets == [found[f"data/{row['path']}"] for row in members]


def test_libtorrent_makes_the_same_of_the_files(tmp_path: Path) -> None:
    entries = []
    for path, data in files().items():
        place = tmp_path / NAME / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        entries.append(lt.create_file_entry(f"{NAME}/{path}", len(data)))
    creator = lt.create_torrent(entries, PIECE)
    lt.set_piece_hashes(creator, str(tmp_path))
    theirs = creator.generate()
    ours = lt.bdecode((EXPECTED / f"{NAME}.torrent").read_bytes())
    assert lt.bencode(theirs[b"info"]) == lt.bencode(ours[b"info"])
    assert theirs[b"piece layers"] == ours[b"piece layers"]


def test_the_facts_of_the_folder_stand_in_its_manifest() -> None:
    manifest = json.loads((EXPECTED / MANIFEST).read_bytes())
    every = files()
    assert manifest["size"] == sum(map(len, every.values()))
    assert (manifest["container"], manifest["file"], manifest["pieces_root"]) == ("folder", NAME, None)
    info = lt.bdecode((EXPECTED / f"{NAME}.torrent").read_bytes())[b"info"]
    assert manifest["infohash_v1"] == sha1(lt.bencode(info)).hexdigest()
    assert manifest["infohash_v2"] == sha256(lt.bencode(info)).hexdigest()
