"""Lists of a release for mirrors' scripts, clients and feed readers. Deterministic; LF line ends.

manifests/FORMAT.md, "Lists", describes the fields for other implementations.
"""

import re
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from packager import units
from packager.core.bittorrent.scrape import SwarmCounts
from packager.core.releases import release_changes
from packager.core.releases.seed_counts import Counted
from packager.core.releases.withheld_shards import SharingRule
from packager.core.shards.folder_layout import TAG_FILES
from packager.model import FrozenStruct, PublishedFile, Release, ReleaseShard, ShardName

FEED_LENGTH = 500  # shards in the feed, the newest
_TEXT = 300  # characters of a title or description in a feed, for each shard
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


class ListedTorrent(FrozenStruct, frozen=True, kw_only=True):
    """One torrent of torrents.json, with the field names that mirrors' scripts already read.

    Sizes are bytes. `btih` is the infohash for trackers and the DHT. The last four are the last answer of
    trackers; null if unknown.
    """

    url: str
    top_level_group_name: str
    group_name: str
    display_name: str
    added_to_torrents_list_at: str
    is_metadata: bool
    btih: str
    magnet_link: str
    torrent_size: int
    num_files: int
    data_size: int
    obsolete: bool
    embargo: bool
    seeders: int | None
    leechers: int | None
    completed: int | None
    stats_scraped_at: str | None


def magnets(release: Release, phase: str | None = None) -> str:
    """Return magnets.txt: the magnet of each shard, or of each shard of a phase, one per line, in the release's order.

    Obsolete and withheld shards are left out.
    """
    return "".join(f"{shard.magnet}\n" for shard in _offered(release, phase))


def _offered(release: Release, phase: str | None = None) -> Iterator[ReleaseShard]:
    """Yield the shards, or those of one phase, that are neither obsolete nor withheld."""
    return (shard for shard in SharingRule(release).offered() if phase in (None, shard.phase))


def magnets_v1(release: Release, phase: str | None = None) -> str:
    """Return magnets-v1.txt: the magnets of the extra v1-only torrents, one per line; "" if there are none.

    They are for the same tars as in `magnets`, so a client uses one list or the other.
    """
    return "".join(f"{shard.twin_magnet}\n" for shard in _offered(release, phase) if shard.twin_magnet is not None)


def torrents_json(release: Release, counted: Mapping[ShardName, Counted] = MappingProxyType({})) -> bytes:
    """Return torrents.json: a flat JSON list of the shards' torrents, in the release's order, without withheld shards.

    counted: the known seed counts. The extra v1-only torrents are left out, because their data would be
    counted twice.
    """
    content, hand_out = {phase.name: phase.content for phase in release.phases}, SharingRule(release)
    listed = [
        _listed(release, shard, counted.get(shard.name), is_metadata=content.get(shard.phase) == "catalogue")
        for shard in release.shards
        if hand_out.withheld(shard.name) is None
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2) + b"\n"


def _listed(release: Release, shard: ReleaseShard, counted: Counted | None, *, is_metadata: bool) -> ListedTorrent:
    """Return one shard's torrent."""
    counts = counted.counts if counted else SwarmCounts()
    return ListedTorrent(
        url=published_url(release, shard.torrent.path),
        top_level_group_name=release.collection.name,
        group_name=shard.phase,
        display_name=shard.torrent.path.rpartition("/")[2],
        added_to_torrents_list_at=shard.added[:10],
        is_metadata=is_metadata,
        btih=short_infohash(shard),
        magnet_link=shard.magnet,
        torrent_size=shard.torrent.size,
        num_files=1 if shard.container == "tar" else shard.members + TAG_FILES,
        data_size=shard.size,
        obsolete=shard.obsolete,
        embargo=False,
        seeders=counts.seeders,
        leechers=counts.leechers,
        completed=counts.completed,
        stats_scraped_at=counted.at if counted else None,
    )


def short_infohash(shard: ReleaseShard) -> str:
    """Return the infohash for trackers and the DHT: 40 hex digits.

    It is the v1 infohash, or else the v2 infohash cut to 20 bytes (BEP 52, "upgrade path").
    """
    return (shard.infohash_v1 or shard.infohash_v2 or "")[:40]


