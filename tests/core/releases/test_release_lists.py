"""The lists of a release: exact lines, and no text of a stranger breaks one."""

import hashlib
import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.releases import release_lists
from packager.model import PublishedFile
from tests.helpers.made_up_releases import HOSTILE, hex_of, make_phase, make_release, make_shard

TEXTS = st.text(max_size=200) | st.sampled_from(HOSTILE)
ITEM = """  <item>
   <title>audio-0001: Audio</title>
   <link>https://archive.example.org/release/shards/audio-0001/index.html</link>
   <description>1,234 members, 64 GiB</description>
   <guid isPermaLink="false">{urn}</guid>
   <pubDate>Sat, 21 Nov 2026 00:00:00 +0000</pubDate>
   <enclosure url="https://archive.example.org/release/torrents/audio-0001.torrent" length="345678" \
type="application/x-bittorrent" />
  </item>
"""
FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">
 <channel>
  <title>Example archive</title>
  <link>https://archive.example.org/release/index.html</link>
  <description>Recordings.</description>
  <atom:link href="https://archive.example.org/release/feed.xml" rel="self" type="application/rss+xml" />
  <lastBuildDate>Sat, 21 Nov 2026 00:00:00 +0000</lastBuildDate>
{items} </channel>
</rss>
"""


def two() -> list:
    return [make_shard("audio", 1, also_v1=True), make_shard("rest", 1, version="v2", added="2026-12-01T00:00:00Z")]


def release_of_two(**facts: str):
    shards = two()
    return make_release([make_phase("audio", shards[:1]), make_phase("rest", shards[1:])], shards, **facts)


def test_magnets_are_one_a_line_whole_or_by_phase() -> None:
    release = release_of_two()
    first, second = release.shards
    assert release_lists.magnets(release) == f"{first.magnet}\n{second.magnet}\n"
    assert release_lists.magnets(release, "rest") == f"{second.magnet}\n"
    assert release_lists.magnets_v1(release) == f"{first.twin_magnet}\n"
    assert release_lists.magnets_v1(release, "rest") == ""


def test_torrents_json_has_the_field_names_that_scripts_read() -> None:
    first, second = json.loads(release_lists.torrents_json(release_of_two()))
    shard = two()[0]
    assert first == {
        "url": "https://archive.example.org/release/torrents/audio-0001.torrent",
        "top_level_group_name": "example",
        "group_name": "audio",
        "display_name": "audio-0001.torrent",
        "added_to_torrents_list_at": "2026-11-21",
        "is_metadata": False,
        "btih": shard.infohash_v1,
        "magnet_link": shard.magnet,
        "torrent_size": 345_678,
        "num_files": 1,
        "data_size": shard.size,
        "obsolete": False,
        "embargo": False,
        "seeders": None,
        "leechers": None,
        "completed": None,
        "stats_scraped_at": None,
    }
    assert second["btih"] == two()[1].infohash_v2[:40]  # BEP 52: what a v2-only torrent is announced by


@pytest.mark.parametrize(
    ("version", "field"), [("v1", "infohash_v1"), ("v2", "infohash_v2"), ("hybrid", "infohash_v1")]
)
def test_btih_is_what_trackers_know_the_torrent_by(version: str, field: str) -> None:
    shard = make_shard(version=version)
    (listed,) = json.loads(release_lists.torrents_json(make_release(shards=[shard])))
    assert listed["btih"] == getattr(shard, field)[:40]
    assert len(listed["btih"]) == 40


def test_torrents_json_says_what_is_metadata_and_what_is_obsolete() -> None:
    shards = [make_shard("metadata"), msgspec.structs.replace(make_shard("audio"), obsolete=True)]
    phases = [make_phase("metadata", shards[:1], content="catalogue"), make_phase("audio", shards[1:])]
    listed = json.loads(release_lists.torrents_json(make_release(phases, shards, base_url="")))
    assert [(each["is_metadata"], each["obsolete"]) for each in listed] == [(True, False), (False, True)]
    assert listed[0]["url"] == "torrents/metadata-0001.torrent"


def test_sha256sums_are_coreutils_lines_in_order() -> None:
    files = [PublishedFile(path=path, size=1, sha256="ab" * 32) for path in ("b", "a/c", "a")]
    assert release_lists.sha256sums(files) == f"{'ab' * 32}  a\n{'ab' * 32}  a/c\n{'ab' * 32}  b\n"


@pytest.mark.parametrize("name", ["plain", "two  spaces ", "back\\slash", "a\nb", "a\r\nb", "Ærø"])
def test_sha256sum_takes_the_line_of_any_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"data")
    file = PublishedFile(path=name, size=4, sha256=hashlib.sha256(b"data").hexdigest())
    (tmp_path / "SHA256SUMS").write_text(release_lists.sha256sums([file]), newline="")
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path, check=True)


@settings(max_examples=50)
@given(paths=st.lists(st.text(min_size=1, max_size=40), unique=True))
def test_every_file_has_one_line_of_the_sums(paths: list[str]) -> None:
    sums = release_lists.sha256sums(PublishedFile(path=path, size=1, sha256=hex_of(path)) for path in paths)
    assert sums.count("\n") == len(paths)
    assert sorted(line.lstrip("\\")[:64] for line in sums.split("\n")[:-1]) == sorted(map(hex_of, paths))


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_the_feed_of_one_shard(version: str) -> None:
    shard = make_shard(version=version)
    urn = f"urn:btmh:1220{shard.infohash_v2}" if version == "v2" else f"urn:btih:{shard.infohash_v1}"
    assert release_lists.feed(make_release(shards=[shard])).decode() == FEED.format(items=ITEM.format(urn=urn))


def test_the_feed_of_no_shard_and_of_more_than_it_takes() -> None:
    assert release_lists.feed(make_release(shards=[])).decode() == FEED.format(items="")
    many = make_release(shards=[make_shard(number=number + 1) for number in range(release_lists.FEED_LENGTH + 1)])
    assert release_lists.feed(many).count(b"<item>") == release_lists.FEED_LENGTH


def test_the_feed_is_newest_first_with_torrents_or_magnets_enclosed() -> None:
    for base, start in (
        ("https://archive.example.org/r/", "https://archive.example.org/r/torrents/"),
        ("", "magnet:?"),
    ):
        channel = ET.fromstring(release_lists.feed(release_of_two(base_url=base))).find("channel")
        assert channel is not None
        items = channel.findall("item")
        assert [item.findtext("pubDate", "")[:16] for item in items] == ["Tue, 01 Dec 2026", "Sat, 21 Nov 2026"]
        enclosures = [item.find("enclosure") for item in items]
        assert all(each is not None and each.get("url", "").startswith(start) for each in enclosures)
        assert {each.get("type") for each in enclosures if each is not None} == {"application/x-bittorrent"}


@settings(max_examples=50)
@given(title=TEXTS, description=TEXTS, homepage=TEXTS, phase=TEXTS, base=st.sampled_from(["", "https://example.org/"]))
def test_no_text_breaks_a_list(title: str, description: str, homepage: str, phase: str, base: str) -> None:
    release = release_of_two(title=title, description=description, homepage=homepage, base_url=base)
    phases = tuple(msgspec.structs.replace(each, title=phase) for each in release.phases)
    release = msgspec.structs.replace(release, phases=phases)
    assert len(release_lists.magnets(release).splitlines()) == 2
    assert len(json.loads(release_lists.torrents_json(release))) == 2
    channel = ET.fromstring(release_lists.feed(release)).find("channel")
    assert channel is not None
    items = channel.findall("item")
    assert len(items) == 2
    for text in (channel.findtext("title", ""), channel.findtext("description", ""), items[0].findtext("title", "")):
        assert len(text) < 400
        assert "\n" not in text
