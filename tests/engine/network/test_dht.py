"""Peers counted in a DHT of a few nodes on loopback."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import libtorrent as lt
import pytest

from packager.core.bittorrent.scrape import SwarmCounts
from packager.engine.network import dht
from packager.engine.network.dht import dht_counts
from packager.errors import IncompleteError
from tests.helpers.waiting import free_port, until

chance = random.Random(5)
KNOWN, ALONE, UNKNOWN = (chance.randbytes(20) for _ in range(3))
Node = tuple[str, int]


def node(port: int, first: Node | None) -> lt.session:
    session = lt.session(
        {
            "listen_interfaces": f"127.0.0.1:{port}",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": "",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_block_ratelimit": 1000,
            "alert_mask": lt.alert.category_t.all_categories,
        }
    )
    if first:
        session.add_dht_node(first)
    return session


def counted(first: Node, swarms: Sequence[bytes]) -> dict[bytes, int | None]:
    found = dht_counts(swarms, address="127.0.0.1", nodes=[first], seconds=10, lookup_seconds=1)
    return {swarm: counts.seeders for swarm, counts in found.items()}


@contextmanager
def network() -> Iterator[tuple[Node, list[lt.session]]]:
    """Run three nodes that know each other; yield the first one's address, and all."""
    address = ("127.0.0.1", free_port())
    sessions = [node(address[1], None), node(free_port(), address), node(free_port(), address)]
    yield address, sessions
    sessions.clear()


def knows_others(session: lt.session) -> bool:
    session.post_session_stats()
    session.wait_for_alert(100)
    alerts = session.pop_alerts()
    return any(isinstance(each, lt.session_stats_alert) and each.values["dht.dht_nodes"] for each in alerts)


def test_the_peers_that_announced_themselves_are_counted_and_a_swarm_of_none_has_none() -> None:
    with network() as (address, sessions):
        for session in sessions:
            until(lambda session=session: knows_others(session))  # type: ignore[misc]
        for swarm, peers in ((KNOWN, sessions[1:]), (ALONE, sessions[1:2])):
            for at, session in enumerate(peers):
                session.dht_announce(lt.sha1_hash(swarm), 5000 + at, 0)
        until(lambda: counted(address, [KNOWN, ALONE, UNKNOWN]) == {KNOWN: 2, ALONE: 1, UNKNOWN: 0})


def test_where_the_time_does_not_do_for_all_the_others_stay_unknown() -> None:
    with network() as (address, _):
        swarms = [at.to_bytes(20, "big") for at in range(1000)]
        found = dht_counts(swarms, address="127.0.0.1", nodes=[address], seconds=2.5, lookup_seconds=1.5)
        assert found == dict.fromkeys(swarms[: dht.BEGUN_A_SECOND], SwarmCounts(seeders=0))
        assert dht_counts(swarms, nodes=[address], address="127.0.0.1", stop=lambda: True) == {}


def test_a_dht_of_which_no_node_answers_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dht, "BOOTSTRAP_SECONDS", 0.5)
    with pytest.raises(IncompleteError, match="no node of it answers"):
        dht_counts([KNOWN], address="127.0.0.1", nodes=[("127.0.0.1", 1)])
