"""Real clients on loopback, each with its own folder of settings, meeting nobody; and a release that they can fetch."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packager.cli.app import main
from packager.engine.clients import Client, TorrentToAdd, open_client
from packager.engine.clients.client_url import VARIABLE
from packager.errors import IncompleteError
from tests.helpers.http_server import Site
from tests.helpers.projects import make_project
from tests.helpers.waiting import free_port, until

PASSWORD = "correct horse, battery: 100%@staple"


@dataclass(frozen=True)
class Running:
    """A client that runs: how to reach it, with which password, where it saves, what it watches."""

    spec: str
    password: str
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        return {VARIABLE: self.password, "HOME": str(self.home)}

    def open(self) -> Client:
        return open_client(self.spec, self.environ)


def seeds(client: Client, torrents: int) -> bool:
    """Say whether it has so many torrents, found all of each right, and seeds them."""
    held = client.held().values()
    return len({each.path for each in held}) == torrents and all(each.seeding and each.progress == 1.0 for each in held)


@contextmanager
def _process(command: list[str], running: Running) -> Iterator[Running]:
    """Run a client until the block ends; it is up when we are let in."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(running.home), "LC_ALL": "C.UTF-8"}
    log = running.home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ)

        def up() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                running.open()
            except IncompleteError:
                return False
            return True

        try:
            until(up, log.read_text)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def transmission(path: str, home: Path) -> Iterator[Running]:
    """Run transmission-daemon, which also watches home/watch."""
    port = free_port()
    (home / "watch").mkdir()
    settings = {
        "rpc-bind-address": "127.0.0.1",
        "rpc-port": port,
        "rpc-authentication-required": True,
        "rpc-username": "archivist",
        "rpc-password": PASSWORD,
        "bind-address-ipv4": "127.0.0.1",
        "bind-address-ipv6": "::1",
        "peer-port": free_port(),
        "dht-enabled": False,
        "lpd-enabled": False,
        "pex-enabled": False,
        "utp-enabled": False,
        "port-forwarding-enabled": False,
        "download-dir": str(home / "downloads"),
        "watch-dir": str(home / "watch"),
        "watch-dir-enabled": True,
    }
    (home / "settings.json").write_text(json.dumps(settings))
    running = Running(f"transmission:http://archivist@127.0.0.1:{port}/transmission/rpc", PASSWORD, home)
    with _process([path, "--foreground", "--config-dir", str(home)], running):
        yield running


@contextmanager
def qbittorrent(path: str, home: Path) -> Iterator[Running]:
    """Run qbittorrent-nox with the password that it has until it is told another."""
    port = free_port()
    config = home / "qBittorrent" / "config" / "qBittorrent.conf"
    config.parent.mkdir(parents=True)
    config.write_text(f"""[LegalNotice]
Accepted=true
[BitTorrent]
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\QueueingSystemEnabled=false
Session\\InterfaceAddress=127.0.0.1
Session\\Port={free_port()}
[Network]
PortForwardingEnabled=false
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\LocalHostAuth=true
WebUI\\UseUPnP=false
""")
    running = Running(f"qbittorrent:http://admin@127.0.0.1:{port}", "adminadmin", home)
    with _process([path, f"--profile={home}", f"--webui-port={port}"], running):
        yield running


@contextmanager
def aria2(path: str, home: Path) -> Iterator[Running]:
    """Run aria2c."""
    port = free_port()
    settings = {
        "enable-rpc": "true",
        "rpc-listen-port": port,
        "rpc-secret": PASSWORD,
        "dir": home / "downloads",
        "listen-port": free_port(),
        "interface": "127.0.0.1",
        "disable-ipv6": "true",
        "enable-dht": "false",
        "enable-dht6": "false",
        "bt-enable-lpd": "false",
        "enable-peer-exchange": "false",
        "seed-ratio": "0.0",
        "bt-detach-seed-only": "true",
    }
    (home / "aria2.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    running = Running(f"aria2:http://127.0.0.1:{port}", PASSWORD, home)
    with _process([path, f"--conf-path={home / 'aria2.conf'}"], running):
        yield running


CLIENTS = {"transmission-daemon": transmission, "qbittorrent-nox": qbittorrent, "aria2c": aria2}


@dataclass(frozen=True)
class Released:
    """A small release whose torrents name a web seed on loopback, and no tracker."""

    root: Path
    site: Site  # the web seed

    @property
    def tars(self) -> dict[str, bytes]:
        return {path.stem: path.read_bytes() for path in sorted((self.root / "shards").glob("*.tar"))}

    def torrent(self, name: str, version: str = "") -> bytes:
        return (self.root / "site" / "torrents" / f"{name}{version}.torrent").read_bytes()

    def handover(self, name: str, folder: Path, *, twin: bool = True, paused: bool = False) -> TorrentToAdd:
        return TorrentToAdd(
            name=name,
            torrent=self.torrent(name),
            twin_torrent=self.torrent(name, ".v1") if twin else None,
            save_path=folder,
            label="tones",
            paused=paused,
        )


def make_release(root: Path, site: Site) -> Released:
    """Make a release of some shards, and put their tars where its torrents say."""
    project = make_project(root)
    project.write_config(size="256 KiB", torrent=f'also_v1 = true\nweb_seeds = ["{site.address}shards/"]')
    config = root / "packager.toml"
    config.write_text(config.read_text().replace('trackers = [["udp://tracker.example.org:6969/announce"]]', ""))
    assert main(["release", "--json", "--config", str(config), "--workers", "1"]) == 0
    released = Released(root, site)
    site.files |= {f"shards/{name}.tar": data for name, data in released.tars.items()}
    return released


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
