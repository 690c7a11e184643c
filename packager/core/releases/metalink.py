"""NAME.meta4: one shard as a Metalink (RFC 5854), for clients that fetch from web servers and verify. Pure.

It contains the piece hashes of BEP 3, because RFC 5854 uses the same: SHA-1 of parts of one length, the last one
shorter. The v2 hashes are not possible: a node of BEP 52's tree is not the hash of a part of the file.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.config.url_values import WEB, url
from packager.core.releases.release_lists import published_url
from packager.errors import InputError
from packager.model import PublishedFile, Release, ReleaseShard
from packager.units import MIB

NAMESPACE = "urn:ietf:params:xml:ns:metalink"
LIMIT = 4 * MIB  # bytes; aria2 1.36 accepts 5 MiB if it fetches the document itself (--follow-metalink=mem)
_SHA1 = 20  # bytes
_BETWEEN = "</hash>\n<hash>"
_ELEMENT = len(_BETWEEN) + 2 * _SHA1  # bytes of one piece in the document


def metalink_path(shard: ReleaseShard) -> str:
    """Return the path of a shard's document in its release, if it has one."""
    return f"metalinks/{shard.name}.meta4"


def has_metalink(release: Release, shard: ReleaseShard) -> bool:
    """Return whether an offered shard has a document.

    Its release must contain an address of it, and a hash that Metalink supports.
    """
    has_hashes = shard.sha256 is not None or v1_torrent(shard) is not None
    has_address = bool(release.base_url or web_seeds(shard))
    # The piece hashes are of one file (RFC 5854), so a folder has no document.
    return shard.container == "tar" and has_hashes and has_address


def metalink_of(release: Release, shard: ReleaseShard, pieces: bytes) -> bytes:
    """Return a shard's document, from the facts of its release. pieces: as for `metalink`."""
    torrent = v1_torrent(shard)
    address = published_url(release, torrent.path) if torrent and release.base_url else None
    return metalink(shard, web_seeds=web_seeds(shard), torrent=address, pieces=pieces)


def v1_torrent(shard: ReleaseShard) -> PublishedFile | None:
    """Return the torrent of a shard that has v1 hashes; None if there is none.

    A v1-only torrent is preferred, because aria2 before 1.37 computes a wrong infohash from a hybrid. The piece
    hashes are the same.
    """
    return shard.twin_torrent or (shard.torrent if shard.infohash_v1 is not None else None)


def web_seeds(shard: ReleaseShard) -> tuple[str, ...]:
    """Return the addresses of a shard's tar, the preferred first."""
    return parse_magnet(shard.magnet, shard.name).web_seeds


def metalink(
    shard: ReleaseShard, *, web_seeds: Sequence[str], torrent: str | None = None, pieces: bytes = b""
) -> bytes:
    """Return the document of a shard, or b"" if there is no address to fetch it from.

    web_seeds: addresses of the tar itself, the preferred first. torrent: the address of NAME.torrent. pieces: the
    `pieces` of its info dictionary, 20 bytes each, b"" if it has none (v2 only); they are left out if the
    document would be larger than LIMIT. The tar's SHA-256 is included if the release has it. Raises InputError for an
    address that is not http(s), and for a wrong number of pieces.
    """
    addresses = [url(address, "web seed", WEB) for address in web_seeds]
    if torrent is not None:
        url(torrent, "torrent", WEB)
    if not addresses and torrent is None:
        return b""
    count = -(-shard.size // shard.piece_length)
    if pieces and len(pieces) != _SHA1 * count:
        raise InputError(shard.name, f"has {count} pieces, but {len(pieces)} bytes of piece hashes were passed")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<metalink xmlns="{NAMESPACE}">']
    lines += [f"<file name={quoteattr(shard.file)}>", f"<size>{shard.size}</size>"]
    if shard.sha256 is not None:
        lines.append(f'<hash type="sha-256">{shard.sha256}</hash>')
    if pieces and count * _ELEMENT <= LIMIT - 64 * 1024:  # room for names and addresses
        lines.append(f'<pieces length="{shard.piece_length}" type="sha-1">')
        lines.append(f"<hash>{pieces.hex(chr(10), _SHA1).replace(chr(10), _BETWEEN)}</hash>\n</pieces>")
    if torrent is not None:
        lines.append(f'<metaurl mediatype="torrent" priority="1">{escape(torrent)}</metaurl>')
    for priority, address in enumerate(addresses, 1):
        lines.append(f'<url priority="{priority}">{escape(address)}</url>')
    return "\n".join([*lines, "</file>", "</metalink>", ""]).encode()
