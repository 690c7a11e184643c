"""Connections go to the address that was checked, however a name, a redirect or a proxy tries to turn them."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from packager.engine import urls
from packager.engine.resolver import permitted_urls
from packager.engine.retrying import seconds_asked
from packager.engine.udp_tracker import UdpTracker
from packager.engine.urls import Web
from packager.errors import IncompleteError, InputError
from packager.hosts import NO_HOSTS, allowed_hosts
from tests.servers import LOOPBACK, serving

DATA = bytes(range(256)) * 40
PUBLIC = "192.31.196.1"  # of AS112: public, and nobody answers there; no test connects to it
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def answering(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """Answer requests on 127.0.0.1; yield the port, and the addresses that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']} {self.path}")
            answer(self)

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients of these tests hang up on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


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
            Web(allowed=allowed, seconds=2) as web,
            pytest.raises(InputError, match="not contacted: is at a loopback address"),
        ):
            web.fetch(address, limit=len(DATA))
        with Web(allowed=allowed, seconds=2) as web, pytest.raises(InputError, match="not contacted"):
            web.fetch(address, limit=len(DATA))
    assert (asked, connected, len(looked_up)) == ([], [PUBLIC], 3)


def test_the_connection_goes_to_the_address_that_was_checked(
    resolver: Callable[..., list[str]], connected: list[str]
) -> None:
    looked_up = resolver("nas.example", ["127.0.0.1"], ["10.255.255.1"])
    with answering(lambda handler: send(handler, 200, DATA)) as (port, asked):
        with Web(allowed=allowed_hosts([f"nas.example:{port}"])) as web:
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
        with Web(seconds=2) as web, pytest.raises((InputError, IncompleteError)) as refused:
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
                with Web(allowed=allowed) as web, pytest.raises(InputError, match=r"--allow-host localhost"):
                    web.fetch(address, limit=len(DATA))
            assert len(asked) == 2
            assert inner.requests == 0
            with Web(allowed=allowed_hosts(["127.0.0.1", "localhost"])) as web:
                assert web.fetch(address, limit=len(DATA)) == DATA


@pytest.mark.parametrize("header", ["1", "date"])
def test_a_busy_server_is_asked_again_when_it_says(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(urls, "time", _Clock(paused))
    answers = iter((429, 503, 200))

    def busy(handler: BaseHTTPRequestHandler) -> None:
        later = format_datetime(dt.datetime.fromtimestamp(time.time() + 30, dt.UTC), usegmt=True)
        send(handler, next(answers), DATA, Retry_After=later if header == "date" else "30")

    with answering(busy) as (port, asked), Web(allowed=LOOPBACK, pause=0.5) as web:
        assert web.fetch(f"http://127.0.0.1:{port}/x", limit=len(DATA)) == DATA
    assert len(asked) == 3
    assert len(set(paused)) == 2
    for least, most, pause in zip((0.25, 0.5), (0.5, 1.0), paused, strict=True):  # jitter beside what it asked
        assert 28 + least <= pause <= 30 + most


class _Clock:
    """The time, in which nobody sleeps."""

    def __init__(self, paused: list[float]) -> None:
        self.sleep = paused.append

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


def test_a_server_that_asks_for_an_hour_is_given_up_with_its_own_words() -> None:
    with answering(lambda handler: send(handler, 503, Retry_After="3600")) as (port, asked):
        with Web(allowed=LOOPBACK) as web, pytest.raises(IncompleteError, match=r"answers 503 .* asks to wait 1 h"):
            web.fetch(f"http://127.0.0.1:{port}/x", limit=5)
        assert len(asked) == 1


def test_what_a_server_asks_to_wait_is_read_in_both_forms() -> None:
    now = 1_700_000_000
    date = format_datetime(dt.datetime.fromtimestamp(now + 90, dt.UTC), usegmt=True)
    asked = {"0": 0, " 17 ": 17, date: 90, "9" * 400: 999_999_999, "Tue, 14 Nov 2023 22:13:20": 0}
    assert {each: seconds_asked(each, now) for each in asked} == asked
    for nonsense in ("", "-5", "1.5", "soon", "Wed, 99 Nov 2023 22:13:20 GMT", "\N{SUPERSCRIPT TWO}", "0" * 9 + "x"):
        assert seconds_asked(nonsense, now) == 0
    assert seconds_asked(format_datetime(dt.datetime.fromtimestamp(5, dt.UTC)), now) == 0


@pytest.mark.parametrize("of", ["a range", "a file"])
def test_a_server_that_sends_a_byte_at_a_time_is_given_up_in_bounded_time(of: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206 if of == "a range" else 200)
        handler.send_header("Content-Range", f"bytes 0-{(16 << 20) - 1}/{1 << 30}")
        handler.send_header("Content-Length", str(16 << 20))
        handler.end_headers()
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.02)

    with answering(drip) as (port, asked), Web(seconds=0.3, allowed=LOOPBACK) as web:
        began = time.monotonic()
        address = f"http://127.0.0.1:{port}/x"
        read = partial(web.read_range, address, 0, 16 << 20, size=1 << 30)
        with pytest.raises(IncompleteError, match=r"sent [0-9]+ bytes in 0 s, which is too slow"):
            read() if of == "a range" else web.fetch(address, limit=16 << 20)
        assert time.monotonic() - began < 60  # it would take hours
    assert len(asked) == 1


