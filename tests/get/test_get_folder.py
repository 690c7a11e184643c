"""A member of a shard that is a folder: from the folder, a web seed and the swarm, and by a link."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import libtorrent as lt
import pytest

from packager.core.bittorrent.magnet import parse_magnet
from packager.engine.published.published_shard import open_published_shard, shard_files
from tests.helpers.http_server import serving
from tests.helpers.tagged_archive import (
    NAME,
    PIECE,
    TRACKS,
    Archive,
    Capture,
    Web,
    counting_peer,
    files_of,
    get,
    make_archive,
)
from tests.helpers.tagged_archive import member as path_of

MORE = 'container = "folder"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A release whose shard is a folder, and a server that has both."""
    with serving({}) as site:
        archive = make_archive(
            tmp_path_factory.mktemp("folder") / "project", web_seed=f"{site.address}shards/", size=20_000, more=MORE
        )
        archive.lay(site, tars=False)
        whole(archive, archive.root / "whole")
        for file, data in files_of(archive.root / "whole").items():
            site.files[f"shards/{file}"] = data
        yield Web(archive, site)


def whole(archive: Archive, to: Path) -> None:
    """Make the folder that a client would have."""
    shutil.copytree(archive.root / "shards" / NAME, to / NAME)
    for number in range(TRACKS):
        file = to / NAME / "data" / path_of(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(archive.source(number))


def covering(archive: Archive, number: int) -> int:
    """The bytes of the pieces of a track's file: in a hybrid torrent no other file is in them."""
    return -(-len(archive.source(number)) // PIECE) * PIECE


def test_a_member_is_a_file_of_the_web_seed(folder: Web, tmp_path: Path, capsys: Capture) -> None:
    code, report = get(capsys, "id-20", "--release", folder.release, "--to", tmp_path)
    assert (code, report["transferred_bytes"]) == (0, len(folder.archive.source(20)))
    assert files_of(tmp_path) == {path_of(20): folder.archive.source(20)}
    assert report["shards"][0]["name"] == NAME


def test_a_member_is_a_file_of_a_folder_here(folder: Web, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--from", folder.archive.root / "whole", "--no-web-seeds", "--to", tmp_path]
    code, report = get(capsys, "id-21", "--release", folder.archive.output, *arguments)
    assert (code, report["transferred_bytes"]) == (0, 0)
    assert files_of(tmp_path) == {path_of(21): folder.archive.source(21)}


def test_the_swarm_gives_its_pieces_by_torrent_and_by_link(folder: Web, tmp_path: Path, capsys: Capture) -> None:
    with counting_peer(folder.archive.torrent, folder.archive.root / "whole") as peer:
        swarm = ["--no-web-seeds", "--peer", peer.address, "--listen", "127.0.0.1:0", "--timeout", "30 s"]
        code, report = get(capsys, "id-22", "--release", folder.release, *swarm, "--to", tmp_path / "by torrent")
        assert (code, report["transferred_bytes"]) == (0, covering(folder.archive, 22))
        _, made = get(capsys, "id-22", "--release", folder.release, "--magnet")
        code, report = get(capsys, *made["magnets"], *swarm, "--to", tmp_path / "by link")
        assert (code, report["transferred_bytes"]) == (0, covering(folder.archive, 22))
    for way in ("by torrent", "by link"):
        assert files_of(tmp_path / way) == {path_of(22): folder.archive.source(22)}


def test_a_link_chooses_the_file_that_any_client_chooses_by_it(folder: Web, tmp_path: Path, capsys: Capture) -> None:
    _, report = get(capsys, "id-0", "id-59", "id-30", "--release", folder.release, "--magnet")
    info = lt.load_torrent_file(str(folder.archive.torrent)).ti
    assert info is not None
    torrent = info.layout()
    for link, key in zip(report["magnets"], ("id-0", "id-59", "id-30"), strict=True):
        ((start, stop),) = parse_magnet(link).chosen
        assert stop == start + 1
        assert torrent.file_path(start) == f"{NAME}/data/{path_of(int(key[3:]))}"
        assert list(lt.parse_magnet_uri(link).file_priorities)[start] == 4
    code, _ = get(capsys, *report["magnets"], "--to", tmp_path)
    assert code == 0
    assert files_of(tmp_path) == {path_of(number): folder.archive.source(number) for number in (0, 59, 30)}


def test_the_number_of_a_file_is_the_layouts(folder: Web, capsys: Capture) -> None:
    published = open_published_shard(shard_files(folder.archive.output / "manifests" / f"{NAME}.manifest.json"))
    ids = published.members["id"].to_pylist()
    _, report = get(capsys, "id-7", "--release", folder.release, "--magnet")
    ((number, _),) = parse_magnet(report["magnets"][0]).chosen
    assert number == published.layout.file_number(ids.index("id-7"))  # type: ignore[attr-defined]