def published_url(release: Release, path: str) -> str:
    """Return the URL of a published file; without base_url, relative to the site's root."""
    base = release.base_url.rstrip("/")
    return (f"{base}/" if base else "") + urllib.parse.quote(path)


def sha256sums(files: Iterable[PublishedFile]) -> str:
    """Return SHA256SUMS as `sha256sum -c` reads it, sorted by the paths' bytes.

    A path with a backslash or a line break is written in coreutils' escaped form.
    """
    return "".join(_sum_line(file) for file in sorted(files, key=lambda file: file.path.encode()))


def _sum_line(file: PublishedFile) -> str:
    """Return one line: a backslash if the path is escaped, the digest, two spaces, the path."""
    path = file.path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if path == file.path else chr(92)}{file.sha256}  {path}\n"


def feed(release: Release) -> bytes:
    """Return feed.xml: RSS 2.0 of the newest FEED_LENGTH shards, with torrent enclosures (BEP 36).

    First the changes of this release, from serial 2 on; then the shards that are neither obsolete nor withheld, the
    newest first: by the date and serial they were added, then in the release's order. Without base_url an
    enclosure is the magnet itself, which BEP 36 allows as a "torrent link".
    """
    root = ET.Element("rss", {"version": "2.0", "xmlns:atom": "http://www.w3.org/2005/Atom"})
    channel = ET.SubElement(root, "channel")
    facts = release.collection
    _add(channel, "title", _cut(facts.title or facts.name))
    _add(channel, "link", published_url(release, "index.html"))
    _add(channel, "description", _cut(facts.description or facts.title or facts.name))
    if release.base_url:
        ET.SubElement(
            channel, "atom:link", href=published_url(release, "feed.xml"), rel="self", type="application/rss+xml"
        )
    _add(channel, "lastBuildDate", units.rfc822(release.date))
    titles = {phase.name: phase.title for phase in release.phases}
    if release.serial > 1:
        _add_release(channel, release)
    newest = sorted(_offered(release), key=lambda shard: (shard.added, shard.since), reverse=True)
    for shard in newest[:FEED_LENGTH]:
        _add_shard(channel, release, titles.get(shard.phase, ""), shard)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'.encode()


def _add_release(channel: ET.Element, release: Release) -> None:
    """Add the item with the changes against the release before."""
    item = ET.SubElement(channel, "item")
    _add(item, "title", f"Release {release.serial}: {release_changes.describe_changes(release, release.serial)}")
    _add(item, "link", published_url(release, release_changes.page(release.serial)))
    _add(item, "description", release_changes.describe_changes(release, release.serial))
    guid = f"urn:sha256:{release.previous}:{release.serial}"
    ET.SubElement(item, "guid", isPermaLink="false").text = guid
    _add(item, "pubDate", units.rfc822(release.date))


def _add_shard(channel: ET.Element, release: Release, phase_title: str, shard: ReleaseShard) -> None:
    """Add one shard's item to the feed."""
    item = ET.SubElement(channel, "item")
    has_url = bool(release.base_url)
    _add(item, "title", f"{shard.name}: {_cut(phase_title)}" if phase_title else shard.name)
    _add(item, "link", published_url(release, f"shards/{shard.name}/index.html") if has_url else shard.magnet)
    _add(item, "description", f"{units.count_of(shard.members, 'member')}, {units.format_size(shard.size)}")
    urn = f"urn:btih:{shard.infohash_v1}" if shard.infohash_v1 else f"urn:btmh:1220{shard.infohash_v2}"
    ET.SubElement(item, "guid", isPermaLink="false").text = urn
    _add(item, "pubDate", units.rfc822(shard.added))
    url = _line(published_url(release, shard.torrent.path) if has_url else shard.magnet)
    ET.SubElement(item, "enclosure", url=url, length=str(shard.torrent.size), type="application/x-bittorrent")


def _add(parent: ET.Element, tag: str, text: str) -> None:
    """Add an element with text as one line."""
    ET.SubElement(parent, tag).text = _line(text)


def _line(text: str) -> str:
    """Return text as one line of characters that XML 1.0 allows; the others are dropped."""
    return " ".join(_NOT_XML.sub("", text).split())


def _cut(text: str) -> str:
    """Return a title or description as a feed repeats it: at most _TEXT characters."""
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
