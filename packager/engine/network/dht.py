"""How many peers of a swarm the DHT knows (BEP 5). No torrent is added.

libtorrent answers DHT scrapes (BEP 33) and sends none, so peers are counted that nodes name: seeds and others
alike, and of a large swarm a part. It is what can be had where no tracker answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from packager.core.bittorrent.scrape import Swarm, SwarmCounts
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.libtorrent_door import lt
from packager.engine.network.libtorrent_session import next_alerts, open_session
from packager.errors import IncompleteError
from packager.progress import SILENT, Progress

SECONDS = 300.0  # that it may take in all: some 3,000 swarms
BEGUN_A_SECOND = 10  # look-ups: each is some fifty small packets
LOOKUP_SECONDS = 15.0  # after which a look-up has found what it finds
BOOTSTRAP_SECONDS = 20.0
MOST_PEERS = 1000  # that are kept of one swarm
_RATE = 64 << 10  # bytes a second that the DHT may send; libtorrent's own 8,000 do for one client's few torrents
_POLL_SECONDS = 0.1


def dht_counts(
    swarms: Sequence[Swarm],
    *,
    address: str = "",
    nodes: Sequence[tuple[str, int]] = (),
    seconds: float = SECONDS,
    lookup_seconds: float = LOOKUP_SECONDS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> dict[Swarm, SwarmCounts]:
    """Return the peers of each swarm that the DHT was asked for, as seeders; what time did not do for is left out.

    address: the IP address of ours to ask from, "" for any. nodes: (IP address, port) of the DHT to begin at; none:
    libtorrent's. stop: whether to end now. Raises IncompleteError if no node of the DHT answers.
    """
    settings: lt.settings_pack = {"dht_upload_rate_limit": _RATE}
    if nodes:  # one's own, and perhaps of one address, which would be banned for its many packets
        settings |= {"dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_block_ratelimit": 1000}
    reach = PeerOptions(address=address, incoming=False, dht=True)
    kinds = lt.alert.category_t
    session = open_session(
        reach, kinds.dht_operation_notification | kinds.dht_notification, [node for node, _ in nodes], settings
    )
    for node in nodes:
        session.add_dht_node(node)
    try:
        _bootstrap(session, time.monotonic() + min(BOOTSTRAP_SECONDS, seconds), stop)
        asked = list(swarms)[: max(1, int((seconds - lookup_seconds) * BEGUN_A_SECOND))]
        return _look_up(session, asked, lookup_seconds, stop, progress)
    finally:
        del session  # libtorrent ends here


def _bootstrap(session: lt.session, end: float, stop: Callable[[], bool]) -> None:
    """Wait until a node of the DHT is known, or told to stop."""
    while time.monotonic() < end:
        session.post_session_stats()
        for alert in next_alerts(session, _POLL_SECONDS):
            if isinstance(alert, lt.session_stats_alert) and alert.values["dht.dht_nodes"]:
                return
        if stop():
            return
    raise IncompleteError("DHT", "no node of it answers", "is UDP let out? try again later")


def _look_up(
    session: lt.session, asked: list[Swarm], lookup_seconds: float, stop: Callable[[], bool], progress: Progress
) -> dict[Swarm, SwarmCounts]:
    """Begin look-ups one after another, gather what nodes answer, and count."""
    began = time.monotonic()
    found: dict[Swarm, set[tuple[str, int]]] = {}
    progress.begin("Counting", len(asked), "swarm")
    while time.monotonic() < began + len(asked) / BEGUN_A_SECOND + lookup_seconds and not stop():
        due = min(len(asked), 1 + int((time.monotonic() - began) * BEGUN_A_SECOND))
        for swarm in asked[len(found) : due]:
            found[swarm] = set()
            session.dht_get_peers(lt.sha1_hash(swarm))
            progress.advance(1)
        for alert in next_alerts(session, _POLL_SECONDS):
            if isinstance(alert, lt.dht_get_peers_reply_alert):
                _note(found, alert)
    progress.end()
    return {swarm: SwarmCounts(seeders=len(peers)) for swarm, peers in found.items()}


def _note(found: dict[Swarm, set[tuple[str, int]]], alert: lt.dht_get_peers_reply_alert) -> None:
    """Keep the peers that a node names."""
    peers = found.get(alert.info_hash.to_bytes())
    if peers is not None and len(peers) < MOST_PEERS:
        peers.update(alert.peers())
