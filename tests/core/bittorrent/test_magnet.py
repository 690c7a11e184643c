"""magnet.py: the published vectors, both ways, against libtorrent and torf, and hostile links."""

import base64
import contextlib
import json
import re
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
import torf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from packager.core.bittorrent.magnet import FIELDS, LIMIT, Magnet, MagnetMember, format_magnet, is_link, parse_magnet
from packager.errors import InputError
from packager.model import Infohash
from packager.paths import is_safe_path
from tests.helpers.strategies import safe_names

VECTORS = json.loads((Path(__file__).parents[3] / "manifests/vectors/magnet.json").read_text(encoding="utf-8"))
V1, V2 = "0123456789abcdef0123456789abcdef01234567", "fedcba98" * 8
XT1, XT2 = f"xt=urn:btih:{V1}", f"xt=urn:btmh:1220{V2}"


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["name"])
def test_link_equals_the_published_vector_and_says_the_same_when_read(vector: dict[str, Any]) -> None:
    facts = {key: vector[key] for key in ("infohash_v1", "infohash_v2", "size", "trackers", "web_seeds")}
    chosen = vector.get("file_numbers", [])
    members = [MagnetMember(**vector["member"])] if "member" in vector else []
    made = format_magnet(**facts, name=vector["file_name"], chosen=chosen, members=members)
    assert made == vector["magnet"]
    assert parse_magnet(vector["magnet"]) == Magnet(
        infohash_v1=vector["infohash_v1"],
        infohash_v2=vector["infohash_v2"],
        name=vector["file_name"],
        size=vector["size"],
        trackers=tuple(vector["trackers"]),
        web_seeds=tuple(vector["web_seeds"]),
        chosen=tuple((number, number + 1) for number in chosen),
        members=tuple(members),
    )


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
URLS = st.lists(WORDS.filter(str.isprintable).map("https://h.example/".__add__), max_size=3, unique=True)
DIGESTS1 = st.none() | st.binary(min_size=20, max_size=20).map(lambda raw: Infohash(raw.hex()))
DIGESTS2 = st.binary(min_size=32, max_size=32).map(lambda raw: Infohash(raw.hex()))


@given(v1=DIGESTS1, v2=DIGESTS2, name=WORDS, urls=URLS)
@settings(max_examples=100)
def test_what_is_written_is_read_back(v1: Infohash | None, v2: Infohash, name: str, urls: list[str]) -> None:
    link = format_magnet(infohash_v1=v1, infohash_v2=v2, name=name, size=7, trackers=urls, web_seeds=urls)
    assert re.fullmatch(r"magnet:\?[A-Za-z0-9=&:%._~-]+", link)
    assert parse_magnet(link) == Magnet(v1, v2, name, 7, tuple(urls), tuple(urls))
    theirs = lt.parse_magnet_uri(link)
    assert theirs.info_hashes.v2.to_bytes().hex() == v2
    assert theirs.name == name


def test_torf_reads_the_same_in_a_v1_link() -> None:
    link = format_magnet(
        infohash_v1=Infohash(V1),
        infohash_v2=None,
        name="a b&c",
        size=7,
        trackers=["udp://t:1/a"],
        web_seeds=["http://w/x"],
    )
    theirs = torf.Magnet.from_string(link)
    assert (theirs.infohash, theirs.dn, theirs.xl) == (V1, "a b&c", 7)
    assert (theirs.tr, theirs.ws) == (["udp://t:1/a"], ["http://w/x"])


def test_an_infohash_may_be_upper_case_hex_or_base32() -> None:
    base32 = base64.b32encode(bytes.fromhex(V1)).decode()
    for digits in (V1.upper(), base32, base32.lower()):
        assert parse_magnet(f"MAGNET:?xt=urn:BTIH:{digits}").infohash_v1 == V1
    assert parse_magnet(f"magnet:?xt=urn:btmh:1220{V2.upper()}").infohash_v2 == V2
    assert parse_magnet(f"magnet:?{XT1}&xt=urn:btih:{base32}").infohash_v1 == V1


