"""published_shard.py: a torrent that holds other files than the manifest says is refused, whatever its infohashes."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from packager.cli.app import main
from packager.core.bittorrent import bencode, parse_torrent
from packager.engine.files.shard_torrent import FolderTorrent, open_torrent
from packager.engine.published.published_shard import folder_pieces, open_published_shard, shard_files
from packager.errors import TrustError

VECTORS = Path(__file__).parents[3] / "manifests/vectors"
NAME = "example-texts-00001"


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A copy of the golden shard; returns its manifest."""
    shutil.copytree(VECTORS / "shard/expected", tmp_path / "shard")
    return tmp_path / f"shard/{NAME}.manifest.json"


def change_torrent(manifest: Path, old: bytes, new: bytes) -> None:
    """Change the torrent, and let the manifest name its new infohashes."""
    torrent = manifest.with_name(f"{NAME}.torrent")
    data = torrent.read_bytes().replace(old, new)
    assert data != torrent.read_bytes()
    found = parse_torrent.parse_torrent(data, "x")
    torrent.write_bytes(data)
    document = json.loads(manifest.read_bytes())
    assert found.infohash_v1 is not None
    assert found.infohash_v2 is not None
    document |= {"infohash_v1": found.infohash_v1.hex(), "infohash_v2": found.infohash_v2.hex()}
    manifest.write_text(json.dumps(document))


def test_a_torrent_of_another_file_is_refused(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_published_shard(shard_files(shard))
    change_torrent(shard, f"{NAME}.tar".encode(), f"{NAME}.tax".encode())
    with pytest.raises(TrustError, match="does not contain the one file"):
        open_published_shard(shard_files(shard))
    assert main(["verify", str(shard.with_name(f"{NAME}.tar")), "--manifest", str(shard), "-w", "1"]) == 1
    assert "does not contain the one file" in capsys.readouterr().err


@pytest.mark.parametrize("difference", [1, -1])
def test_a_torrent_of_another_size_is_refused(shard: Path, difference: int) -> None:
    size = parse_torrent.parse_torrent(shard.with_name(f"{NAME}.torrent").read_bytes(), "x").files[0].length
    change_torrent(shard, b"lengthi%de" % size, b"lengthi%de" % (size + difference))
    with pytest.raises(TrustError, match="does not contain the one file"):
        open_published_shard(shard_files(shard))


def test_a_torrent_of_a_folder_is_refused_for_a_tar(shard: Path) -> None:
    top = bencode.decode(shard.with_name(f"{NAME}.torrent").read_bytes(), "x")
    assert isinstance(top, dict)
    info = top[b"info"]
    assert isinstance(info, dict)
    tar: Any = info[b"file tree"]
    info |= {
        b"file tree": {b"a": tar},
        b"files": [{b"length": info.pop(b"length"), b"path": [b"a", b"%s.tar" % NAME.encode()]}],
    }
    old = bencode.encode(bencode.decode(shard.with_name(f"{NAME}.torrent").read_bytes(), "x"))
    change_torrent(shard, old, bencode.encode(top))
    with pytest.raises(TrustError, match="does not contain the one file"):
        open_published_shard(shard_files(shard))


@pytest.mark.parametrize("change", ["name", "size", "offset", "missing", "extra", "order", None])
def test_a_torrent_of_another_list_of_files_is_refused_for_a_folder(change: str | None) -> None:
    torrent = VECTORS / f"folder/expected/{NAME}.torrent"
    shared = open_torrent(torrent)
    assert isinstance(shared, FolderTorrent)
    files = [["/".join(file.path[1:]), file.offset, file.length] for file in shared.metainfo.files if not file.pad]
    if change in ("name", "size", "offset"):
        column = ("name", "offset", "size").index(change)
        files[1][column] = "x" if change == "name" else files[1][column] + 1  # type: ignore[operator]
    elif change == "missing":
        files.pop()
    elif change == "extra":
        files.append(["x", 0, 0])
    elif change == "order":
        files[0], files[1] = files[1], files[0]
    layout: Any = SimpleNamespace(file=shared.metainfo.name, files=lambda: map(tuple, files), space=shared.named.space)
    if change is None:
        assert folder_pieces(layout, shared.metainfo, torrent).count == shared.pieces.count
        return
    with pytest.raises(TrustError, match="does not contain the files of the folder"):
        folder_pieces(layout, shared.metainfo, torrent)
