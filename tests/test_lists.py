"""The lists of a release: exact lines, and no text of a stranger breaks one."""

import json
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from packager import lists
from packager.model import PublishedFile
from tests.releases import make_phase, make_release, make_shard

TEXTS = st.text(max_size=200)


def two() -> list:
    return [make_shard("audio", 1, also_v1=True), make_shard("rest", 1, version="v2", added="2026-12-01T00:00:00Z")]


def release_of_two(**facts: str):
    shards = two()
    return make_release([make_phase("audio", shards[:1]), make_phase("rest", shards[1:])], shards, **facts)


def test_magnets_are_one_a_line_whole_or_by_phase() -> None:
    release = release_of_two()
    first, second = release.shards
    assert lists.magnets(release) == f"{first.magnet}\n{second.magnet}\n"
    assert lists.magnets(release, "rest") == f"{second.magnet}\n"
    assert lists.magnets_v1(release) == f"{first.magnet_v1}\n"
    assert lists.magnets_v1(release, "rest") == ""


def test_torrents_json_has_the_field_names_that_scripts_read() -> None:
    first, second = json.loads(lists.torrents_json(release_of_two()))
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


def test_sha256sums_are_coreutils_lines_in_order() -> None:
    files = [PublishedFile(path=path, size=1, sha256="ab" * 32) for path in ("b", "a/c", "a")]
    assert lists.sha256sums(files) == f"{'ab' * 32}  a\n{'ab' * 32}  a/c\n{'ab' * 32}  b\n"


def test_the_feed_is_newest_first_with_torrents_or_magnets_enclosed() -> None:
    for base, start in (
        ("https://archive.example.org/r/", "https://archive.example.org/r/torrents/"),
        ("", "magnet:?"),
    ):
        channel = ET.fromstring(lists.feed(release_of_two(base_url=base))).find("channel")
        assert channel is not None
        items = channel.findall("item")
        assert [item.findtext("pubDate", "")[:16] for item in items] == ["Tue, 01 Dec 2026", "Sat, 21 Nov 2026"]
        enclosures = [item.find("enclosure") for item in items]
        assert all(each is not None and each.get("url", "").startswith(start) for each in enclosures)
        assert {each.get("type") for each in enclosures if each is not None} == {"application/x-bittorrent"}


@settings(max_examples=50, deadline=None)
@given(title=TEXTS, description=TEXTS, homepage=TEXTS, contact=TEXTS)
def test_no_text_breaks_a_list(title: str, description: str, homepage: str, contact: str) -> None:
    texts = {"title": title, "description": description, "homepage": homepage, "contact": contact}
    release = release_of_two(**texts)
    assert len(lists.magnets(release).splitlines()) == 2
    assert len(json.loads(lists.torrents_json(release))) == 2
    channel = ET.fromstring(lists.feed(release)).find("channel")
    assert channel is not None
    assert len(channel.findall("item")) == 2
