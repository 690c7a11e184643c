"""Bytes by address from real servers on loopback, honest and not."""

import random
import socket
from collections.abc import Iterator

import pytest

from packager.core.http.allowed_hosts import NO_HOSTS
from packager.engine.network.http_client import PREFIX, HttpClient
from packager.errors import IncompleteError, InputError
from packager.units import MIB
from tests.helpers.http_server import LOOPBACK, Fault, serving

DATA = random.Random(5).randbytes(3 * MIB)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web() -> Iterator[HttpClient]:
    with HttpClient(allowed=LOOPBACK) as opened:
        yield opened


def test_a_range_is_asked_for_and_nothing_else_is_sent(web: HttpClient) -> None:
    with serving({"a b.tar": DATA}) as site:
        address = site.address + "a%20b.tar"
        assert web.read_range(address, 2_000_000, 2_000_777, size=len(DATA)) == DATA[2_000_000:2_000_777]
        assert web.read_range(address, len(DATA) - 1, len(DATA), size=len(DATA)) == DATA[-1:]
        assert site.sent == web.received == 778


def test_a_file_is_fetched_up_to_its_limit(web: HttpClient) -> None:
    with serving({"release.json": b"x" * 1000}) as site:
        address = site.address + "release.json"
        assert web.fetch(address, limit=1000) == b"x" * 1000
        with pytest.raises(InputError, match="sends more than 999 B"):
            web.fetch(address, limit=999)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("ignores range", "ignores Range and sends the whole file"),
        ("wrong range", 'sends the range "bytes 2000001-2000100/3145728", not bytes 2000000-2000099'),
        ("no content-range", 'sends the range ""'),
        ("another size", "is a file of 3145735 bytes, not 3145728"),
        ("gzip", r"sends its bytes packed \(gzip\)"),
        ("too much", "sends more than 100 B"),
        ("endless", "sends more than 100 B"),
        ("404", "answers 404 Not Found"),
        ("redirect loop", "redirects more than 5 times"),
    ],
)
def test_an_answer_that_is_not_the_range_is_refused_once(web: HttpClient, fault: Fault, sentence: str) -> None:
    with serving({"x.tar": DATA}, fault) as site:
        with pytest.raises(InputError, match=sentence):
            web.read_range(site.address + "x.tar", 2_000_000, 2_000_100, size=len(DATA))
        assert site.requests == (6 if fault == "redirect loop" else 1)
        assert web.received < PREFIX


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("503", "answers 503"),
        ("short", "could not be read"),
        ("silent", "no answer in "),
        ("drips headers", "no answer in "),
    ],
)
def test_a_failure_that_may_pass_is_tried_again_and_then_told(fault: Fault, sentence: str) -> None:
    with HttpClient(seconds=0.2, allowed=LOOPBACK) as web, serving({"x.tar": DATA}, fault) as site:
        with pytest.raises(IncompleteError, match=sentence):
            web.read_range(site.address + "x.tar", 2_000_000, 2_000_100, size=len(DATA))
        assert site.requests == 4


def test_a_server_that_was_down_for_a_moment_is_no_failure(web: HttpClient) -> None:
    with serving({"x.tar": DATA}, "503 once") as site:
        assert web.read_range(site.address + "x.tar", 5, 50) == DATA[5:50]


def test_nobody_listening_is_a_failure_that_may_pass(web: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/x.tar"
        with pytest.raises(IncompleteError, match="could not be read"):
            web.read_range(address, 0, 5)


def test_the_start_of_a_file_is_read_where_range_is_ignored(web: HttpClient) -> None:
    with serving({"x.tar": DATA}, "ignores range") as site:
        assert web.read_range(site.address + "x.tar", 10, 9000, size=len(DATA)) == DATA[10:9000]
        with pytest.raises(InputError, match="is a file of 3145728 bytes, not 5"):
            web.read_range(site.address + "x.tar", 1, 5, size=5)
        with pytest.raises(InputError, match="ignores Range"):
            web.read_range(site.address + "x.tar", PREFIX, PREFIX + 1, size=len(DATA))


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "unix://x/y"])
def test_a_redirect_that_leaves_the_web_is_refused(target: str) -> None:
    with serving({"x.tar": DATA}, "redirect", target) as site, HttpClient(allowed=LOOPBACK) as web:
        with pytest.raises(InputError, match="which is no web address"):
            web.read_range(site.address + "x.tar", 0, 10)
        assert site.requests == 1


def test_a_redirect_that_cannot_be_read_is_refused(web: HttpClient) -> None:
    with (
        serving({"x.tar": DATA}, "redirect", "http://[::1") as site,
        pytest.raises(IncompleteError, match="Invalid URL in location header"),
    ):
        web.read_range(site.address + "x.tar", 0, 10)


def test_a_redirect_to_another_host_is_followed_only_where_that_is_allowed(web: HttpClient) -> None:
    with serving({"y.tar": DATA}) as other, serving({"x.tar": DATA}, "redirect") as site:
        site.target = other.address + "y.tar"
        with (
            HttpClient(allowed=NO_HOSTS.with_addresses([site.address])) as strict,
            pytest.raises(InputError, match=r"redirects to http.*--allow-host 127\.0\.0\.1"),
        ):
            strict.read_range(site.address + "x.tar", 0, 10)
        assert other.requests == 0
        with HttpClient(allowed=LOOPBACK) as trusting:
            assert trusting.read_range(site.address + "x.tar", 0, 10) == DATA[:10]


def test_a_redirect_on_the_same_host_is_followed(web: HttpClient) -> None:
    with serving({"x.tar": DATA, "y.tar": DATA}, "redirect", "/y.tar") as site:
        assert web.read_range(site.address + "x.tar", 0, 10) == DATA[:10]


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "x.tar", "http://", "http://a b/", "http://" + "a" * 70 + "/"]
)
def test_what_is_no_web_address_is_never_asked(web: HttpClient, address: str) -> None:
    with pytest.raises((InputError, IncompleteError)):
        web.read_range(address, 0, 10)
