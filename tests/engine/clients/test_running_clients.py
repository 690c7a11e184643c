"""Debian's clients, driven by the hand-over: each fetches a release, finds it right, and is given nothing twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import qbittorrentapi
import transmission_rpc

from packager.core.bittorrent import parse_torrent
from packager.engine.clients import open_client
from packager.engine.clients.client import infohashes
from packager.engine.clients.client_url import VARIABLE, parse_client_url
from packager.errors import InputError
from tests.helpers.bittorrent_clients import CLIENTS, Released, Running, made, make_release, seeds
from tests.helpers.http_server import serving
from tests.helpers.waiting import until

pytestmark = pytest.mark.interop
NAMES = {"transmission-daemon": "Transmission", "qbittorrent-nox": "qBittorrent", "aria2c": "aria2"}
OLD = {"transmission-daemon", "aria2c"}  # those of which Debian 12 has a version that cannot use hybrids


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    with serving({}) as site:
        yield make_release(tmp_path_factory.mktemp("released") / "project", site)


@pytest.fixture(params=list(CLIENTS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def running(kind: str, program: Callable[[str], str], tmp_path: Path) -> Iterator[Running]:
    home = tmp_path / "home"
    home.mkdir()
    with CLIENTS[kind](program(kind), home) as client:
        yield client


def infohash(torrent: bytes) -> str:
    digest = parse_torrent.parse_torrent(torrent, "torrent").infohash_v1
    assert digest is not None
    return digest.hex()


def test_a_client_fetches_what_it_is_handed_finds_it_right_and_is_handed_nothing_twice(
    kind: str, running: Running, released: Released, tmp_path: Path
) -> None:
    folder = tmp_path / "held, 100% é"
    folder.mkdir()
    client = running.open()
    handed = [released.handover(name, folder) for name in released.tars]
    assert len(handed) > 1
    assert [client.add(each) for each in handed] == [True] * len(handed)
    assert [client.add(each) for each in handed] == [False] * len(handed)
    version = ".v1" if kind in OLD else ""
    expected = {infohash(released.torrent(each.name, version)): each.name for each in handed}

    until(lambda: seeds(client, len(handed)), client.held)
    held = client.held()
    assert {key: each.name for key, each in held.items() if len(key) == 40} == {
        key: f"{name}.tar" for key, name in expected.items()
    }
    assert all(held.keys() & infohashes(each) for each in handed)
    assert {each.path for each in held.values()} == {folder / f"{name}.tar" for name in released.tars}
    assert {path.stem: path.read_bytes() for path in folder.glob("*.tar")} == released.tars

    again = running.open()  # as a second run does
    assert [again.add(each) for each in handed] == [False] * len(handed)
    assert again.held().keys() == held.keys()
    assert "correct horse" not in repr(again)


def test_two_runs_at_once_add_it_once(running: Running, released: Released, tmp_path: Path) -> None:
    handover = released.handover(next(iter(released.tars)), made(tmp_path / "held"), paused=True)
    one, other = running.open(), running.open()
    assert one.held() == other.held() == {}
    assert one.add(handover)
    other.add(handover)
    until(lambda: bool(one.held()), one.held)
    assert len({held.path for held in one.held().values()}) == 1


def test_what_lies_in_the_folder_already_is_checked_and_not_fetched_again(
    running: Running, released: Released, tmp_path: Path
) -> None:
    folder = made(tmp_path / "held")
    for name, data in released.tars.items():
        (folder / f"{name}.tar").write_bytes(data)
    sent = released.site.sent
    client = running.open()
    for name in released.tars:
        assert client.add(released.handover(name, folder))
    until(lambda: seeds(client, len(released.tars)), client.held)
    assert released.site.sent == sent


def test_what_is_proved_is_read_again_only_by_clients_that_can_do_no_other(
    running: Running, released: Released, tmp_path: Path
) -> None:
    folder, client = made(tmp_path / "held"), running.open()
    name = next(iter(released.tars))
    data = bytearray(released.tars[name])
    data[len(data) // 2] ^= 1  # so that whoever reads it says so
    (folder / f"{name}.tar").write_bytes(data)
    handover = replace(released.handover(name, folder), verified=True)
    assert client.add(handover)
    until(lambda: seeds(client, 1), client.held)
    assert (folder / f"{name}.tar").read_bytes() == (data if client.trusts else released.tars[name])


def test_what_is_handed_over_paused_waits(running: Running, released: Released, tmp_path: Path) -> None:
    client = running.open()
    name = next(iter(released.tars))
    assert client.add(released.handover(name, made(tmp_path / "held"), paused=True))
    until(lambda: bool(client.held()), client.held)
    assert {(held.progress, held.seeding, held.peers, held.ratio) for held in client.held().values()} == {
        (0.0, False, 0, 0.0)
    }


def test_a_client_that_cannot_use_a_hybrid_is_handed_none(
    kind: str, running: Running, released: Released, tmp_path: Path
) -> None:
    client = running.open()
    name = next(iter(released.tars))
    handover = released.handover(name, made(tmp_path / "held"), twin=False, paused=True)
    if kind not in OLD:
        assert client.add(handover)
        until(lambda: client.held().keys() == infohashes(handover), client.held)
        return
    with pytest.raises(InputError, match=r"cannot use a hybrid torrent.*torrents\.also_v1 = true"):
        client.add(handover)
    assert client.held() == {}


def test_a_wrong_password_is_told_in_one_sentence_and_not_repeated(running: Running) -> None:
    user = parse_client_url(running.spec).user
    told = {
        "refuses the password" + (f' of user "{user}"' if user else ""): {VARIABLE: "hunter2"},
        "wants a password or token": {},
    }
    for what, environ in told.items():
        with pytest.raises(InputError) as refused:
            open_client(running.spec, {"HOME": str(running.home)} | environ)
        fix = "put the right one into PACKAGER_CLIENT_PASSWORD or netrc"
        assert str(refused.value) == f"{running.spec}: {what}; {fix}"


def test_a_password_of_netrc_lets_us_in(kind: str, running: Running, tmp_path: Path) -> None:
    user = parse_client_url(running.spec).user
    login = f"login {user} " if user else ""
    quoted = running.password.replace('"', '\\"')
    (tmp_path / "netrc").write_text(f'machine 127.0.0.1 {login}password "{quoted}"\n')
    name = open_client(running.spec, {"NETRC": str(tmp_path / "netrc")}).name
    assert name.startswith(
        {"transmission-daemon": "Transmission ", "qbittorrent-nox": "qBittorrent "}.get(kind, "aria2 ")
    )


@pytest.mark.parametrize("kind", ["transmission-daemon", "qbittorrent-nox"])
def test_a_label_arrives(kind: str, running: Running, released: Released, tmp_path: Path) -> None:
    client = running.open()
    client.add(released.handover(next(iter(released.tars)), made(tmp_path / "held"), paused=True))
    until(lambda: bool(client.held()), client.held)
    address = parse_client_url(running.spec)
    if kind == "qbittorrent-nox":
        asked = qbittorrentapi.Client(host=address.target, username="admin", password=running.password)
        assert [each.category for each in asked.torrents_info()] == ["tones"]
        asked.auth_log_out()
        return
    port = int(address.target.split(":")[2].split("/")[0])
    other = transmission_rpc.Client(username="archivist", password=running.password, port=port)
    assert [each.labels for each in other.get_torrents()] == [["tones"]]


@pytest.mark.parametrize("kind", ["transmission-daemon"])
def test_a_client_takes_what_is_laid_into_the_folder_that_it_watches(
    running: Running, released: Released, tmp_path: Path
) -> None:
    folder = open_client(f"watch-v1:{running.home / 'watch'}")
    handed = [released.handover(name, tmp_path) for name in released.tars]
    assert [folder.add(each) for each in handed] == [True] * len(handed)
    client = running.open()
    expected = {infohash(released.torrent(name, ".v1")) for name in released.tars}
    until(lambda: client.held().keys() == expected, client.held)
    again = open_client(f"watch-v1:{running.home / 'watch'}")
    assert [again.add(each) for each in handed] == [False] * len(handed)


@pytest.mark.parametrize("kind", ["qbittorrent-nox"])
def test_an_address_that_was_banned_for_wrong_passwords_is_told_so(running: Running) -> None:
    for _ in range(5):
        with pytest.raises(InputError, match="refuses the password"):
            open_client(running.spec, {VARIABLE: "hunter2"})
    with pytest.raises(InputError, match=r"refuses us \(.*banned.*\); wait an hour, or restart it"):
        running.open()
