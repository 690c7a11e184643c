"""Torrents laid into a watched folder: whole at once, none twice, none over another's file."""

import dataclasses
from pathlib import Path

import pytest

from packager.engine.clients import ClientTorrent, TorrentToAdd, open_client
from packager.engine.clients.client import infohashes
from packager.engine.clients.watch_folder import RECORD
from packager.engine.files import atomic_files
from packager.errors import InputError
from tests.helpers.bittorrent_clients import Released, make_release
from tests.helpers.http_server import Site


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return make_release(tmp_path_factory.mktemp("released") / "project", Site({}, address="http://127.0.0.1:1/"))


@pytest.fixture
def handed(released: Released, tmp_path: Path) -> list[TorrentToAdd]:
    return [released.handover(name, tmp_path) for name in released.tars]


def test_a_torrent_is_laid_there_once_even_when_the_client_takes_it_away(
    tmp_path: Path, handed: list[TorrentToAdd]
) -> None:
    spec = f"watch:{tmp_path}"
    client = open_client(spec)
    assert client.held() == {}
    assert client.add(handed[0])
    laid = tmp_path / f"{handed[0].name}.torrent"
    assert laid.read_bytes() == handed[0].torrent
    laid.unlink()  # as a client does
    assert not client.add(handed[0])
    again = open_client(spec)
    assert [again.add(each) for each in handed] == [False] + [True] * (len(handed) - 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [RECORD, *(f"{each.name}.torrent" for each in handed[1:])]
    )
    assert again.held() == {
        infohash: ClientTorrent(name=each.name, progress=None, seeding=False, ratio=0.0, peers=0, path=None)
        for each in handed
        for infohash in infohashes(each)
    }


def test_a_folder_for_v1_is_given_the_v1_torrent_or_nothing(tmp_path: Path, handed: list[TorrentToAdd]) -> None:
    client = open_client(f"watch-v1:{tmp_path}")
    assert client.add(handed[0])
    assert (tmp_path / f"{handed[0].name}.torrent").read_bytes() == handed[0].twin_torrent
    with pytest.raises(InputError) as refused:
        client.add(dataclasses.replace(handed[1], twin_torrent=None))
    assert str(refused.value) == (
        f"{handed[1].name}: watch folder {tmp_path} cannot use a hybrid torrent, and the release has no v1 torrent "
        "beside it; its publisher makes one with torrents.also_v1 = true; a newer client needs none"
    )


def test_a_run_killed_between_the_torrent_and_the_record_lays_it_again(
    tmp_path: Path, handed: list[TorrentToAdd]
) -> None:
    (tmp_path / f"{handed[0].name}.torrent").write_bytes(handed[0].torrent)
    atomic_files.partial_path(tmp_path / RECORD).write_bytes(b'{"nam')
    assert open_client(f"watch:{tmp_path}").add(handed[0])


def test_another_file_of_the_name_is_left_alone(tmp_path: Path, handed: list[TorrentToAdd]) -> None:
    (tmp_path / f"{handed[0].name}.torrent").write_bytes(b"of somebody else")
    with pytest.raises(InputError, match="another torrent lies here under this name; move it away"):
        open_client(f"watch:{tmp_path}").add(handed[0])
    assert (tmp_path / f"{handed[0].name}.torrent").read_bytes() == b"of somebody else"


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        open_client(f"watch:{tmp_path / 'typo'}")
    assert not (tmp_path / "typo").exists()


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(b'{"name": 3}\n')
    with pytest.raises(InputError, match=r"is not the record of what was laid here .*; fix or remove it"):
        open_client(f"watch:{tmp_path}").held()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../../etc"}, "is not a name that every client can use for a file"),
        ({"save_path": Path("here")}, "is not absolute"),
        ({"save_path": Path("/\udc80")}, "is not UTF-8"),
        ({"torrent": b"junk"}, "tones"),
    ],
)
def test_what_no_client_could_use_is_refused_before_one_is_told(
    tmp_path: Path, handed: list[TorrentToAdd], change: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        open_client(f"watch:{tmp_path}").add(dataclasses.replace(handed[0], **change))
    assert list(tmp_path.iterdir()) == []
