"""Requests and answers of trackers that are asked for seed counts: BEP 48 and BEP 15."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import bencode
from packager.core.bittorrent.scrape import (
    HTTP_BATCH,
    MOST,
    UDP_BATCH,
    UDP_LIMIT,
    SwarmCounts,
    best_counts,
    http_answer,
    http_request,
    scrape_url,
    udp_address,
    udp_answer,
    udp_connect,
    udp_connected,
    udp_request,
    udp_transaction,
)
from packager.engine.network.scrape_trackers import SECONDS, SILENT_SECONDS
from packager.errors import InputError

ONE, TWO = bytes(range(20)), bytes(range(200, 220))
SWARMS = st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=5, unique=True)


@pytest.mark.parametrize(
    ("announce", "expected"),
    [  # the first six from BEP 48
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644"),
        ("http://example.com/announce?x=2/4", "http://example.com/scrape?x=2/4"),
        ("https://example.com/announce/announce#part", "https://example.com/announce/scrape"),
    ],
)
def test_the_scrape_address_of_an_announce_url(announce: str, expected: str) -> None:
    assert scrape_url(announce) == expected


@pytest.mark.parametrize(
    "announce",
    [
        "http://example.com/a",
        "http://example.com/x%064announce",
        "http://example.com/announce/",
        "http://example.com/",
        "http://example.com",
        "http://example.com/a?b=/announce",
        "udp://example.com:80/announce",
        "file:///announce",
    ],
)
def test_an_announce_url_without_a_scrape_address_is_refused(announce: str) -> None:
    with pytest.raises(InputError):
        scrape_url(announce)


def test_a_request_names_every_swarm_and_keeps_the_query_that_was_there() -> None:
    assert http_request("http://t.example/scrape", [b"a%&=\x00" * 4]) == (
        "http://t.example/scrape?info_hash=" + "a%25%26%3D%00" * 4
    )
    assert http_request("http://t.example/scrape?key=1", [ONE, TWO]).count("&info_hash=") == 2
    longest = http_request("http://t.example/scrape", [b"\xff" * 20] * HTTP_BATCH)
    assert len(longest) < 4096


def test_an_answer_by_http_is_read_in_any_order_of_keys() -> None:
    entry = b"d8:completei3e10:incompletei2e10:downloadedi40ee"
    data = b"d5:filesd20:" + TWO + entry + b"20:" + ONE + entry + b"e5:flagsd20:min_request_intervali900eee"
    assert http_answer(data, [ONE, TWO], "t") == {
        swarm: SwarmCounts(seeders=3, leechers=2, completed=40) for swarm in (ONE, TWO)
    }


def test_what_was_not_asked_for_is_passed_over_and_what_is_missing_stays_unknown() -> None:
    data = bencode.encode({b"files": {ONE: {b"complete": 1}, b"x" * 20: {b"complete": 9}, b"odd": 3}})
    assert http_answer(data, [ONE, TWO], "t") == {ONE: SwarmCounts(seeders=1)}


@pytest.mark.parametrize(
    ("value", "expected"), [(-1, None), (b"3", None), ([], None), (10**15, MOST), ((1 << 63) - 1, MOST), (0, 0)]
)
def test_a_count_that_cannot_be_one_is_not_known_and_a_huge_one_is_cut(
    value: bencode.Value, expected: int | None
) -> None:
    data = bencode.encode({b"files": {ONE: {b"complete": value, b"incomplete": 2}}})
    assert http_answer(data, [ONE], "t") == {ONE: SwarmCounts(seeders=expected, leechers=2)}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<html>nothing here", "no bencoded value"),
        (b"", "no bencoded value"),
        (b"le", "dictionary"),
        (b"de", '"files" is missing'),
        (b"d5:filesi3ee", '"files" is missing'),
        (b"d5:filesd20:" + ONE + b"dee", "no bencoded value"),
        (b"d14:failure reason99:no scrape", "cut short"),
        (b"d14:failure reason10:no \x1b[31m!!e", r'says "no'),
        (b"d14:failure_reason4:bad!5:filesdee", 'says "bad!"'),
        (b"d5:files" + b"l" * 200 + b"e" * 201, "nested deeper"),
        (b"d5:filesdee5:after", "bytes follow"),
    ],
)
def test_what_is_no_answer_is_refused_in_words(data: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        http_answer(data, [ONE], "http://t.example/announce")
    assert "\x1b" not in str(caught.value)


@settings(max_examples=100)
@given(data=st.binary(max_size=200), swarms=SWARMS)
def test_no_bytes_by_http_or_udp_raise_anything_but_our_errors(data: bytes, swarms: list[bytes]) -> None:
    for read in (
        lambda: http_answer(data, swarms, "t"),
        lambda: udp_answer(b"\x00\x00\x00\x02" + data[:4].ljust(4, b"\x00") + data, swarms, "t"),
        lambda: udp_answer(data.ljust(8, b"\x03"), swarms, "t"),
        lambda: udp_connected(data.ljust(8, b"\x00"), "t"),
    ):
        try:
            read()
        except InputError:
            continue
    assert udp_transaction(data) is None or len(data) >= 8


TRIPLE = st.tuples(*[st.integers(-(1 << 31), (1 << 31) - 1)] * 3)


@settings(max_examples=100)
@given(swarms=SWARMS, counts=st.lists(TRIPLE, min_size=5, max_size=5), told=st.integers(1, 5))
def test_an_answer_by_udp_tells_of_the_first_swarms_and_of_no_negative_counts(
    swarms: list[bytes], counts: list[tuple[int, int, int]], told: int
) -> None:
    packet = struct.pack(">II", 2, 7) + b"".join(struct.pack(">iii", *each) for each in counts[:told])
    found = udp_answer(packet, swarms, "t")
    assert list(found) == swarms[:told]
    for each, (seeders, completed, leechers) in zip(found.values(), counts, strict=False):
        expected = [value if value >= 0 else None for value in (seeders, leechers, completed)]
        assert [each.seeders, each.leechers, each.completed] == expected


def test_packets_are_those_of_bep_15() -> None:
    assert udp_connect(7) == bytes.fromhex("0000041727101980 00000000 00000007")
    assert udp_connected(bytes.fromhex("00000000 00000007 1122334455667788"), "t") == 0x1122334455667788
    request = udp_request(0x1122334455667788, 9, [ONE, TWO])
    assert request == bytes.fromhex("1122334455667788 00000002 00000009") + ONE + TWO
    largest = udp_request(0, 0, [ONE] * UDP_BATCH)
    assert len(largest) <= 1500 - 40 - 8 - 8  # IPv6, UDP, and what a DSL line takes
    assert 8 + 12 * UDP_BATCH <= UDP_LIMIT


@pytest.mark.parametrize(
    ("packet", "what"),
    [
        (b"\x00\x00\x00\x03\x00\x00\x00\x07go away\x1b[2J", 'says "go away'),
        (b"\x00\x00\x00\x01\x00\x00\x00\x07", "action 1, not 2"),
        (b"\x00\x00\x00\x02\x00\x00\x00\x07" + b"\x00" * 11, "tells of no swarm"),
    ],
)
def test_a_packet_that_is_no_answer_is_refused_in_words(packet: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        udp_answer(packet, [ONE], "t")
    assert "\x1b" not in str(caught.value)


def test_a_short_connection_is_refused() -> None:
    with pytest.raises(InputError, match="16 belong"):
        udp_connected(bytes(12), "t")


@pytest.mark.parametrize("announce", ["udp://t.example/announce", "http://t.example:80/announce", "wss://t.example/"])
def test_what_is_no_udp_tracker_is_refused(announce: str) -> None:
    with pytest.raises(InputError):
        udp_address(announce)
    assert udp_address("udp://[2001:db8::1]:6969/announce") == ("2001:db8::1", 6969)


def test_the_numbers_of_the_how_to_are_those_of_the_code() -> None:
    text = " ".join((Path(__file__).parents[3] / "docs/how-to/count-seeds.md").read_text(encoding="utf-8").split())
    assert f"{HTTP_BATCH} swarms a request ({UDP_BATCH} by UDP)" in text
    assert f"4,400 hybrid shards are {2 * 4400 // HTTP_BATCH} requests" in text
    assert (SILENT_SECONDS, SECONDS) == (10, 120)
    assert "silent for ten seconds, or after two minutes in all" in text


def test_the_best_of_several_counts_is_the_largest_of_each_and_never_a_sum() -> None:
    assert best_counts([]) == SwarmCounts()
    assert best_counts(
        [SwarmCounts(seeders=3, leechers=1), SwarmCounts(seeders=2, completed=9), SwarmCounts()]
    ) == SwarmCounts(seeders=3, leechers=1, completed=9)
