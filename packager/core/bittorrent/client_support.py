"""Problems of BitTorrent clients with torrents and magnet links: which refuse or misread one, and why.

A table of facts, each with the version it was seen in; nothing is run here. `test_client_support.py`
runs those programs that are installed and compares.
"""

from collections.abc import Callable
from dataclasses import dataclass

from packager.core.bittorrent.bencode import LIMIT
from packager.model import TorrentVersion
from packager.units import MIB

PIECE_COMMON = 16 * MIB  # bytes of a piece that every client takes


@dataclass(frozen=True)
class TorrentShape:
    """What of a torrent decides who takes it. torrent_size: bytes of the .torrent, None of a magnet link.

    piece_length: bytes, None if it is not known yet.
    """

    version: TorrentVersion
    piece_length: int | None
    torrent_size: int | None


@dataclass(frozen=True)
class ClientFact:
    """One client's trouble with torrents of some shape. tried: seen by us; else by its authors' word."""

    client: str
    version: str
    applies: Callable[[TorrentShape], bool]
    why: str
    refuses: bool = True  # False: it takes them, and goes wrong
    tried: bool = True


def _link_v2_only(shape: TorrentShape) -> bool:
    return shape.torrent_size is None and shape.version == "v2"


def _link_hybrid(shape: TorrentShape) -> bool:
    return shape.torrent_size is None and shape.version == "hybrid"


FACTS = (
    ClientFact(
        "Transmission",
        "3.00",
        lambda shape: shape.torrent_size is not None and shape.version != "v1",
        '"Error parsing": its parser cannot read the empty key that BEP 52\'s file tree has; '
        "it takes v1-only torrents, and Transmission 4 reads hybrids",
    ),
    ClientFact(
        "Transmission",
        "3.00",
        lambda shape: shape.torrent_size is None and shape.version != "v1",
        "it cannot read what peers send of a torrent with v2 in it; by a v1-only magnet link it fetches the tar",
    ),
    ClientFact(
        "aria2",
        "1.36.0",
        lambda shape: shape.torrent_size is not None and shape.version == "hybrid",
        "it drops the empty key of BEP 52's file tree and so takes a wrong v1 infohash from the .torrent of a "
        "hybrid, by which it finds no swarm; web seeds work, and so does a v1-only .torrent or magnet link",
        refuses=False,
    ),
    ClientFact(
        "aria2",
        "1.36.0",
        _link_hybrid,
        "it fetches nothing by the magnet link of a hybrid, whose BEP 52 file tree it reads wrong; by a v1-only "
        "magnet link it fetches the tar",
        refuses=False,
    ),
    ClientFact(
        "aria2",
        "1.36.0",
        lambda shape: shape.torrent_size is not None and shape.version == "v2",
        '"Missing pieces in torrent metainfo": it knows BEP 3 alone',
    ),
    ClientFact(
        "aria2",
        "1.36.0",
        _link_v2_only,
        '"Unrecognized URI": it knows no magnet link without a v1 infohash',
    ),
    ClientFact(
        "rtorrent",
        "0.9.8",
        _link_hybrid,
        '"Invalid magnet URI": it takes no link with a v2 infohash in it; by a v1-only magnet link it fetches the '
        "tar, and it uses no web seed",
    ),
    ClientFact(
        "rtorrent",
        "0.9.8",
        lambda shape: shape.version == "v2",
        "it knows BEP 3 alone",
    ),
    ClientFact(
        "Deluge",
        "2.0.3",
        _link_v2_only,
        "it takes no magnet link without a v1 infohash; a v2-only .torrent it does",
    ),
    ClientFact(
        "clients on libtorrent 1.x (qBittorrent before 4.4)",
        "1.2",
        lambda shape: shape.version == "v2",
        "v2-only torrents came with libtorrent 2",
        tried=False,
    ),
    ClientFact(
        "clients on libtorrent (qBittorrent, Deluge)",
        "2.1.1",
        lambda shape: (shape.torrent_size or 0) > LIMIT,
        f"it loads .torrent files up to {LIMIT:,} bytes",
    ),
    ClientFact(
        "some clients",
        "",
        lambda shape: (shape.piece_length or 0) > PIECE_COMMON,
        "pieces over 16 MiB are more than they allow",
        tried=False,
    ),
)


def client_troubles(shape: TorrentShape) -> tuple[ClientFact, ...]:
    """Return what is known to go wrong with a torrent of this shape."""
    return tuple(fact for fact in FACTS if fact.applies(shape))
