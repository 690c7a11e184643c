"""Trackers asked for seed counts: real ones of both kinds, and every kind of liar, within bounds."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from packager.core.bittorrent import bencode
from packager.core.bittorrent.scrape import HTTP_BATCH, HTTP_LIMIT, MOST, UDP_BATCH, SwarmCounts
from packager.core.releases.seed_counts import by_shard, questions, swarms
from packager.engine.network.scrape_trackers import scrape_trackers
from tests.helpers.http_server import LOOPBACK
from tests.helpers.made_up_releases import make_release, make_shard
from tests.helpers.opentracker import tracking
from tests.helpers.trackers import announce, bep15, bep48, http_tracker, udp_tracker
from tests.helpers.waiting import free_port, until

chance = random.Random(48)
SWARMS = [chance.randbytes(20) for _ in range(200)]
QUICK = 1.0  # seconds that a tracker may stay silent


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def answering(address: str) -> bool:
    """Say whether a tracker is up."""
    return not scrape_trackers({f"{address}announce": SWARMS[:1]}, allowed=LOOPBACK, silent=1).trackers[0].error


@pytest.mark.interop
def test_opentracker_tells_the_same_by_http_and_udp(program: Callable[[str], str], tmp_path: Path) -> None:
    port = free_port()
    shards = [make_shard(number=number + 1) for number in range(120)]
    every = [each for shard in shards for each in swarms(shard)]
    with tracking(program("opentracker"), tmp_path / "tracker", port, shards) as address:
        until(lambda: answering(address))
        for peer, left in enumerate((0, 0, 0, 5)):
            announce(address, every[0], port=6881 + peer, left=left)
            announce(address, every[-1], port=6881 + peer, left=left)
        announce(address, every[70], port=6881)
        expected = dict.fromkeys(every, (0, 0)) | dict.fromkeys((every[0], every[-1]), (3, 1)) | {every[70]: (1, 0)}
        for url in (f"{address}announce", f"udp://127.0.0.1:{port}/announce"):
            found = scrape_trackers({url: every}, allowed=LOOPBACK, seconds=20, silent=5)
            assert {swarm: (each.seeders, each.leechers) for swarm, each in found.counts.items()} == expected, url
            (tracker,) = found.trackers
            assert (tracker.tracker, tracker.asked, tracker.answered, tracker.error) == (url, 240, 240, "")
        announce(address, every[70], port=6881, event="completed")
        found = scrape_trackers({f"udp://127.0.0.1:{port}": every}, allowed=LOOPBACK, seconds=20, silent=5)
        assert found.counts[every[70]] == SwarmCounts(seeders=1, leechers=0, completed=1)


@pytest.mark.interop
def test_4400_hybrid_shards_at_three_trackers_take_a_minute_at_most(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    shards = [make_shard(number=number + 1) for number in range(4400)]
    ports = (free_port(), free_port())
    with (
        tracking(program("opentracker"), tmp_path / "one", ports[0], shards) as one,
        tracking(program("opentracker"), tmp_path / "two", ports[1], shards) as two,
    ):
        until(lambda: answering(one) and answering(two))
        announce(two, swarms(shards[4399])[1], port=6881)
        trackers = [f"{one}announce", f"udp://127.0.0.1:{ports[0]}/announce", f"{two}announce"]
        asked = "".join(f"&tr={quote(tracker, safe='')}" for tracker in trackers)
        shards = [msgspec.structs.replace(each, magnet=each.magnet.partition("&tr=")[0] + asked) for each in shards]
        release = make_release(shards=shards)
        began = time.monotonic()
        found = by_shard(release, scrape_trackers(questions(release), allowed=LOOPBACK).counts)
        assert time.monotonic() - began < 60
    assert [counts.seeders for counts in found.values()] == [0] * 4399 + [1]


def test_many_swarms_go_into_one_request_and_no_more_than_a_tracker_takes() -> None:
    sizes: list[int] = []

    def answer(asked: list[bytes]) -> bytes:
        sizes.append(len(asked))
        return bep48(dict.fromkeys(asked, (1, 2, 3)))

    with http_tracker(answer) as by_http, udp_tracker(bep15(lambda _: (4, 5, 6))) as by_udp:
        found = scrape_trackers({by_http: SWARMS, by_udp: SWARMS[:10]}, allowed=LOOPBACK)
    assert sizes == [HTTP_BATCH] * 4
    assert found.counts[SWARMS[0]] == SwarmCounts(seeders=4, leechers=6, completed=5)
    assert found.counts[SWARMS[10]] == SwarmCounts(seeders=1, leechers=3, completed=2)
    assert [(each.asked, each.answered, each.error) for each in found.trackers] == [(200, 200, ""), (10, 10, "")]


@pytest.mark.parametrize("most", [1, 7])
def test_a_tracker_that_answers_for_fewer_at_once_is_asked_for_fewer(most: int) -> None:
    with http_tracker(lambda asked: bep48(dict.fromkeys(asked[:most], (1, 1, 1)))) as tracker:
        found = scrape_trackers({tracker: SWARMS[:60]}, allowed=LOOPBACK)
    assert found.counts == dict.fromkeys(SWARMS[:60], SwarmCounts(seeders=1, leechers=1, completed=1))


def test_a_tracker_that_refuses_long_requests_is_asked_shorter_ones() -> None:
    def answer(asked: list[bytes]) -> bytes:
        if len(asked) > 4:
            return b"d14:failure reason14:too many hashee"
        return bep48(dict.fromkeys(asked, (1, 1, 1)))

    with http_tracker(answer) as tracker:
        found = scrape_trackers({tracker: SWARMS[:20]}, allowed=LOOPBACK)
    assert len(found.counts) == 20


def test_what_a_tracker_does_not_know_has_no_seeders_there_and_may_have_some_elsewhere() -> None:
    known = set(SWARMS[::7])
    with (
        http_tracker(lambda asked: bep48({each: (2, 1, 1) for each in asked if each in known})) as one,
        http_tracker(lambda _: bep48({SWARMS[3]: (5, 0, 0)})) as other,
    ):
        found = scrape_trackers({one: SWARMS, other: SWARMS}, allowed=LOOPBACK)
    seeders = {swarm: each.seeders for swarm, each in found.counts.items()}
    assert seeders == {swarm: 2 if swarm in known else 0 for swarm in SWARMS} | {SWARMS[3]: 5}


def test_a_udp_tracker_that_tells_of_fewer_than_asked_is_asked_for_the_rest() -> None:
    right = bep15(lambda swarm: (swarm[0], 0, 0))

    def answer(packet: bytes) -> list[bytes]:
        return [each[: 8 + 12 * 9] for each in right(packet)]

    with udp_tracker(answer) as tracker:
        found = scrape_trackers({tracker: SWARMS}, allowed=LOOPBACK)
    assert {swarm: each.seeders for swarm, each in found.counts.items()} == {swarm: swarm[0] for swarm in SWARMS}


def test_lost_and_foreign_packets_are_borne() -> None:
    right = bep15(lambda _: (1, 1, 1))
    lost = itertools.cycle([True, False])

    def answer(packet: bytes) -> list[bytes]:
        foreign = b"\x00\x00\x00\x03\x00\x00\x00\x00you are banned"
        return [b"", b"short", foreign, *([] if next(lost) else right(packet))]

    with udp_tracker(answer) as tracker:
        found = scrape_trackers({tracker: SWARMS[: UDP_BATCH + 1]}, allowed=LOOPBACK, silent=QUICK)
    assert len(found.counts) == UDP_BATCH + 1


def endless() -> Iterator[bytes]:
    """More than 10 GB, if anybody took it."""
    yield b"d5:files"
    yield from itertools.repeat(bytes(1 << 20), 10_240)


def slow(seconds: float) -> Iterator[bytes]:
    """A byte now and then."""
    for byte in itertools.cycle(b"d5:filesd"):
        yield bytes([byte])
        threading.Event().wait(seconds)


HOSTILE: dict[str, tuple[Callable[[list[bytes]], Iterator[bytes] | bytes], str]] = {
    "endless": (lambda _: endless(), "sends more than 256 KiB"),
    "slow": (lambda _: slow(QUICK / 4), " in 1 s"),
    "a page": (lambda _: b"<!doctype html>", "no bencoded value"),
    "a list": (lambda _: b"li1ee", "does not answer with a dictionary"),
    "deep": (lambda _: b"d5:files" + b"l" * 100_000, "nested deeper"),
    "many values": (lambda _: b"d5:filesl" + b"le" * (HTTP_LIMIT // 2 - 10) + b"ee", '"files" is missing'),
    "refuses": (lambda _: b"d14:failure reason6:no \x1b[2e", 'says "no'),
    "nothing": (lambda _: b"", "no bencoded value"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tracker_costs_its_own_counts_and_a_bounded_time(name: str) -> None:
    answer, what = HOSTILE[name]
    began = time.monotonic()
    with http_tracker(answer) as tracker, http_tracker(lambda asked: bep48(dict.fromkeys(asked, (1, 0, 0)))) as good:
        found = scrape_trackers({tracker: SWARMS, good: SWARMS}, allowed=LOOPBACK, seconds=20, silent=QUICK)
    assert what in found.trackers[0].error
    assert "\x1b" not in found.trackers[0].error
    assert found.trackers[0].answered == 0
    assert found.counts == dict.fromkeys(SWARMS, SwarmCounts(seeders=1, leechers=0, completed=0))
    assert time.monotonic() - began < 60  # and not SECONDS


def test_wrong_types_and_negative_and_huge_counts_are_no_counts() -> None:
    files: bencode.Dictionary = {
        SWARMS[0]: {b"complete": -5, b"incomplete": 3},
        SWARMS[1]: {b"complete": b"many"},
        SWARMS[2]: [1, 2],
        SWARMS[3]: {b"complete": 1 << 62},
    }
    with http_tracker(lambda _: bencode.encode({b"files": files})) as tracker:
        found = scrape_trackers({tracker: SWARMS[:4]}, allowed=LOOPBACK)
    assert [found.counts[swarm].seeders for swarm in SWARMS[:4]] == [None, None, 0, MOST]


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda _: [], "did not answer in time"),
        (lambda packet: [b"\x00\x00\x00\x03" + packet[12:16] + b"go \x1b[2Jaway"], 'says "go'),
        (lambda packet: [b"\x00\x00\x00\x00" + packet[12:16]], "16 belong"),
        (lambda packet: [b"\x00\x00\x00\x00" + packet[12:16] + bytes(8)], "action 0, not 2"),
        (lambda _: [bytes(2000)] * 50, "did not answer in time"),
    ],
    ids=["silent", "refuses", "short", "wrong action", "floods"],
)
def test_a_hostile_udp_tracker_is_given_up(answer: Callable[[bytes], list[bytes]], what: str) -> None:
    with udp_tracker(answer) as tracker:
        found = scrape_trackers({tracker: SWARMS}, allowed=LOOPBACK, seconds=20, silent=QUICK)
    assert found.counts == {}
    assert what in found.trackers[0].error
    assert "\x1b" not in found.trackers[0].error


def test_trackers_that_cannot_be_asked_or_are_not_there_are_named() -> None:
    trackers = [
        "wss://tracker.example/announce",
        "http://127.0.0.1:1/announce",
        "http://127.0.0.1:1/a",
        "udp://127.0.0.1:1/announce",
        "http://[::1/announce",
        "udp://no-such-host.invalid:1/announce",
        "nonsense",
    ]
    found = scrape_trackers(dict.fromkeys(trackers, SWARMS[:2]), allowed=LOOPBACK, seconds=20, silent=QUICK)
    assert [each.tracker for each in found.trackers] == trackers
    assert all(each.error for each in found.trackers)
    assert found.counts == {}


def test_what_was_said_before_the_time_was_up_counts() -> None:
    many = [at.to_bytes(20, "big") for at in range(1_000_000)]
    with udp_tracker(bep15(lambda _: (1, 1, 1))) as tracker:
        found = scrape_trackers({tracker: many}, allowed=LOOPBACK, seconds=0.2)
    assert found.trackers[0].error == "the time was up"
    assert len(found.counts) == found.trackers[0].answered > 0


def test_it_ends_when_told_to() -> None:
    many = [at.to_bytes(20, "big") for at in range(1_000_000)]
    with udp_tracker(bep15(lambda _: (1, 1, 1))) as tracker:
        found = scrape_trackers({tracker: many}, stop=lambda: True, allowed=LOOPBACK)
    assert found.trackers[0].error == "was stopped"
    assert len(found.counts) == found.trackers[0].answered


def test_no_tracker_at_all_is_no_error() -> None:
    found = scrape_trackers({}, allowed=LOOPBACK)
    assert (found.counts, found.trackers) == ({}, ())