@pytest.mark.parametrize("around", ["%s", " %s\n", '"%s"', "'%s'", "<%s>", "\ufeff%s\r\n", "magnet:?dn=x&amp;%s"])
def test_a_link_is_read_as_it_was_copied(around: str) -> None:
    link = around % (XT1 if "dn=" in around else f"magnet:?{XT1}")
    assert is_link(link)
    assert parse_magnet(link).infohash_v1 == V1


def test_a_slash_too_many_is_named_and_no_file_is_looked_for() -> None:
    for link in (f"magnet://?{XT1}", f"magnet:/?{XT1}"):
        assert is_link(link)
        with pytest.raises(InputError, match=re.escape('it begins with "magnet:?"')):
            parse_magnet(link)
    assert not is_link("magnets.txt")


def test_peers_chosen_files_numbered_and_unknown_keys_are_understood() -> None:
    found = parse_magnet(
        f"magnet:?xt.1=urn:btih:{V1}&xt.2=urn:btmh:1220{V2}&xt=urn:sha1:{'A' * 32}&dn=a+b"
        "&tr.1=udp%3A%2F%2Ft&tr.2=udp%3A%2F%2Ft&x.pe=1.2.3.4:5&x.pe=[2001:db8::1]:65535&x.pe=h.example:1&so=0,2,4-6&kt=x&dn=other&xl=&ws="
    )
    assert (found.infohash_v1, found.infohash_v2, found.name, found.size) == (V1, V2, "a b", None)
    assert found.trackers == ("udp://t",)
    assert found.web_seeds == ()
    assert found.peers == ("1.2.3.4:5", "[2001:db8::1]:65535", "h.example:1")
    assert found.chosen == ((0, 1), (2, 3), (4, 7))


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("", '"" is not a magnet link'),
        ("http://x/\x1b", '"http://x/\\x1b" is not a magnet link; it begins with "magnet:?"'),
        ("magnet:?", "names no torrent: no xt=urn:btih: or xt=urn:btmh:"),
        ("magnet:?dn=x&xt=urn:sha1:abc", "names no torrent"),
        ("magnet:?xt=urn:btih:", '"" is not a v1 infohash of 40 hex or 32 base32 digits'),
        ("magnet:?xt=urn:btih:xyz", '"xyz" is not a v1 infohash'),
        (f"magnet:?xt=urn:btih:{V1[:-1]}g", "is not a v1 infohash"),
        (f"magnet:?xt=urn:btih:{'1' * 32}", "is not a v1 infohash"),
        (f"magnet:?xt=urn:btih:{'é' * 32}", "is not a v1 infohash"),
        (f"magnet:?xt=urn:btih:{V1[:20]} {V1[20:39]}", "is not a v1 infohash"),
        (f"magnet:?xt=urn:btmh:1120{V2}", "is not a v2 infohash: 1220 and 64 hex digits"),
        (f"magnet:?xt=urn:btmh:1220{V2[:-2]}", "is not a v2 infohash"),
        (f"magnet:?xt=urn:btmh:1220{V2[:-1]}x", "is not a v2 infohash"),
        (f"magnet:?{XT1}&xt=urn:btih:{V1[::-1]}", "names several torrents: two infohashes of one version differ"),
        (f"magnet:?{XT2}&xt=urn:btmh:1220{V2[::-1]}", "names several torrents"),
        (f"magnet:?{XT1}" + "&tr=udp://t" * 5000, f"more than the {FIELDS} fields a magnet link may have"),
        (f"magnet:?{XT1}&dn=" + "x" * LIMIT, f"characters are more than the {LIMIT} a magnet link may have"),
    ],
    ids=lambda part: part[:60],
)
def test_a_fault_is_named(link: str, fault: str) -> None:
    with pytest.raises(InputError, match=re.escape(fault)):
        parse_magnet(link)