def test_a_slow_server_that_keeps_the_least_rate_is_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "SLOWEST", 20)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for at in range(0, 60, 10):
            handler.wfile.write(DATA[at : at + 10])
            time.sleep(0.1)
        handler.close_connection = True

    with answering(slow) as (port, _), Web(seconds=0.25, allowed=LOOPBACK) as web:
        assert web.fetch(f"http://127.0.0.1:{port}/x", limit=100, seconds=60) == DATA[:60]


@pytest.mark.parametrize("most", [1, 700, 1 << 20])
def test_an_answer_shorter_than_the_range_is_continued(most: int) -> None:
    def some(handler: BaseHTTPRequestHandler) -> None:
        start, stop = (int(each) for each in handler.headers["Range"].removeprefix("bytes=").split("-"))
        stop = min(stop + 1, start + most)
        send(handler, 206, DATA[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{len(DATA)}")

    with answering(some) as (port, asked), Web(allowed=LOOPBACK) as web:
        address = f"http://127.0.0.1:{port}/x"
        assert web.read_range(address, 5, 105, size=len(DATA)) == DATA[5:105]
        assert len(asked) == -(-100 // most)
        if most == 1:
            with pytest.raises(InputError, match="in more than 256 parts"):
                web.read_range(address, 0, 300, size=len(DATA))
        else:
            assert web.read_range(address, 0, len(DATA), size=len(DATA)) == DATA


@pytest.mark.parametrize("given", ["bytes 6-104/10240", "bytes 5-105/10240", "bytes 5-4/10240", "bytes 0-104/10240"])
def test_an_answer_that_does_not_begin_the_range_is_refused(given: str) -> None:
    with answering(lambda handler: send(handler, 206, DATA[5:105], Content_Range=given)) as (port, asked):
        with Web(allowed=LOOPBACK) as web, pytest.raises(InputError, match="sends the range"):
            web.read_range(f"http://127.0.0.1:{port}/x", 5, 105, size=len(DATA))
        assert len(asked) == 1


@pytest.mark.parametrize("encoding", ["aws-chunked", "AWS-Chunked", "aws-chunked, identity", ""])
def test_the_encoding_that_stores_repeat_of_an_upload_is_no_encoding(encoding: str) -> None:
    plain = partial(send, status=200, body=DATA, Content_Encoding=encoding)
    with answering(plain) as (port, _), Web(allowed=LOOPBACK) as web:
        assert web.fetch(f"http://127.0.0.1:{port}/x", limit=len(DATA)) == DATA


@pytest.mark.parametrize("encoding", ["aws-chunked, gzip", "br", "chunked"])
def test_a_packed_body_is_refused(encoding: str) -> None:
    packed = partial(send, status=200, body=DATA, Content_Encoding=encoding)
    refused = pytest.raises(InputError, match="sends its bytes packed")
    with answering(packed) as (port, _), Web(allowed=LOOPBACK) as web, refused:
        web.fetch(f"http://127.0.0.1:{port}/x", limit=len(DATA))


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
            Web(allowed=LOOPBACK) as web,
            pytest.raises(InputError, match=r"certificate is not trusted .*set SSL_CERT_FILE to a file"),
        ):
            web.fetch(address, limit=len(DATA))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Web(allowed=LOOPBACK) as web:
            assert web.requests == 0
            assert web.fetch(address, limit=len(DATA)) == DATA
        assert len(asked) == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("none.pem")))
        with pytest.raises(InputError, match="SSL_CERT_FILE: the certificates that it names cannot be read"):
            Web().__enter__()


def test_the_name_in_the_certificate_is_checked_and_not_the_address(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, resolver: Callable[..., list[str]]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resolver("other.example", ["127.0.0.1"])
    with answering(lambda handler: send(handler, 200, DATA), tls=server_side(certificate)) as (port, asked):
        with Web(allowed=LOOPBACK) as web:
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
            Web(allowed=allowed_hosts(["*", "127.0.0.1"])) as web,
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
        with Web(seconds=2) as web:
            assert web.fetch("http://known-to-the-proxy.invalid/x", limit=len(DATA)) == DATA
            for refused in ("127.0.0.1", "localhost:8080", "inner.example", "0x7f.1", "[::1]"):
                with pytest.raises(InputError, match="not contacted"):
                    web.fetch(f"http://{refused}/x", limit=len(DATA))
        assert asked == ["known-to-the-proxy.invalid http://known-to-the-proxy.invalid/x"]
    for wrong in ("socks5://127.0.0.1:1", "gopher://x"):
        monkeypatch.setenv("http_proxy", wrong)
        with Web(allowed=LOOPBACK) as web, pytest.raises(InputError, match="HTTPS_PROXY: names no HTTP proxy"):
            web.fetch("http://127.0.0.1/x", limit=5)


def test_an_address_with_a_password_is_not_asked(resolver: Callable[..., list[str]]) -> None:
    looked_up = resolver("host.example", [PUBLIC])
    for address in ("http://user:hunter2@host.example/x", "https://hunter2@host.example/"):
        with Web() as web, pytest.raises(InputError, match="holds a user name or a password") as refused:
            web.read_range(address, 0, 5)
        assert "hunter2" not in str(refused.value)
    assert looked_up == []
