"""Connections go to the address that was checked, however a name, a redirect or a proxy tries to turn them."""

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from packager.core.bittorrent import bencode
from packager.core.http.allowed_hosts import NO_HOSTS, allowed_hosts
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.http_client import HttpClient
from packager.engine.network.libtorrent_session import TorrentSession, open_session
from packager.engine.network.resolver import permitted_urls
from packager.engine.network.udp_tracker import UdpTracker
from packager.errors import IncompleteError, InputError
from packager.model import ShardName
from tests.helpers.http_server import LOOPBACK, answering, send, serving
from tests.helpers.waiting import until

DATA = bytes(range(256)) * 40
PUBLIC = "192.31.196.1"  # of AS112: public, and nobody answers there; no test connects to it


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what makes a name resolve to these addresses, one answer after another, the last for ever."""
    real = socket.getaddrinfo

    def install(name: str, *answers: Sequence[str]) -> list[str]:
        looked_up: list[str] = []

        def look_up(host: str, port: int, *rest: object, **more: object) -> list[object]:
            if host != name:
                return list(real(host, port, *rest, **more))  # type: ignore[arg-type]
            found = answers[min(len(looked_up), len(answers) - 1)]
            looked_up.append(host)
            family = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in found]
            return [(kind, socket.SOCK_STREAM, 6, "", (each, port)) for kind, each in zip(family, found, strict=True)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return looked_up

    return install


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The IP addresses that were connected to; those that are public refuse, and nothing leaves this machine."""
    import anyio

    real, seen = anyio.connect_tcp, []

    async def connect(remote_host: str, *rest: object, **more: object) -> object:
        seen.append(remote_host)
        if remote_host == PUBLIC:
            raise ConnectionRefusedError("refused")
        return await real(remote_host, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    return seen


@pytest.mark.parametrize("by", ["a document", "the user"])
def test_a_name_that_changes_to_an_address_of_ours_reaches_nothing(
    by: str, resolver: Callable[..., list[str]], connected: list[str]
) -> None:
    name = f"rebinding-{by[-4:]}.example"
    looked_up = resolver(name, [PUBLIC], ["127.0.0.1"])
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        address = f"http://{name}:{port}/"
        allowed = NO_HOSTS.with_origin(address) if by == "the user" else NO_HOSTS
        with (
            HttpClient(allowed=allowed, seconds=2) as web,
            pytest.raises(InputError, match="not contacted: is at a loopback address"),
        ):
            web.fetch(address, limit=len(DATA))
        with HttpClient(allowed=allowed, seconds=2) as web, pytest.raises(InputError, match="not contacted"):
            web.fetch(address, limit=len(DATA))
    assert (asked, connected, len(looked_up)) == ([], [PUBLIC], 3)


def test_the_connection_goes_to_the_address_that_was_checked(
    resolver: Callable[..., list[str]], connected: list[str]
) -> None:
    looked_up = resolver("nas.example", ["127.0.0.1"], ["10.255.255.1"])
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        with HttpClient(allowed=allowed_hosts([f"nas.example:{port}"])) as web:
            assert web.fetch(f"http://nas.example:{port}/x", limit=len(DATA)) == DATA
            assert web.fetch(f"http://nas.example:{port}/y", limit=len(DATA)) == DATA
        assert asked == [f"nas.example:{port} /x", f"nas.example:{port} /y"]
    assert (connected, looked_up) == (["127.0.0.1"], ["nas.example"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"],
)
def test_no_spelling_of_this_machine_is_contacted(host: str) -> None:
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        with HttpClient(seconds=2) as web, pytest.raises((InputError, IncompleteError)) as refused:
            web.read_range(f"http://{host}:{port}/x", 0, 10)
        sentences = ("not contacted", "is not a web address", "could not be read")  # where this machine has no IPv6
        assert any(each in str(refused.value) for each in sentences)
        assert permitted_urls([f"http://{host}:{port}/x", f"udp://{host}:{port}"], NO_HOSTS) == []
        with pytest.raises((InputError, IncompleteError)), UdpTracker(f"udp://{host}:{port}/announce", seconds=0.1):
            pass
    assert asked == []


def test_each_hop_of_a_redirect_is_checked() -> None:
    with serving({"x": DATA}) as inner:

        def away(handler: BaseHTTPRequestHandler) -> None:
            send(handler, 302, Location=inner.address.replace("127.0.0.1", "localhost") + "x")

        with answering(away) as (port, asked):
            address = f"http://127.0.0.1:{port}/x"
            by_pattern = allowed_hosts([f"127.0.0.1:{port}", "*"])
            for allowed in (NO_HOSTS.with_addresses([address]), by_pattern):
                with HttpClient(allowed=allowed) as web, pytest.raises(InputError, match=r"--allow-host localhost"):
                    web.fetch(address, limit=len(DATA))
            assert len(asked) == 2
            assert inner.requests == 0
            with HttpClient(allowed=allowed_hosts(["127.0.0.1", "localhost"])) as web:
                assert web.fetch(address, limit=len(DATA)) == DATA


def test_libtorrent_is_kept_from_the_same_addresses_whatever_it_looks_up_itself(
    resolver: Callable[..., list[str]], tmp_path: Path
) -> None:
    resolver("localhost", [PUBLIC])  # libtorrent asks the system's own resolver, which says 127.0.0.1
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        address = f"http://localhost:{port}/"
        assert permitted_urls([address], NO_HOSTS) == [address]
        info = {b"name": b"x", b"length": len(DATA), b"piece length": 16384, b"pieces": bytes(20)}
        torrent = bencode.encode({b"info": info, b"announce": f"{address}announce".encode()})
        said: list[str] = []
        with TorrentSession(PeerOptions(), may_write=True) as downloads:
            downloads.add(ShardName("x"), torrent, tmp_path / "x", web_seeds=[f"{address}x"], verified=False)

            def are_refused() -> bool:
                said.extend(downloads.wait(0.05))
                return any("127.0.0.1: no peer is met" in line for line in said) and any(
                    f"{address}announce" in line and "banned by IP filter" in line for line in said
                )

            until(are_refused, lambda: said)
        assert asked == []


@pytest.mark.parametrize(
    ("reach", "peers", "open_to"),
    [
        (PeerOptions(), [], []),
        (PeerOptions(address="127.0.0.9"), [], ["127.0.0.1"]),
        (PeerOptions(allowed=allowed_hosts(["10.0.0.0/8"])), [], ["10.1.2.3"]),
        (
            PeerOptions(allowed=allowed_hosts(["localhost"])),
            ["fd00::1", "fe80::1%lo"],
            ["127.0.0.1", "fd00::1", "fe80::1"],
        ),
        (
            PeerOptions(allowed=NO_HOSTS.with_origin("http://192.168.1.5/")),
            ["169.254.1.1"],
            ["192.168.1.5", "169.254.1.1"],
        ),
    ],
)
def test_a_session_is_open_to_public_addresses_and_those_that_are_allowed(
    reach: PeerOptions, peers: list[str], open_to: list[str]
) -> None:
    private = ["127.0.0.1", "10.1.2.3", "192.168.1.5", "169.254.1.1", "fd00::1", "fe80::1", "0.0.0.0", "100.64.0.1"]
    found = open_session(reach, 0, peers).get_ip_filter()
    assert [each for each in private if not found.access(each)] == [each for each in private if each in open_to]
    assert not found.access(PUBLIC)
    assert not found.access("2606:4700::1111")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that it signed itself, and its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_is_not_trusted_is_told_once_with_the_fix(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(lambda handler: send(handler, 200, DATA), tls=server_side(certificate)) as (port, asked):
        address = f"https://127.0.0.1:{port}/x"
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with (
            HttpClient(allowed=LOOPBACK) as web,
            pytest.raises(InputError, match=r"certificate is not trusted .*set SSL_CERT_FILE to a file"),
        ):
            web.fetch(address, limit=len(DATA))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with HttpClient(allowed=LOOPBACK) as web:
            assert web.requests == 0
            assert web.fetch(address, limit=len(DATA)) == DATA
        assert len(asked) == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("none.pem")))
        with pytest.raises(InputError, match="SSL_CERT_FILE: the certificates that it names cannot be read"):
            HttpClient().__enter__()


def test_the_name_in_the_certificate_is_checked_and_not_the_address(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, resolver: Callable[..., list[str]]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resolver("other.example", ["127.0.0.1"])
    with answering(lambda handler: send(handler, 200, DATA), tls=server_side(certificate)) as (port, asked):
        with HttpClient(allowed=LOOPBACK) as web:
            assert web.fetch(f"https://localhost:{port}/x", limit=len(DATA)) == DATA
            with pytest.raises(InputError, match=r"certificate is not trusted .*other\.example"):
                web.fetch(f"https://other.example:{port}/x", limit=len(DATA))
        assert asked == [f"localhost:{port} /x"]


def test_a_redirect_from_https_to_http_is_not_followed(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = server_side(certificate)
    with serving({"x": DATA}) as plain:
        with (
            answering(lambda handler: send(handler, 302, Location=f"{plain.address}x"), tls=tls) as (port, asked),
            HttpClient(allowed=allowed_hosts(["*", "127.0.0.1"])) as web,
            pytest.raises(InputError, match="redirects from https to"),
        ):
            web.fetch(f"https://127.0.0.1:{port}/x", limit=len(DATA))
        assert len(asked) == 1
        assert plain.requests == 0


def test_a_proxy_of_the_environment_is_used_and_the_rule_holds(
    monkeypatch: pytest.MonkeyPatch, resolver: Callable[..., list[str]]
) -> None:
    resolver("inner.example", ["10.0.0.5"])
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "direct.example")
        with HttpClient(seconds=2) as web:
            assert web.fetch("http://known-to-the-proxy.invalid/x", limit=len(DATA)) == DATA
            for refused in ("127.0.0.1", "localhost:8080", "inner.example", "0x7f.1", "[::1]"):
                with pytest.raises(InputError, match="not contacted"):
                    web.fetch(f"http://{refused}/x", limit=len(DATA))
        assert asked == ["known-to-the-proxy.invalid http://known-to-the-proxy.invalid/x"]
    for wrong in ("socks5://127.0.0.1:1", "gopher://x"):
        monkeypatch.setenv("http_proxy", wrong)
        with HttpClient(allowed=LOOPBACK) as web, pytest.raises(InputError, match="HTTPS_PROXY: names no HTTP proxy"):
            web.fetch("http://127.0.0.1/x", limit=5)


def test_an_address_with_a_password_is_not_asked(resolver: Callable[..., list[str]]) -> None:
    looked_up = resolver("host.example", [PUBLIC])
    for address in ("http://user:hunter2@host.example/x", "https://hunter2@host.example/"):
        with HttpClient() as web, pytest.raises(InputError, match="holds a user name or a password") as refused:
            web.read_range(address, 0, 5)
        assert "hunter2" not in str(refused.value)
    assert looked_up == []