@pytest.mark.parametrize(
    ("link", "remark"),
    [
        (f"magnet:?xl=&amp;{XT1}", '"&amp;" is HTML for "&"'),
        (f"magnet:?{XT1}&xl=-1", 'xl "-1" is not a number of bytes'),
        (f"magnet:?{XT1}&xl={'9' * 5000}", "is not a number of bytes"),
        (f"magnet:?{XT1}&xl=%D9%A3", "is not a number of bytes"),
        (f"magnet:?{XT1}&dn=%ff", "dn holds percent-encoded bytes that are not UTF-8"),
        (f"magnet:?{XT1}&tr=http://a/%0AHost:b", 'tr "http://a/\\x0aHost:b" is not a URL'),
        (f"magnet:?{XT1}&x.pe=1.2.3.4", 'x.pe "1.2.3.4" is not a host and port'),
        (f"magnet:?{XT1}&x.pe=1.2.3.4:65536", "is not a host and port"),
        (f"magnet:?{XT1}&so=2-1", 'so "2-1" is not a list of file numbers such as "0,2,4-6"'),
        (f"magnet:?{XT1}&so=1,,2", "is not a list of file numbers"),
        (f"magnet:?{XT1}&so={'1,' * 5000}1", "is not a list of file numbers"),
        (f"magnet:?{XT1}&so=3-", 'so "3-" is not a list of file numbers'),
        (f"magnet:?{XT1}&x.pe=a", 'x.pe "a" is not a host and port'),
        (f"magnet:?{XT1}&xl=abc", 'xl "abc" is not a number of bytes'),
        (f"magnet:?{XT1}&xt=urn:btih:abc", '"abc" is not a v1 infohash'),
        (f"magnet:?{XT1.upper()}", '"XT" is written in upper case, and read as "xt"'),
        (f"magnet:?{XT1}&ws=a%00", 'ws "a\\x00" is not a URL'),
    ],
    ids=lambda part: part[:60],
)
def test_a_field_that_is_wrong_is_ignored_and_named(link: str, remark: str) -> None:
    found = parse_magnet(link)
    assert (found.infohash_v1, found.size, found.name, found.peers, found.chosen) == (V1, None, None, (), ())
    assert (found.trackers, found.web_seeds, len(found.remarks)) == ((), (), 1)
    assert remark in found.remarks[0]


@given(text=st.text(max_size=60) | st.text("xtdnlrwso.pe=&%:-,0129af", max_size=60))
@settings(max_examples=200)
def test_any_text_ends_in_our_error_alone(text: str) -> None:
    for link in (text, f"magnet:?{text}", f"magnet:?{XT1}&{text}"):
        with contextlib.suppress(InputError):
            assert parse_magnet(link).infohash_v1 == V1


@given(
    path=st.lists(safe_names(), min_size=1, max_size=3).map("/".join),
    offset=st.integers(0, 10**15),
    size=st.integers(0, 10**15),
)
@settings(max_examples=100)
def test_a_member_is_read_back(path: str, offset: int, size: int) -> None:
    assume(is_safe_path(path))
    member = MagnetMember(path, offset, size, "ab" * 32)
    facts = {"infohash_v1": Infohash(V1), "infohash_v2": None, "name": "a.tar", "size": offset + size}
    link = format_magnet(**facts, trackers=(), web_seeds=(), members=[member])  # type: ignore[arg-type]
    assert parse_magnet(link).members == (member,)
    if offset + size:
        with pytest.raises(InputError, match="names bytes"):
            parse_magnet(link.replace(f"xl={offset + size}&", f"xl={offset + size - 1}&"))


@given(value=st.text(max_size=200))
@settings(max_examples=200)
def test_what_stands_in_the_place_of_a_member_is_refused_by_a_sentence(value: str) -> None:
    with contextlib.suppress(InputError):
        members = parse_magnet(f"magnet:?{XT1}&xl=1000&x.pk={value}").members
        assert all(is_safe_path(member.path) and member.offset + member.size <= 1000 for member in members)
