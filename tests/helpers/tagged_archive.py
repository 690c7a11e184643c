"""A small release with tags and ISRCs on disk, and on a server of its own that counts."""

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from packager.cli.app import main
from packager.engine.published.published_shard import open_published_shard, shard_files
from tests.helpers.http_server import Site
from tests.helpers.libtorrent_peer import local_session
from tests.helpers.projects import Project

Capture = pytest.CaptureFixture[str]
NAME = "tones-all-00001"
PIECE = 64 << 10
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\n'
TRACKS = 60
RECORDS = '[records]\nfiles = ["records.csv"]'


@dataclass(frozen=True)
class Archive:
    """A project that was released, and what its files hold."""

    root: Path

    @property
    def output(self) -> Path:
        return self.root / "site"

    @property
    def tar(self) -> Path:
        return self.root / "shards" / f"{NAME}.tar"

    @property
    def torrent(self) -> Path:
        return self.output / "torrents" / f"{NAME}.torrent"

    def source(self, number: int) -> bytes:
        return (self.root / "source" / path(number)).read_bytes()

    def lay(self, site: Site, *, tars: bool = True) -> None:
        """Put the release and its tars on a server."""
        for file in self.output.rglob("*"):
            if file.is_file():
                site.files[f"release/{file.relative_to(self.output)}"] = file.read_bytes()
        if tars:
            site.files[f"shards/{NAME}.tar"] = self.tar.read_bytes()


def path(number: int) -> str:
    return f"Album {number // 12}/{number:02d} tone 100%.bin"


def member(number: int) -> str:
    """The path that `path` has in the shard."""
    name = f"{number:02d} tone 100%.bin"
    return f"Album {number // 12}/{number:02d} tone 100_~{hashlib.sha256(name.encode()).hexdigest()[:8]}.bin"


def isrc(number: int) -> str:
    return f"USS1Z99{number:05d}"


def make_archive(root: Path, *, web_seed: str = "", size: int = 100_000, more: str = "") -> Archive:
    """Release a project of random files with an id, tags and an ISRC each; those of 7 and 8 are one and the same."""
    project, chance = Project(root), random.Random(11)
    lines = ["id,path,title,artist,album,track,isrc"]
    for number in range(TRACKS):
        file = project.source / path(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(chance.randrange(size // 2, size * 2)))
        code = isrc(7 if number == 8 else number)
        lines.append(f"id-{number},{path(number)},Title {number},Artist,Album {number // 12},{number % 12 + 1},{code}")
    (root / "records.csv").write_text("\n".join(lines) + "\n")
    seeds = f'web_seeds = ["{web_seed}"]' if web_seed else ""
    torrent = f'piece_length = "{PIECE >> 10} KiB"\n{seeds}'
    project.write_config(size="1 GiB", phases=PHASES + more, collection=RECORDS, torrent=torrent)
    assert main(["release", "--json", "--config", str(root / "packager.toml"), "--workers", "1"]) == 0
    return Archive(root)


@dataclass
class Peer:
    """A peer that has a shard, and what it was asked for."""

    address: str
    session: lt.session

    @property
    def uploaded(self) -> int:
        """Bytes of pieces that it sent, by the session's own counters: a torrent's lag a second behind."""
        self.session.post_session_stats()
        while True:
            self.session.wait_for_alert(1000)
            for alert in self.session.pop_alerts():
                if isinstance(alert, lt.session_stats_alert):
                    return int(alert.values["net.sent_payload_bytes"])


@contextmanager
def counting_peer(torrent: Path, folder: Path) -> Iterator[Peer]:
    """Yield a peer on loopback that has the file of `torrent`, in `folder`."""
    session = local_session()
    params = lt.load_torrent_file(str(torrent))
    params.save_path = str(folder)
    params.trackers, params.url_seeds = [], []
    params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode
    handle = session.add_torrent(params)
    while not session.listen_port():
        session.wait_for_alert(50)
        session.pop_alerts()
    yield Peer(f"127.0.0.1:{session.listen_port()}", session)
    session.remove_torrent(handle)


@dataclass(frozen=True)
class Web:
    """An archive and the server that has it."""

    archive: Archive
    site: Site

    @property
    def release(self) -> str:
        return f"{self.site.address}release/"


def get(capsys: Capture, *arguments: object) -> tuple[int, dict[str, Any]]:
    """Run `packager get --json`, with web seeds on loopback allowed; return its code and its report, or its error."""
    capsys.readouterr()
    code = main(["get", "--json", "--allow-host", "127.0.0.1", *map(str, arguments)])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, json.loads(printed.out or printed.err)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def covering(archive: Archive, number: int) -> int:
    """The bytes of the pieces that hold a track."""
    published = open_published_shard(shard_files(archive.output / "manifests" / f"{NAME}.manifest.json"))
    row = published.members["id"].to_pylist().index(f"id-{number}")
    start = int(published.layout.offsets[row])
    stop = start + int(published.layout.sizes[row])
    return (-(-stop // PIECE) - start // PIECE) * PIECE
