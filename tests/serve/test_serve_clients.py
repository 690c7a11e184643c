"""From the server alone, with no tar anywhere, clients fetch whole shards and find them right; `get` beside them."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libtorrent as lt
import pytest

from packager.engine.clients import TorrentToAdd
from tests.helpers.bittorrent_clients import CLIENTS, seeds
from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project
from tests.helpers.serve_process import Served, released, serving, tars
from tests.helpers.waiting import free_port, until

pytestmark = pytest.mark.interop
NAME = "tones-all-00001"
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'


def make(root: Path, port: int) -> Project:
    """Make a project of one shard that names the server as its web seed."""
    project = Project(root)
    project.source.mkdir(parents=True)
    chance = random.Random(3)
    for number, size in enumerate((0, 1, 700_000, 70_000, 9_000_000, 3_000_000, 64_000, 511, 2_000_000)):
        (project.source / f"{number} [b] é.flac").write_bytes(chance.randbytes(size))
    web_seed = f'web_seeds = ["http://127.0.0.1:{port}/shards/"]'
    project.write_config(size="64 MiB", phases=PHASES, torrent=f"also_v1 = true\n{web_seed}")
    text = (project.root / "packager.toml").read_text()
    trackers = 'trackers = [["udp://tracker.example.org:6969/announce"]]'
    assert trackers in text
    (project.root / "packager.toml").write_text(text.replace(trackers, ""))
    return project


def torrent(project: Project, kind: str = "") -> Path:
    return project.root / "site" / "torrents" / f"{NAME}{kind}.torrent"


def by_libtorrent(project: Project, folder: Path, kind: str = "") -> bytes:
    """Fetch the shard by libtorrent, have it check the file again, and return it."""
    session = local_session()
    wanted = lt.load_torrent_file(str(torrent(project, kind)))
    wanted.save_path = str(folder)
    wanted.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(wanted)
    until(lambda: handle.status().is_seeding, lambda: (handle.status().state, handle.status().progress))
    handle.force_recheck()
    until(lambda: handle.status().state == lt.torrent_status.states.seeding, lambda: handle.status().state)
    assert handle.status().progress == 1.0
    session.remove_torrent(handle)
    return (folder / f"{NAME}.tar").read_bytes()


def by_aria2(path: str, project: Project, folder: Path) -> bytes:
    """Fetch the shard by aria2c, have it check the file again, and return it."""
    common = [
        path,
        "--quiet",
        "--no-conf",
        "--enable-dht=false",
        "--bt-enable-lpd=false",
        "--seed-time=0",
        "-d",
        folder,
    ]
    common += ["--interface=127.0.0.1", f"--listen-port={free_port()}", "--bt-stop-timeout=60"]
    for check in ([], ["--check-integrity=true", "--hash-check-only=true", "--allow-overwrite=true"]):
        done = subprocess.run(
            [*common, *check, torrent(project, ".v1")], check=False, timeout=120, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return (folder / f"{NAME}.tar").read_bytes()


def by_qbittorrent(path: str, project: Project, home: Path, folder: Path) -> bytes:
    """Fetch the shard by qbittorrent-nox until it seeds it, which it does when it found every piece right."""
    home.mkdir()
    with CLIENTS["qbittorrent-nox"](path, home) as running:
        client = running.open()
        assert client.add(
            TorrentToAdd(
                name=NAME,
                torrent=torrent(project).read_bytes(),
                twin_torrent=None,
                save_path=folder,
                label="tones",
                paused=False,
            )
        )
        until(lambda: seeds(client, 1), client.held)
    return (folder / f"{NAME}.tar").read_bytes()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    project = released(make(tmp_path_factory.mktemp("virtual") / "p", port), virtual=True)
    with serving(project, port=port) as running:
        yield running
    assert tars(project) == {}


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tars(released(make(tmp_path_factory.mktemp("real") / "p", 1), virtual=False))[f"{NAME}.tar"]


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


@pytest.mark.parametrize("kind", ["", ".v1"])
def test_libtorrent_fetches_a_whole_shard(served: Served, tar: bytes, tmp_path: Path, kind: str) -> None:
    assert by_libtorrent(served.project, folder(tmp_path, "lt"), kind) == tar


def test_aria2_fetches_a_whole_shard(served: Served, tar: bytes, program: Callable[[str], str], tmp_path: Path) -> None:
    assert by_aria2(program("aria2c"), served.project, folder(tmp_path, "aria2")) == tar


def by_get(served: Served, folder: Path) -> bytes:
    """Fetch one member by `packager get`, and return it."""
    name = "5 [b] é.flac"
    command = [sys.executable, "-m", "packager", "get", "--release", served.url, name, "--to", folder]
    subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
    return (folder / name).read_bytes()


def test_qbittorrent_and_libtorrent_fetch_it_at_once_and_get_takes_one_member_beside_them(
    served: Served, tar: bytes, program: Callable[[str], str], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as together:
        one = together.submit(
            by_qbittorrent,
            program("qbittorrent-nox"),
            served.project,
            tmp_path / "home",
            folder(tmp_path, "qb"),
        )
        other = together.submit(by_libtorrent, served.project, folder(tmp_path, "lt"))
        third = together.submit(by_get, served, folder(tmp_path, "get"))
        assert one.result() == tar
        assert other.result() == tar
        assert third.result() == (served.project.source / "5 [b] é.flac").read_bytes()
    assert served.metric('packager_errors_total{kind="source"}') == 0
