"""The lists of a release, computed again from release.json (section 13)."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from tests.second_implementation.bag import one_line
from tests.second_implementation.documents import canonical
from tests.second_implementation.magnet import quoted

Shard = dict[str, Any]
Release = dict[str, Any]
UNKNOWN = {"seeders": None, "leechers": None, "completed": None, "stats_scraped_at": None}
TAG_FILES = 5
FEED_SHARDS = 500
TITLE = 300  # characters


def handed_out(release: Release) -> list[Shard]:
    """Return the shards that may be handed out: those that are not withheld (section 12)."""
    catalogues = {phase["name"] for phase in release["phases"] if phase["content"] == "catalogue"}
    last = max((each.get("since", 1) for each in release["withdrawals"] if "lifted" not in each), default=0)
    return [
        shard
        for shard in release["shards"]
        if not shard.get("withdrawn")
        and not (shard.get("obsolete") and shard["phase"] in catalogues and last > shard.get("since", 1))
    ]


def offered(release: Release, phase: str | None = None) -> Iterator[Shard]:
    """Yield the live shards that lists of links name, or those of one phase."""
    return (each for each in handed_out(release) if not each.get("obsolete") and phase in (None, each["phase"]))


def magnets(release: Release, phase: str | None = None) -> bytes:
    """Return magnets.txt, or a phase's."""
    return "".join(shard["magnet"] + "\n" for shard in offered(release, phase)).encode()


def magnets_v1(release: Release, phase: str | None = None) -> bytes:
    """Return magnets-v1.txt, or a phase's; empty where the file is left out."""
    links = (shard["twin_magnet"] for shard in offered(release, phase) if "twin_magnet" in shard)
    return "".join(link + "\n" for link in links).encode()


def url(release: Release, path: str) -> str:
    """Return the address of a file of the release; its path alone without base_url."""
    base = release["base_url"].rstrip("/")
    return (base + "/" if base else "") + quoted(path, b"/")


def torrents_json(release: Release, counts: dict[str, dict[str, Any]]) -> bytes:
    """Return torrents.json. counts: the four kept fields by display_name."""
    contents = {phase["name"]: phase["content"] for phase in release["phases"]}
    listed = []
    for shard in handed_out(release):
        name = shard["torrent"]["path"].rpartition("/")[2]
        folder = shard.get("container", "tar") == "folder"
        listed.append(
            {
                "url": url(release, shard["torrent"]["path"]),
                "top_level_group_name": release["collection"]["name"],
                "group_name": shard["phase"],
                "display_name": name,
                "added_to_torrents_list_at": shard["added"][:10],
                "is_metadata": contents[shard["phase"]] == "catalogue",
                "btih": (shard["infohash_v1"] or shard["infohash_v2"])[:40],
                "magnet_link": shard["magnet"],
                "torrent_size": shard["torrent"]["size"],
                "num_files": shard["members"] + TAG_FILES if folder else 1,
                "data_size": shard["size"],
                "obsolete": shard.get("obsolete", False),
                "embargo": False,
            }
            | counts.get(name, UNKNOWN)
        )
    return canonical(listed)


def sums(digests: dict[str, str]) -> bytes:
    """Return SHA256SUMS from the digest of each file by its path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests, key=str.encode)).encode()


def escaped(text: str) -> str:
    """Return a text as an XML value of the feed."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoted_xml(text: str) -> str:
    """Return a text as an XML attribute."""
    return '"' + escaped(text).replace('"', "&quot;") + '"'


def is_xml(char: str) -> bool:
    """Return whether XML 1.0 has the character (production 2)."""
    code = ord(char)
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code >= 0x10000


def feed_text(text: str) -> str:
    """Return a text as one line that XML can hold."""
    return one_line("".join(filter(is_xml, text)))


def shortened(text: str) -> str:
    """Return at most 300 characters; the last one is an ellipsis where more were cut."""
    return text if len(text) <= TITLE else text[: TITLE - 1] + "…"


def element(name: str, text: str) -> str:
    """Return an element of one line."""
    return f"<{name}>{escaped(text)}</{name}>" if text else f"<{name} />"


