"""A stranger's torrent, release or link names services of this machine: no command sends them anything."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.bittorrent import bencode
from packager.mirror.state import MirrorFolder
from tests.helpers.projects import Project

Capture = pytest.CaptureFixture[str]
NAME = "tones-all-00001"
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\n'
FOLLOW = ("--budget", "1 GB", "--reserve", "0", "--allow-unsigned", "--yes", "--seed-counts", "trackers")


@dataclass
class Listener:
    """A TCP and a UDP port of loopback at which nothing may arrive, and what did."""

    port: int
    arrived: list[str] = field(default_factory=list)

    def spellings(self, scheme: str = "http") -> list[str]:
        """Return addresses of it, in every spelling that a resolver takes for loopback."""
        hosts = ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0")
        return [f"{scheme}://{host}:{self.port}/" for host in hosts]


@contextmanager
def listening() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        found, over = Listener(stream.getsockname()[1]), threading.Event()
        datagrams.bind(("127.0.0.1", found.port))
        stream.settimeout(0.05)
        datagrams.settimeout(0.05)

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = stream.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    found.arrived.append(connection.recv(200).decode("latin-1"))
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        def receive() -> None:
            while not over.is_set():
                try:
                    found.arrived.append(f"udp {datagrams.recvfrom(2000)[0]!r}")
                except TimeoutError:
                    continue

        threads = [threading.Thread(target=each) for each in (accept, receive)]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            over.set()
            for thread in threads:
                thread.join()


@dataclass(frozen=True)
class Hostile:
    """A release in a folder, as a stranger hands it over, and the service that it is after."""

    root: Path
    listener: Listener

    @property
    def release(self) -> Path:
        return self.root / "site"

    @property
    def tar(self) -> Path:
        return self.root / "shards" / f"{NAME}.tar"

    @property
    def torrent(self) -> Path:
        return self.release / "torrents" / f"{NAME}.torrent"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """The release, whose trackers and web seeds are all on loopback."""
    with listening() as listener:
        project = Project(tmp_path_factory.mktemp("hostile") / "project")
        project.source.mkdir(parents=True)
        for number in range(3):
            (project.source / f"{number}.bin").write_bytes(bytes([number]) * 50_000)
        seeds = json.dumps([f"{each}delete/" for each in listener.spellings()])
        project.write_config(phases=PHASES, size="1 GiB", torrent=f'web_seeds = {seeds}\npiece_length = "16 KiB"\n')
        trackers = [[f"{each}announce"] for each in (*listener.spellings(), *listener.spellings("udp"))]
        config = project.root / "packager.toml"
        own = '[["udp://tracker.example.org:6969/announce"]]'
        config.write_text(config.read_text().replace(own, json.dumps(trackers)))
        assert main(["release", "--config", str(config), "--workers", "1"]) == 0
        config.unlink()  # who gets the release from a stranger has no project
        yield Hostile(project.root, listener)


@pytest.fixture
def hostile(made: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    """A copy of it, in which the tar is damaged."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made.root, tmp_path / "theirs")
    made.listener.arrived.clear()
    copy = Hostile(tmp_path / "theirs", made.listener)
    data = bytearray(copy.tar.read_bytes())
    data[60_000] ^= 1
    copy.tar.write_bytes(data)
    return copy


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def test_no_command_sends_anything_to_this_machine(hostile: Hostile, capsys: Capture) -> None:
    link = f"magnet:?xt=urn:btih:{'1' * 40}&dn={NAME}.tar&xl=160000&x.pk=1024:50000:{'ab' * 32}:0.bin"
    link += "".join(f"&ws={each}x&tr={each}announce" for each in hostile.listener.spellings())
    swarm = ("--from", "swarm", "--listen", "127.0.0.9:0", "--timeout", "1 s")
    release = ("--release", hostile.release)
    session = ("--listen", "127.0.0.9:0", "--for", "0.3 s")
    shutil.copytree(hostile.release, "alone/site")  # no tar is beside it
    codes = {
        ("inspect", hostile.torrent): 0,
        ("inspect", link): 0,
        ("inspect", hostile.release / "release.json"): 0,
        ("verify", hostile.tar, *release): 1,
        ("repair", hostile.tar, *release): 1,
        ("repair", hostile.tar, "--torrent", hostile.torrent, *swarm): 1,
        ("get", "0.bin", "--release", "alone/site", "--to", "got"): 1,
        ("get", "0.bin", "--release", "alone/site", "--to", "got", "--no-web-seeds", *swarm): 1,
        ("get", link, "--to", "got"): 1,
        ("get", link, "--to", "got", "--no-web-seeds", *swarm): 1,
        ("rebuild", NAME, *release, "--to", "new.tar", "--from", hostile.torrent.parent, *swarm): 3,
        ("mirror", "follow", hostile.release, "m", *FOLLOW, "--dry-run"): 0,
        ("mirror", "follow", hostile.release, "m", *FOLLOW, *session): 3,
        ("mirror", "sync", "m", "--yes", *session): 3,
        ("seed", hostile.tar, *release, *session): 1,
    }
    found = {each: run(*each) for each in codes}
    assert hostile.listener.arrived == []
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert {each: code for each, code in found.items() if code != codes[each]} == {}


