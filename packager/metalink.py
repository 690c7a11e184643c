"""NAME.meta4: one shard as Metalink (RFC 5854), for clients that fetch from web servers and check. Pure.

The hashes of pieces are BEP 3's: SHA-1 of stretches of the piece length, the last one shorter, as RFC 5854
has them. The v2 hashes cannot stand here: a node of BEP 52's tree is no hash of a stretch of the file.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from packager.addresses import WEB, url
from packager.errors import InputError
from packager.model import ReleaseShard
from packager.units import MIB

NAMESPACE = "urn:ietf:params:xml:ns:metalink"
MEDIA_TYPE = "application/metalink4+xml"
LIMIT = 4 * MIB  # bytes; aria2 1.36 takes 5 MiB where it fetches the document itself (--follow-metalink=mem)
_SHA1 = 20  # bytes
_ELEMENT = len("<hash></hash>\n") + 2 * _SHA1  # bytes of one piece in the document


def metalink(
    shard: ReleaseShard, *, web_seeds: Sequence[str], torrent: str | None = None, pieces: bytes = b""
) -> bytes:
    """Return the document of a shard, or b"" where there is no address to fetch it from.

    web_seeds: addresses of the tar itself, the preferred first. torrent: the address of NAME.torrent. pieces: the
    `pieces` of its info dictionary, 20 bytes each, b"" where it has none (v2 only); they are left out where the
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
    root = ET.Element("metalink", {"xmlns": NAMESPACE})
    file = ET.SubElement(root, "file", {"name": shard.file})
    ET.SubElement(file, "size").text = str(shard.size)
    if shard.sha256 is not None:
        ET.SubElement(file, "hash", {"type": "sha-256"}).text = shard.sha256
    if pieces and count * _ELEMENT <= LIMIT - 64 * 1024:  # room for names and addresses
        listed = ET.SubElement(file, "pieces", {"length": str(shard.piece_length), "type": "sha-1"})
        for at in range(0, len(pieces), _SHA1):
            ET.SubElement(listed, "hash").text = pieces[at : at + _SHA1].hex()
    if torrent is not None:
        ET.SubElement(file, "metaurl", {"mediatype": "torrent", "priority": "1"}).text = torrent
    for priority, address in enumerate(addresses, 1):
        ET.SubElement(file, "url", {"priority": str(priority)}).text = address
    ET.indent(root, "")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'.encode()
