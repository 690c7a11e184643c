"""Where a client is and how it is reached: no password stands in an address, a message or a log."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.clients import aria2, client_errors, open_client, qbittorrent, transmission
from packager.engine.clients.client_url import EXAMPLES, PATHS, VARIABLE, ClientUrl, parse_client_url, with_password
from packager.errors import IncompleteError, InputError
from tests.helpers.waiting import free_port

KINDS = list(PATHS)
SECRET = "hunter2-is-secret"


@dataclass
class Answer:
    """What a server says to everything, and what it was told."""

    status: int
    body: bytes
    headers: dict[str, str]
    told: bytearray = field(default_factory=bytearray)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        answer = cast("_Server", self.server).answer
        answer.told += bytes(self.headers) + self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST  # noqa: N815 -- the name that http.server wants


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[Answer]:
    """Answer everything alike on 127.0.0.1 while the block runs."""
    answer = Answer(status, body, headers)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.answer = answer
        answer.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield answer
        finally:
            server.shutdown()
            thread.join()


def no_secret(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("qbittorrent:http://127.0.0.1:8080", ("http://127.0.0.1:8080", None)),
        ("qbittorrent:https://me@box.example/qbt/", ("https://box.example/qbt/", "me")),
        ("qbittorrent:http://a%40b@[::1]:8080", ("http://[::1]:8080", "a@b")),
        ("transmission:http://127.0.0.1:9091", ("http://127.0.0.1:9091/transmission/rpc", None)),
        ("transmission:http://127.0.0.1:9091/", ("http://127.0.0.1:9091/transmission/rpc", None)),
        ("transmission:https://me@box.example/x/rpc", ("https://box.example/x/rpc", "me")),
        ("aria2:http://127.0.0.1:6800", ("http://127.0.0.1:6800/jsonrpc", None)),
        ("watch:/srv/a:b@c?d", ("/srv/a:b@c?d", None)),
        ("watch-v1:here", ("here", None)),
    ],
)
def test_an_address_is_read(spec: str, address: tuple[str, str | None]) -> None:
    read = parse_client_url(spec)
    assert (read.target, read.user) == address
    assert (read.spec, read.kind, read.password) == (spec, spec.partition(":")[0], None)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            "qbitorrent:http://127.0.0.1:8080",
            '--client: "qbitorrent" is no client that is known here; did you mean "qbittorrent:http://127.0.0.1:8080"?',
        ),
        (
            "deluge:http://127.0.0.1",
            '--client: "deluge" is no client that is known here; '
            "they are qbittorrent, transmission, aria2, watch, watch-v1",
        ),
        ("watch", '--client: "watch" lacks its address; write it as "watch:/path/of/folder"'),
        ("aria2:", '--client: "aria2" lacks its address; write it as "aria2:http://127.0.0.1:6800/jsonrpc"'),
        (
            "qbittorrent:127.0.0.1:8080",
            '--client qbittorrent: "127.0.0.1:8080" is not a URL; did you mean "https://127.0.0.1:8080"?',
        ),
        (
            "transmission:http://me:hunter2@127.0.0.1:9091",
            "--client transmission: the address holds a password, which others can read in the list of processes; put "
            "it into PACKAGER_CLIENT_PASSWORD or netrc, and write "
            '"transmission:http://127.0.0.1:9091/transmission/rpc"',
        ),
        (
            "aria2:http://127.0.0.1:6800/jsonrpc?token=hunter2",
            '--client aria2: the address holds "?" or "#"; put it into PACKAGER_CLIENT_PASSWORD or netrc, and write '
            '"aria2:http://127.0.0.1:6800/jsonrpc"',
        ),
    ],
)
def test_a_wrong_address_is_told_in_one_sentence(spec: str, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_client_url(spec)
    assert str(refused.value) == sentence


@given(
    kind=st.sampled_from(KINDS),
    before=st.sampled_from(["http://", "https://", "HTTP://", "", "//", "ftp://"]),
    user=st.text(max_size=5),
    secret=st.text(min_size=8, max_size=20),
)
@settings(max_examples=300)
def test_a_password_in_an_address_is_refused_and_never_repeated(kind: str, before: str, user: str, secret: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_client_url(f"{kind}:{before}{user}:{secret}@127.0.0.1:8080")
    assert "the address holds a password" in str(refused.value)
    assert secret not in str(refused.value).replace(EXAMPLES[kind], "")


@given(kind=st.sampled_from([*EXAMPLES, "", "x"]), rest=st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_is_an_address_or_is_refused_with_a_sentence(kind: str, rest: str) -> None:
    try:
        assert parse_client_url(f"{kind}:{rest}").kind == kind
    except InputError as error:
        sentence = str(error)
    else:
        sentence = ""
    assert "\n" not in sentence


NETRC = """machine 127.0.0.1 login archivist password "of netrc"
default login anonymous password everybody
"""


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        ("transmission:http://127.0.0.1:9091", {}, ("archivist", "of netrc")),
        ("transmission:http://archivist@127.0.0.1:9091", {}, ("archivist", "of netrc")),
        ("transmission:http://other@127.0.0.1:9091", {}, ("other", None)),
        ("transmission:http://box.example", {}, (None, None)),
        ("transmission:http://127.0.0.1:9091", {VARIABLE: "given"}, (None, "given")),
        ("aria2:http://127.0.0.1:6800", {VARIABLE: ""}, (None, "")),
        ("watch:127.0.0.1", {VARIABLE: "given"}, (None, None)),
    ],
)
def test_a_password_is_the_environments_or_that_of_netrc_for_this_host_and_user(
    tmp_path: Path, spec: str, given: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    (tmp_path / ".netrc").chmod(0o600)
    found = with_password(parse_client_url(spec), {"HOME": str(tmp_path)} | given)
    assert (found.user, found.password) == expected
    assert found.password is None or not found.password or found.password not in repr(found)


def test_a_netrc_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text(f"machine 127.0.0.1\n{SECRET}\n")
    with pytest.raises(
        InputError, match=r"looked up here, and line \d is wrong; .*PACKAGER_CLIENT_PASSWORD"
    ) as refused:
        with_password(parse_client_url("aria2:http://127.0.0.1:6800"), {"NETRC": str(tmp_path / "passwords")})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there_is_told_in_one_sentence(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = f"{kind}:http://127.0.0.1:{free_port()}"
    with caplog.at_level(logging.DEBUG), pytest.raises(IncompleteError) as refused:
        open_client(spec, {VARIABLE: SECRET})
    assert str(refused.value) == (
        f"{spec}: does not answer (Connection refused); start {kind} with its remote control on, or correct the address"
    )
    assert SECRET not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", ["http://nowhere.invalid", "http://127.0.0.1:99999"])
def test_a_host_that_is_none_is_an_error_of_ours(kind: str, spec: str, tmp_path: Path) -> None:
    with pytest.raises((IncompleteError, InputError)) as refused:
        open_client(f"{kind}:{spec}", no_secret(tmp_path))
    assert spec in str(refused.value)


PAGES: list[tuple[int, bytes]] = [
    (200, b"<html><title>It works</title></html>"),
    (200, b""),
    (200, b"[]"),
    (200, b"null"),
    (200, b'{"result": "success", "arguments": {}}'),
    (200, b'{"result": 1, "error": 2}'),
    (200, b'{"result": {"version": []}}'),
    (404, b"<html>nothing here</html>"),
    (204, b""),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "body"), PAGES, ids=range(len(PAGES)))
def test_another_program_at_the_address_is_told_in_one_sentence(
    kind: str, status: int, body: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(status, body) as answer, pytest.raises(InputError) as refused:
        open_client(f"{kind}:{answer.address}", {VARIABLE: SECRET})
    assert str(refused.value).startswith(f"{kind}:{answer.address}: ")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_password_does_not_follow_a_redirect(kind: str, status: int) -> None:
    with answering(200) as stranger, answering(status, Location=f"{stranger.address}/x") as answer:
        user = "" if kind == "aria2" else "me@"
        with pytest.raises((InputError, IncompleteError)):
            open_client(f"{kind}:http://{user}{answer.address.removeprefix('http://')}", {VARIABLE: SECRET})
    assert answer.told
    assert SECRET.encode() not in stranger.told
    assert b"Authorization" not in stranger.told


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_goes_to_no_proxy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        with pytest.raises(IncompleteError):
            open_client(f"{kind}:http://127.0.0.1:{free_port()}", {VARIABLE: SECRET})
        assert not proxy.told


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_says_nothing_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client_errors, "SECONDS", 0.2)
    with _Server(("127.0.0.1", 0), _Handler) as listening:  # it takes connections, and nobody reads them
        spec = f"{kind}:http://127.0.0.1:{listening.server_address[1]}"
        with pytest.raises(IncompleteError) as refused:
            open_client(spec, no_secret(tmp_path))
    assert str(refused.value).startswith(f"{spec}: does not answer (timed out)")


def test_a_transmission_too_old_is_refused(tmp_path: Path) -> None:
    body = b'{"result": "success", "arguments": {"version": "2.31 (12441)", "rpc-version": 13}}'
    with answering(200, body) as answer, pytest.raises(InputError, match=r"Transmission 2\.31 is too old"):
        open_client(f"transmission:{answer.address}", no_secret(tmp_path))


@pytest.mark.parametrize(
    ("library", "kind", "package"),
    [("qbittorrentapi", "qbittorrent", "qbittorrent-api"), ("transmission_rpc", "transmission", "transmission-rpc")],
)
def test_a_library_that_is_not_installed_is_named_with_its_package(
    library: str, kind: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"packager.engine.clients.{kind}", raising=False)
    with pytest.raises(InputError) as refused:
        open_client(f"{kind}:http://127.0.0.1:1", no_secret(tmp_path))
    assert str(refused.value) == (
        f"{kind}:http://127.0.0.1:1: the library {library} is not installed; run: pip install {package}"
    )


def test_each_version_of_a_client_is_given_what_it_uses_rightly() -> None:
    assert transmission.supported_versions("3.00 (bb6b5a062e)") == ("v1",)
    assert transmission.supported_versions("4.0.6 (38c164933e)") == ("hybrid", "v1")
    assert transmission.supported_versions("10.1") == ("hybrid", "v1")
    assert transmission.supported_versions("unknown") == ("v1",)
    assert [aria2.supported_versions(version) for version in ("1.36.0", "", "x")] == [("v1",)] * 3
    assert [aria2.supported_versions(version) for version in ("1.37.0", "2.0", "1.100")] == [("hybrid", "v1")] * 3
    assert qbittorrent.supported_versions("1.2.19.0") == ("hybrid", "v1")
    assert qbittorrent.supported_versions("2.0.8.0") == ("hybrid", "v2", "v1")


def test_an_address_does_not_print_its_password() -> None:
    assert SECRET not in repr(ClientUrl("aria2", "aria2:http://h", "http://h", None, SECRET))
