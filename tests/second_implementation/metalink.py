"""metalinks/NAME.meta4, computed again from release.json and the shard's torrent (section 13)."""

from typing import Any

from tests.second_implementation import bencode
from tests.second_implementation.lists import Release, Shard, escaped, offered, quoted_xml, url
from tests.second_implementation.magnet import values


def v1_torrent(shard: Shard) -> dict[str, Any] | None:
    """Return the listed file of the torrent that has v1 hashes: the twin if there is one."""
    return shard.get("twin_torrent") or (shard["torrent"] if shard["infohash_v1"] else None)


def has_metalink(release: Release, shard: Shard) -> bool:
    """Return whether a shard that is offered has a Metalink."""
    if shard.get("container", "tar") != "tar":
        return False
    checkable = "sha256" in shard or v1_torrent(shard) is not None
    return checkable and bool(release["base_url"] or values(shard["magnet"], "ws"))


def metalinks(release: Release) -> list[Shard]:
    """Return the shards that have a Metalink."""
    return [shard for shard in offered(release) if has_metalink(release, shard)]


def metalink(release: Release, shard: Shard, torrent: bytes | None) -> bytes:
    """Return the document. torrent: the bytes of `v1_torrent`."""
    pieces = bencode.decode(torrent)[b"info"][b"pieces"] if torrent else b""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<metalink xmlns="urn:ietf:params:xml:ns:metalink">']
    lines += [f"<file name={quoted_xml(shard['file'])}>", f"<size>{shard['size']}</size>"]
    if "sha256" in shard:
        lines.append(f'<hash type="sha-256">{shard["sha256"]}</hash>')
    if pieces and 54 * (len(pieces) // 20) <= 4_128_768:
        lines.append(f'<pieces length="{shard["piece_length"]}" type="sha-1">')
        lines += [f"<hash>{pieces[at : at + 20].hex()}</hash>" for at in range(0, len(pieces), 20)]
        lines.append("</pieces>")
    listed = v1_torrent(shard)
    if release["base_url"] and listed:
        address = escaped(url(release, listed["path"]))
        lines.append(f'<metaurl mediatype="torrent" priority="1">{address}</metaurl>')
    for priority, address in enumerate(dict.fromkeys(values(shard["magnet"], "ws")), 1):
        lines.append(f'<url priority="{priority}">{escaped(address)}</url>')
    return "\n".join([*lines, "</file>", "</metalink>", ""]).encode()