def test_what_is_refused_is_told_with_the_option_that_allows_it(hostile: Hostile, capsys: Capture) -> None:
    port = hostile.listener.port
    assert run("repair", hostile.tar, "--release", hostile.release) == 1
    assert (
        f"127.0.0.1:{port}: not contacted: is at a loopback address, and the document that names it comes from "
        f"elsewhere; to allow it: --allow-host 127.0.0.1:{port}"
    ) in capsys.readouterr().out
    assert run("mirror", "follow", hostile.release, "m", *FOLLOW, "--dry-run") == 0
    assert f"udp://localhost:{port}/announce: not contacted: is at a loopback address" in capsys.readouterr().out
    assert hostile.listener.arrived == []
    assert run("repair", hostile.tar, "--release", hostile.release, "--allow-host", f"127.0.0.1:{port}") == 1
    asked = [each.split()[1] for each in hostile.listener.arrived]
    assert asked == [f"/delete/{NAME}.tar"] * len(asked) != []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"url-list", b"http://127.0.0.1:PORT/one"),
        (b"httpseeds", [b"http://127.0.0.1:PORT/two"]),
        (b"nodes", [[b"127.0.0.1", 0]]),
        (b"announce", b"http://localhost:PORT/announce?delete=all"),
    ],
)
def test_a_torrent_alone_sends_a_client_nowhere(hostile: Hostile, key: bytes, value: object, capsys: Capture) -> None:
    port = str(hostile.listener.port).encode()

    def with_port(each: object) -> object:
        if isinstance(each, list):
            return [with_port(item) for item in each]
        return each.replace(b"PORT", port) if isinstance(each, bytes) else int(port)

    torrent = bencode.decode(hostile.torrent.read_bytes(), "torrent")
    assert isinstance(torrent, dict)
    made = {name: torrent[name] for name in (b"info", b"piece layers") if name in torrent} | {key: with_port(value)}
    Path("x.torrent").write_bytes(bencode.encode(made))  # type: ignore[arg-type]
    session = ("--listen", "127.0.0.9:0", "--for", "0.3 s")
    assert run("inspect", "x.torrent") in (0, 1)
    assert run(
        "repair",
        hostile.tar,
        "--torrent",
        "x.torrent",
        "--from",
        "swarm",
        "--listen",
        "127.0.0.9:0",
        "--timeout",
        "1 s",
    ) in (
        1,
        2,
    )
    assert run("seed", hostile.tar, "--torrent", "x.torrent", *session) == 1
    assert hostile.listener.arrived == []
    assert "Traceback" not in capsys.readouterr().err


def test_a_mirror_keeps_the_hosts_that_it_was_allowed(hostile: Hostile) -> None:
    follow = ("mirror", "follow", hostile.release, "m", *FOLLOW[:-1], "list", "--client", "none")

    def kept() -> tuple[str, ...]:
        return MirrorFolder(Path("m")).required().settings.allow_hosts

    assert run(*follow, "--allow-host", "http://nas.example/") == 2
    assert not Path("m").exists()
    assert run(*follow, "--allow-host", "nas.example:80", "--allow-host", "10.0.0.0/8") == 0
    assert kept() == ("nas.example:80", "10.0.0.0/8")
    for again in (("mirror", "sync", "m", "--yes"), follow):
        assert run(*again) == 0
        assert kept() == ("nas.example:80", "10.0.0.0/8")
    assert run("mirror", "sync", "m", "--yes", "--allow-host", "other.example") == 0
    assert kept() == ("nas.example:80", "10.0.0.0/8")
    assert run(*follow, "--allow-host", "other.example") == 0
    assert kept() == ("other.example",)


def test_a_password_in_an_address_is_never_shown(hostile: Hostile, capsys: Capture) -> None:
    torrent = bencode.decode(hostile.torrent.read_bytes(), "torrent")
    assert isinstance(torrent, dict)
    secret = b"http://user:hunter2@127.0.0.1:1/"
    made = torrent | {b"url-list": [secret], b"announce": secret + b"announce", b"announce-list": [[secret]]}
    Path("x.torrent").write_bytes(bencode.encode(made))
    link = f"magnet:?xt=urn:btih:{'1' * 40}&ws=http%3A%2F%2Fuser%3Ahunter2%40host.example%2F"
    address = "https://user:hunter2@host.example/"
    refused = {
        ("inspect", "x.torrent"): 1,
        ("inspect", link): 1,
        ("repair", hostile.tar, "--torrent", "x.torrent"): 1,
        ("seed", hostile.tar, "--torrent", "x.torrent", "--listen", "127.0.0.9:0", "--for", "0.3 s"): 1,
        ("get", f"{link}&xl=9&dn=a.tar&x.pk=0:9:{'ab' * 32}:x", "--to", "got"): 1,
        ("get", "x", "--release", address): 2,
        ("verify", hostile.tar, "--release", address): 2,
        ("repair", hostile.tar, "--from", address): 2,
        ("mirror", "follow", address, "m", "--budget", "1 GB"): 2,
        ("torrent", hostile.tar, "--web-seed", address): 2,
        ("torrent", hostile.tar, "--tracker", "udp://user:hunter2@host.example:1"): 2,
    }
    for command, code in refused.items():
        assert run(*command) == code, command
        printed = capsys.readouterr()
        assert "a user name or a password" in printed.out + printed.err, command
        assert "hunter2" not in printed.out + printed.err, command
