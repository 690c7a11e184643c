"""NAME.meta4: one shard as Metalink (RFC 5854), for clients that fetch from web servers and check. Pure.

The hashes of pieces are BEP 3's: SHA-1 of stretches of the piece length, the last one shorter, as RFC 5854
has them. The v2 hashes cannot stand here: a node of BEP 52's tree is no hash of a stretch of the file.
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
LIMIT = 4 * MIB  # bytes; aria2 1.36 takes 5 MiB where it fetches the document itself (--follow-metalink=mem)
_SHA1 = 20  # bytes
_BETWEEN = "</hash>\n<hash>"
_ELEMENT = len(_BETWEEN) + 2 * _SHA1  # bytes of one piece in the document


def metalink_path(shard: ReleaseShard) -> str:
    """Return where a shard's document stands in its release, if it has one."""
    return f"metalinks/{shard.name}.meta4"


def has_metalink(release: Release, shard: ReleaseShard) -> bool:
    """Return whether a shard that a release offers has a document.

    Its release must tell where it is available, and something that Metalink can check it by.
    """
    has_hashes = shard.sha256 is not None or v1_torrent(shard) is not None
    has_address = bool(release.base_url or web_seeds(shard))
    # Its hashes of pieces are of one file (RFC 5854), so a folder has no document.
    return shard.container == "tar" and has_hashes and has_address


def metalink_of(release: Release, shard: ReleaseShard, pieces: bytes) -> bytes:
    """Return a shard's document by what its release tells. pieces: as `metalink` takes them."""
    torrent = v1_torrent(shard)
    address = published_url(release, torrent.path) if torrent and release.base_url else None
    return metalink(shard, web_seeds=web_seeds(shard), torrent=address, pieces=pieces)


def v1_torrent(shard: ReleaseShard) -> PublishedFile | None:
    """Return the torrent of a shard that has v1 hashes, None if none has.

    The v1-only one where there is one: aria2 before 1.37 takes a wrong infohash from a hybrid, and the hashes of
    the pieces are the same.
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
    document would grow over LIMIT. The tar's SHA-256 stands where the release has it. Raises InputError for an
    address that is not http(s), and for pieces that are not as many as the shard has.
    """
    addresses = [url(address, "web seed", WEB) for address in web_seeds]
    if torrent is not None:
        url(torrent, "torrent", WEB)
    if not addresses and torrent is None:
        return b""
    count = -(-shard.size // shard.piece_length)
    if pieces and len(pieces) != _SHA1 * count:
        raise InputError(shard.name, f"has {count} pieces, and {len(pieces)} bytes of their hashes were given")
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
