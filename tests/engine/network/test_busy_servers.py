"""Servers that are busy, slow or send a part: asked again as they say, given up in bounded time, or continued."""

import datetime as dt
import time
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler

import pytest

from packager.engine.network import http_client
from packager.engine.network.http_client import HttpClient
from packager.engine.network.retry_after import seconds_asked
from packager.errors import IncompleteError, InputError
from tests.helpers.http_server import LOOPBACK, answering, send

DATA = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("header", ["1", "date"])
def test_a_busy_server_is_asked_again_when_it_says(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(http_client, "time", _Clock(paused))
    answers = iter((429, 503, 200))

    def busy(handler: BaseHTTPRequestHandler) -> None:
        later = format_datetime(dt.datetime.fromtimestamp(time.time() + 30, dt.UTC), usegmt=True)
        send(handler, next(answers), DATA, Retry_After=later if header == "date" else "30")

    with answering(busy) as (port, asked), HttpClient(allowed=LOOPBACK, pause=0.5) as web:
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
        with (
            HttpClient(allowed=LOOPBACK) as web,
            pytest.raises(IncompleteError, match=r"answers 503 .* asks to wait 1 h"),
        ):
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

    with answering(drip) as (port, asked), HttpClient(seconds=0.3, allowed=LOOPBACK) as web:
        began = time.monotonic()
        address = f"http://127.0.0.1:{port}/x"
        read = partial(web.read_range, address, 0, 16 << 20, size=1 << 30)
        with pytest.raises(IncompleteError, match=r"sent [0-9]+ bytes in 0 s, which is too slow"):
            read() if of == "a range" else web.fetch(address, limit=16 << 20)
        assert time.monotonic() - began < 60  # it would take hours
    assert len(asked) == 1


def test_a_slow_server_that_keeps_the_least_rate_is_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "SLOWEST", 20)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for at in range(0, 60, 10):
            handler.wfile.write(DATA[at : at + 10])
            time.sleep(0.1)
        handler.close_connection = True

    with answering(slow) as (port, _), HttpClient(seconds=0.25, allowed=LOOPBACK) as web:
        assert web.fetch(f"http://127.0.0.1:{port}/x", limit=100, seconds=60) == DATA[:60]


@pytest.mark.parametrize("most", [1, 700, 1 << 20])
def test_an_answer_shorter_than_the_range_is_continued(most: int) -> None:
    def some(handler: BaseHTTPRequestHandler) -> None:
        start, stop = (int(each) for each in handler.headers["Range"].removeprefix("bytes=").split("-"))
        stop = min(stop + 1, start + most)
        send(handler, 206, DATA[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{len(DATA)}")

    with answering(some) as (port, asked), HttpClient(allowed=LOOPBACK) as web:
        address = f"http://127.0.0.1:{port}/x"
        assert web.read_range(address, 5, 105, size=len(DATA)) == DATA[5:105]
        assert len(asked) == -(-100 // most)
        if most == 1:
            with pytest.raises(InputError, match="in more than 256 parts"):
                web.read_range(address, 0, 300, size=len(DATA))
        else:
            assert web.read_range(address, 0, len(DATA), size=len(DATA)) == DATA


@pytest.mark.parametrize("length", [100, len(DATA), 3 * len(DATA)])
@pytest.mark.parametrize("kind", ["cut", "from the start", "416"])
def test_the_end_of_a_file_is_read_of_servers_that_give_another_part_first(kind: str, length: int) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        first, _, last = handler.headers["Range"].removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(DATA) - int(last))
        stop = int(last) + 1 if first else len(DATA)
        if not first and kind == "416":
            send(handler, 416, b"", Content_Range=f"bytes */{len(DATA)}")
            return
        if not first and kind == "from the start":
            start, stop = 0, 10
        if not first and kind == "cut":
            stop = start + 10
        send(handler, 206, DATA[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{len(DATA)}")

    with answering(answer) as (port, asked), HttpClient(allowed=LOOPBACK) as web:
        assert web.read_tail(f"http://127.0.0.1:{port}/x", length) == (len(DATA), DATA[-length:])
        assert len(asked) == 2


@pytest.mark.parametrize("given", ["bytes 5-104/10240", "Bytes 5-104/10240", "BYTES 5-104/*"])
def test_the_unit_of_a_range_may_be_written_in_any_case(given: str) -> None:
    part = partial(send, status=206, body=DATA[5:105], Content_Range=given)
    with answering(part) as (port, _), HttpClient(allowed=LOOPBACK) as web:
        assert web.read_range(f"http://127.0.0.1:{port}/x", 5, 105, size=len(DATA)) == DATA[5:105]


@pytest.mark.parametrize("given", ["bytes 6-104/10240", "bytes 5-105/10240", "bytes 5-4/10240", "bytes 0-104/10240"])
def test_an_answer_that_does_not_begin_the_range_is_refused(given: str) -> None:
    with answering(lambda handler: send(handler, 206, DATA[5:105], Content_Range=given)) as (port, asked):
        with HttpClient(allowed=LOOPBACK) as web, pytest.raises(InputError, match="sends the range"):
            web.read_range(f"http://127.0.0.1:{port}/x", 5, 105, size=len(DATA))
        assert len(asked) == 1


@pytest.mark.parametrize(
    "encoding", ["aws-chunked", "AWS-Chunked", "aws-chunked, identity", "", "UTF-8", "none", "binary"]
)
def test_the_encoding_that_stores_repeat_of_an_upload_is_no_encoding(encoding: str) -> None:
    plain = partial(send, status=200, body=DATA, Content_Encoding=encoding)
    with answering(plain) as (port, _), HttpClient(allowed=LOOPBACK) as web:
        assert web.fetch(f"http://127.0.0.1:{port}/x", limit=len(DATA)) == DATA


@pytest.mark.parametrize("encoding", ["aws-chunked, gzip", "br", "chunked"])
def test_a_packed_body_is_refused(encoding: str) -> None:
    packed = partial(send, status=200, body=DATA, Content_Encoding=encoding)
    refused = pytest.raises(InputError, match="sends its bytes packed")
    with answering(packed) as (port, _), HttpClient(allowed=LOOPBACK) as web, refused:
        web.fetch(f"http://127.0.0.1:{port}/x", limit=len(DATA))
