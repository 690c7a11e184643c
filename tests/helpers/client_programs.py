"""Five real clients on loopback, each started with one torrent or magnet link and a folder to save to.

They meet nobody of their own accord: a seed connects to the port that they listen at. What they did is seen in the
files in the folder alone.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.waiting import free_port


@dataclass(frozen=True)
class Start:
    """What a client is started with. given: the path of a .torrent, or a magnet link. port: that it listens at."""

    given: str
    home: Path
    save: Path
    port: int

    @property
    def is_magnet(self) -> bool:
        return self.given.startswith("magnet:")


def aria2(start: Start) -> list[str]:
    """Return the command line of aria2c."""
    quiet = ["--no-conf", "--quiet", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]
    place = [f"--listen-port={start.port}", "--interface=127.0.0.1", "--disable-ipv6=true", f"--dir={start.save}"]
    return ["aria2c", *quiet, *place, "--seed-time=0", start.given]


def transmission(start: Start) -> list[str]:
    """Return the command line of transmission-cli, which is the library with nothing around it."""
    settings = {
        "bind-address-ipv4": "127.0.0.1",
        "bind-address-ipv6": "::1",
        "peer-port": start.port,
        "dht-enabled": False,
        "lpd-enabled": False,
        "utp-enabled": False,
        "port-forwarding-enabled": False,
    }
    (start.home / "settings.json").write_text(json.dumps(settings))
    options = ["--config-dir", str(start.home), "--download-dir", str(start.save), "--port", str(start.port)]
    return ["transmission-cli", *options, "--no-portmap", start.given]


def qbittorrent(start: Start) -> list[str]:
    """Return the command line of qbittorrent-nox, which takes a torrent from its command line without a question."""
    config = start.home / "qBittorrent" / "config" / "qBittorrent.conf"
    config.parent.mkdir(parents=True)
    config.write_text(f"""[LegalNotice]
Accepted=true
[BitTorrent]
Session\\AddTorrentStopped=false
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\InterfaceAddress=127.0.0.1
Session\\Port={start.port}
Session\\DefaultSavePath={start.save}
[Network]
PortForwardingEnabled=false
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\UseUPnP=false
""")
    options = [f"--profile={start.home}", f"--webui-port={free_port()}", f"--save-path={start.save}"]
    return ["qbittorrent-nox", *options, "--add-paused=false", start.given]


def deluge(start: Start) -> list[str]:
    """Return a shell that runs deluged and adds the torrent by deluge-console, which is how Deluge is run by hand."""
    core = {
        "listen_interface": "127.0.0.1",
        "outgoing_interface": "127.0.0.1",
        "listen_ports": [start.port, start.port],
        "random_port": False,
        "dht": False,
        "lsd": False,
        "upnp": False,
        "natpmp": False,
        "utpex": False,
        "daemon_port": free_port(),
        "download_location": str(start.save),
    }
    head = json.dumps({"file": 1, "format": 1})
    (start.home / "core.conf").write_text(head + json.dumps(core))
    console = f"deluge-console -c {shlex.quote(str(start.home))} -d 127.0.0.1 -p {core['daemon_port']}"
    login = '-U localclient -P "$(cut -d: -f2 auth)"'
    add = shlex.quote(f"add -p {start.save} {start.given}")
    script = f"""
cd {shlex.quote(str(start.home))}
deluged --do-not-daemonize --config . --logfile deluged.log &
until {console} {login} status >/dev/null 2>&1; do sleep 0.2; done
{console} {login} {add}
wait
"""
    return ["sh", "-c", script]


def rtorrent(start: Start) -> list[str]:
    """Return the command line of rtorrent, with no terminal."""
    (start.home / "rc").write_text(f"""system.daemon.set = true
session.path.set = {start.home}
directory.default.set = {start.save}
network.bind_address.set = 127.0.0.1
network.port_range.set = {start.port}-{start.port}
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = no
log.open_file = "log", {start.home}/rtorrent.log
log.add_output = "info", "log"
""")
    return ["rtorrent", "-n", "-o", f"import={start.home}/rc", start.given]


CLIENTS: dict[str, Callable[[Start], list[str]]] = {
    "aria2c": aria2,
    "transmission-cli": transmission,
    "qbittorrent-nox": qbittorrent,
    "deluged": deluge,
    "rtorrent": rtorrent,
}


@contextmanager
def running(name: str, start: Start) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a client, and all that it starts, until the block ends; what it says is in home/log."""
    start.home.mkdir()
    start.save.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(start.home), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    with (
        (start.home / "log").open("wb") as log,
        subprocess.Popen(
            CLIENTS[name](start),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environ,
            process_group=0,
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


def version(name: str) -> str:
    """Return a client's version as it tells it."""
    option = "-h" if name == "rtorrent" else "--version"
    said = subprocess.run([name, option], capture_output=True, text=True, check=False)
    words = (said.stdout + said.stderr).replace(".\n", "\n").split()
    return next(word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit())
