"""A tracker's seed counts by infohash: BEP 48 (HTTP) and BEP 15 (UDP), requests written and answers read.

Answers of trackers are untrusted: their size is limited, and an invalid count is unknown. Nothing is sent here.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote_from_bytes, urlsplit, urlunsplit

from packager.core.bittorrent import bencode
from packager.core.config.url_values import TRACKERS, WEB, url
from packager.errors import InputError
from packager.model import FrozenStruct, Uint63
from packager.paths import display_text

Swarm: TypeAlias = bytes  # 20 bytes: the infohash v1, or the infohash v2 cut (BEP 52, "upgrade path")

MOST = (1 << 31) - 1  # of a count, for readers of the lists
HTTP_BATCH = 50  # swarms a request: an address of 4 KB; opentracker takes 64
UDP_BATCH = 70  # swarms a packet: 1416 bytes, that no network cuts; BEP 15 allows "about 74"
HTTP_LIMIT = 256 << 10  # bytes of an answer; 50 swarms take 5 KB
UDP_LIMIT = 2048  # bytes of an answer
_PROTOCOL = 0x41727101980  # BEP 15, "connect"
_CONNECT, _SCRAPE, _ERROR = 0, 2, 3
_ANNOUNCE = "announce"
_WHY = 200  # characters of a tracker's own words that are shown


class SwarmCounts(FrozenStruct, frozen=True, kw_only=True):
    """What is known of a swarm: peers that have all, peers that have not, how often it was fetched in full."""

    seeders: Uint63 | None = None
    leechers: Uint63 | None = None
    completed: Uint63 | None = None


def best_counts(counts: Iterable[SwarmCounts]) -> SwarmCounts:
    """Return the largest of each count; None if none is known.

    A seed announces itself to every tracker, and in every swarm of a shard that its client knows: a sum would
    count it several times. The largest is never more than there are.
    """
    every = list(counts)

    def largest(values: Iterable[int | None]) -> int | None:
        return max((value for value in values if value is not None), default=None)

    return SwarmCounts(
        seeders=largest(each.seeders for each in every),
        leechers=largest(each.leechers for each in every),
        completed=largest(each.completed for each in every),
    )


def scrape_url(announce: str) -> str:
    """Return the address that an HTTP tracker is asked for counts at (BEP 48).

    Raises InputError if the announce URL has none: its last name does not begin with "announce".
    """
    parts = urlsplit(url(announce, "tracker", WEB))
    folder, slash, name = parts.path.rpartition("/")
    if not name.startswith(_ANNOUNCE):
        raise InputError(
            display_text(announce, _WHY), 'cannot be asked: the last name in its path is not "announce" (BEP 48)'
        )
    path = f"{folder}{slash}scrape{name.removeprefix(_ANNOUNCE)}"
    return urlunsplit(parts._replace(path=path, fragment=""))


def http_request(address: str, swarms: Iterable[Swarm]) -> str:
    """Return the address that asks for several swarms at once."""
    query = "&".join(f"info_hash={quote_from_bytes(swarm, safe='')}" for swarm in swarms)
    return f"{address}{'&' if urlsplit(address).query else '?'}{query}"


def http_answer(data: bytes, swarms: Iterable[Swarm], where: object) -> dict[Swarm, SwarmCounts]:
    """Return the counts of those of `swarms` that are in an answer; its other content is ignored.

    Raises InputError if it is no answer, or says why there is none ("failure reason", BEP 48).
    """
    value = bencode.decode(data, where, any_order=True)
    if not isinstance(value, dict):
        raise InputError(where, "does not answer with a dictionary (BEP 48)")
    for key in (b"failure reason", b"failure_reason"):
        if isinstance(reason := value.get(key), bytes):
            raise InputError(where, f'says "{display_text(reason[:_WHY].decode("utf-8", "replace"), _WHY)}"')
    files = bencode.get_dictionary(value, "files", where)
    return {swarm: _http_counts(found) for swarm in swarms if isinstance(found := files.get(swarm), dict)}


def _http_counts(fields: bencode.Dictionary) -> SwarmCounts:
    """Return one swarm's counts."""
    return SwarmCounts(
        seeders=_count(fields.get(b"complete")),
        leechers=_count(fields.get(b"incomplete")),
        completed=_count(fields.get(b"downloaded")),
    )


def _count(value: object) -> int | None:
    """Return a count, at most MOST; None for what is none."""
    return min(value, MOST) if isinstance(value, int) and value >= 0 else None


def udp_address(announce: str) -> tuple[str, int]:
    """Return the host and port of a UDP tracker. Raises InputError."""
    parts = urlsplit(url(announce, "tracker", TRACKERS))
    if parts.scheme.lower() != "udp" or parts.hostname is None or parts.port is None:
        raise InputError(display_text(announce, _WHY), "is not a UDP tracker")
    return parts.hostname, parts.port


def udp_connect(transaction: int) -> bytes:
    """Return the packet that asks for a connection id. transaction: 32 bits, at random."""
    return struct.pack(">QII", _PROTOCOL, _CONNECT, transaction)


def udp_connected(packet: bytes, where: object) -> int:
    """Return the connection id of an answer; it holds for a minute. Raises InputError."""
    _check_action(packet, _CONNECT, where)
    if len(packet) < 16:
        raise InputError(where, f"answers with {len(packet)} bytes where 16 belong (BEP 15)")
    (connection,) = struct.unpack_from(">Q", packet, 8)
    return int(connection)


def udp_request(connection: int, transaction: int, swarms: Sequence[Swarm]) -> bytes:
    """Return the packet that asks for the counts of at most UDP_BATCH swarms."""
    return struct.pack(">QII", connection, _SCRAPE, transaction) + b"".join(swarms)


def udp_answer(packet: bytes, swarms: Sequence[Swarm], where: object) -> dict[Swarm, SwarmCounts]:
    """Return the counts of the first swarms asked for: a tracker may answer for fewer, and for one at least.

    Raises InputError if the packet is no answer, or says why there is none.
    """
    _check_action(packet, _SCRAPE, where)
    triples = min((len(packet) - 8) // 12, len(swarms))
    if triples < 1:
        raise InputError(where, f"answers with {len(packet)} bytes, and tells of no swarm (BEP 15)")
    found = struct.iter_unpack(">iii", packet[8 : 8 + 12 * triples])
    return {
        swarm: SwarmCounts(seeders=_count(seeders), leechers=_count(leechers), completed=_count(completed))
        for swarm, (seeders, completed, leechers) in zip(swarms, found, strict=False)
    }


def udp_transaction(packet: bytes) -> int | None:
    """Return which request an answer is to; None for a packet that is too short."""
    return int(struct.unpack_from(">I", packet, 4)[0]) if len(packet) >= 8 else None


def _check_action(packet: bytes, action: int, where: object) -> None:
    """Raise InputError if a packet of at least 8 bytes is not the answer that belongs here."""
    (found,) = struct.unpack_from(">I", packet)
    if found == _ERROR:
        raise InputError(where, f'says "{display_text(packet[8 : 8 + _WHY].decode("utf-8", "replace"), _WHY)}"')
    if found != action:
        raise InputError(where, f"answers with action {found}, not {action} (BEP 15)")


def shard_counts(counts: Mapping[Swarm, SwarmCounts], swarms: Iterable[Swarm]) -> SwarmCounts:
    """Return what is known of a shard by its swarms; see `best`."""
    return best_counts(counts[swarm] for swarm in swarms if swarm in counts)
