"""Clients that want what is not theirs, or the server's time and memory, get neither."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.helpers.projects import make_project
from tests.helpers.serve_process import Served, released, serving
from tests.helpers.waiting import PATIENCE


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = make_project(tmp_path_factory.mktemp("hostile") / "p", files=3)
    released(project, virtual=True)
    site = project.root / "site"
    (site / ".hidden").write_bytes(b"secret")
    (site / "link.txt").symlink_to(project.root / "packager.toml")
    (site / "linked").symlink_to(project.source)
    with serving(project) as running:
        yield running


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def ask(served: Served, target: str, more: str = "") -> bytes:
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n"
    return served.raw(request.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "target",
    [
        "/../packager.toml",
        "/%2e%2e/packager.toml",
        "/%2E%2E/%2E%2E/etc/passwd",
        "/..%2fpackager.toml",
        "/..%5cpackager.toml",
        "/..\\packager.toml",
        "/shards/../../packager.toml",
        "/shards/..%2f..%2fpackager.toml",
        "//etc/passwd",
        "/./release.json",
        "/.hidden",
        "/%2ehidden",
        "/link.txt",
        "/linked/notes.txt",
        "/release.json%00",
        "/release.json/",
        "/release.json%0a",
        "/shards//tones-audio-00001.tar",
        "/shards/tones-audio-00001.tar/",
        "/shards/tones-audio-00001.tar%00",
        "/shards/TONES-AUDIO-00001.TAR",
        "/%",
        "/%zz",
        "/a%2",
        "/" + "a" * 5000,
        "/" + "a/" * 2000,
        "http://example.org/../packager.toml",
        "http:///release.json",
        "ftp://example.org/release.json",
        "http://example.org/.hidden",
        "*",
        "release.json",
        "/%252e%252e/packager.toml",
    ],
)
def test_no_path_leads_out_of_the_site(served: Served, target: str) -> None:
    answer = ask(served, target)
    assert status_of(answer) in (400, 404)
    assert b"secret" not in answer
    assert b"collection" not in answer


def test_the_good_path_beside_them_is_answered(served: Served) -> None:
    assert status_of(ask(served, "/release.json")) == 200
    assert status_of(ask(served, "/%72elease.json?/../x")) == 200


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/release.json", "HTTP://archive.example:8000/release.json?x", "https://[::1]/%72elease.json"],
)
def test_a_complete_address_is_answered_for_any_host_as_rfc_9112_asks(served: Served, target: str) -> None:
    assert b'"type": "release"' in ask(served, target).replace(b'":"', b'": "')
    assert status_of(ask(served, target.partition("/rel")[0].partition("/%")[0])) == 200  # index.html


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_400_and_closed_without_a_traceback(served: Served, request_: bytes) -> None:
    assert status_of(served.raw(request_)) == 400
    assert "Traceback" not in served.logged()


@pytest.mark.parametrize("line", ["GET / HTTP/2.0", "HEAD /release.json HTTP/2.0", "POST / HTTP/2.0", "GET / HTTP/0.9"])
def test_a_version_of_http_that_is_not_spoken_is_answered_505(served: Served, line: str) -> None:
    answer = served.raw(f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == 505
    assert b'"type"' not in answer


def test_other_methods_are_refused_and_their_bodies_are_not_waited_for(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        status, headers, _ = served.get("/", method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    began = time.monotonic()
    answer = served.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc")
    assert status_of(answer) == 405
    assert time.monotonic() - began < 60


def test_thousands_of_ranges_cost_one_refusal(served: Served) -> None:
    spec = ",".join(f"{at}-{at}" for at in range(0, 2600, 2))
    answer = ask(served, "/shards/tones-audio-00001.tar", f"Range: bytes={spec[:8000]}\r\n")
    assert status_of(answer) == 416


def test_a_client_that_hangs_up_in_the_middle_leaves_no_file_open_and_no_answer(served: Served) -> None:
    before = served.metric("packager_answers")
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /shards/tones-audio-00001.tar HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(10)
    assert served.get("/release.json")[0] == 200
    assert served.metric("packager_answers") <= before + 20


def test_many_idle_connections_do_not_keep_others_out(served: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) for _ in range(300)]
    try:
        assert served.get("/release.json")[0] == 200
    finally:
        for each in idle:
            each.close()