def rfc822(date: str) -> str:
    """Return a date as RSS has it."""
    value = dt.datetime.fromisoformat(date)
    day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][value.weekday()]
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][value.month - 1]
    return f"{day}, {value.day:02d} {month} {value.year} {value:%H:%M:%S} +0000"


def size_text(size: int) -> str:
    """Return bytes as 34 KiB, 1.5 MiB, 64 GiB."""
    value, unit = float(size), "B"
    for step in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if round(value, 1) < 1024:
            break
        value, unit = value / 1024, step
    return f"{value:.0f} {unit}" if unit == "B" or value == int(value) else f"{value:.1f} {unit}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def news(release: Release) -> str:
    """Return what is new in a release, in words."""
    serial = release["serial"]
    added = sum(shard.get("since", 1) == serial for shard in release["shards"])
    ended = sum(shard.get("obsolete_since") == serial for shard in release["shards"])
    gone = sum(each.get("since", 1) == serial for each in release["withdrawals"])
    lifted = sum(each.get("lifted") == serial for each in release["withdrawals"])
    parts = [counted(added, "new shard")] * bool(added)
    parts += [counted(ended, "shard") + " obsolete"] * bool(ended)
    parts += [counted(gone, "record") + " withdrawn"] * bool(gone)
    parts += [counted(lifted, "withdrawal") + " lifted"] * bool(lifted)
    return ", ".join(parts) or "no shard is new"


def item(*, title: str, link: str, description: str, guid: str, date: str, enclosure: str = "") -> list[str]:
    """Return the lines of one item."""
    lines = [element("title", title), element("link", link), element("description", description)]
    lines += [f'<guid isPermaLink="false">{escaped(guid)}</guid>', element("pubDate", rfc822(date))]
    lines += [enclosure] * bool(enclosure)
    return ["  <item>", *("   " + line for line in lines), "  </item>"]


def feed(release: Release) -> bytes:
    """Return feed.xml."""
    facts = release["collection"]
    title = shortened(facts["title"] or facts["name"])
    head = [
        element("title", feed_text(title)),
        element("link", url(release, "index.html")),
        element("description", feed_text(shortened(facts["description"] or facts["title"] or facts["name"]))),
    ]
    if release["base_url"]:
        own = quoted_xml(url(release, "feed.xml"))
        head.append(f'<atom:link href={own} rel="self" type="application/rss+xml" />')
    head.append(element("lastBuildDate", rfc822(release["date"])))
    lines = ["  " + line for line in head]
    if release["serial"] > 1:
        page = url(release, f"releases/{release['serial']}.html")
        guid = f"urn:sha256:{release['previous']}:{release['serial']}"
        what = news(release)
        title = f"Release {release['serial']}: {what}"
        lines += item(title=title, link=page, description=what, guid=guid, date=release["date"])
    newest = sorted(offered(release), key=lambda shard: (shard["added"], shard.get("since", 1)), reverse=True)
    titles = {phase["name"]: phase["title"] for phase in release["phases"]}
    for shard in newest[:FEED_SHARDS]:
        lines += shard_item(release, shard, titles[shard["phase"]])
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">',
            " <channel>",
            *lines,
            " </channel>",
            "</rss>",
            "",
        ]
    ).encode()


def shard_item(release: Release, shard: Shard, phase_title: str) -> list[str]:
    """Return the lines of a shard's item."""
    name, has_url = shard["name"], bool(release["base_url"])
    title = f"{name}: {shortened(phase_title)}" if phase_title else name
    link = url(release, f"shards/{name}/index.html") if has_url else shard["magnet"]
    torrent = url(release, shard["torrent"]["path"]) if has_url else shard["magnet"]
    v1 = shard["infohash_v1"]
    enclosure = f'<enclosure url={quoted_xml(torrent)} length="{shard["torrent"]["size"]}"'
    return item(
        title=feed_text(title),
        link=feed_text(link),
        description=f"{counted(shard['members'], 'member')}, {size_text(shard['size'])}",
        guid=f"urn:btih:{v1}" if v1 else f"urn:btmh:1220{shard['infohash_v2']}",
        date=shard["added"],
        enclosure=enclosure + ' type="application/x-bittorrent" />',
    )
