"""manifests/vectors/folder/ is what its make.py makes today, and what libtorrent makes.

The second implementation writes it from FORMAT.md in test_format.py.
"""

import json
from hashlib import sha1, sha256
from pathlib import Path

import libtorrent as lt
import pytest

from packager import __version__
from tests.helpers.load_script import load

VECTORS = Path(__file__).parents[2] / "manifests/vectors"
EXPECTED = VECTORS / "folder/expected"
NAME = "example-texts-00001"
MANIFEST = f"{NAME}.manifest.json"
PIECE = 16384


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


def test_the_manifest_has_the_facts_of_the_folder() -> None:
    manifest = json.loads((EXPECTED / MANIFEST).read_bytes())
    every = files()
    assert manifest["size"] == sum(map(len, every.values()))
    assert (manifest["container"], manifest["file"], manifest["pieces_root"]) == ("folder", NAME, None)
    info = lt.bdecode((EXPECTED / f"{NAME}.torrent").read_bytes())[b"info"]
    assert manifest["infohash_v1"] == sha1(lt.bencode(info)).hexdigest()
    assert manifest["infohash_v2"] == sha256(lt.bencode(info)).hexdigest()
