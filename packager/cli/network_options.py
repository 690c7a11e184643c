"""The options of commands that fetch bytes of a shard over the network."""

from typing import Annotated

import typer

from packager.cli.common_options import AllowHosts
from packager.core.http.allowed_hosts import allowed_hosts
from packager.engine.network.connection_options import NetworkOptions, PeerOptions, SwarmOptions

NoWebSeeds = Annotated[bool, typer.Option("--no-web-seeds", help="Leave the web seeds alone that the torrent names.")]
Dht = Annotated[bool, typer.Option("--dht/--no-dht", help="Find peers through the DHT.")]
Listen = Annotated[str, typer.Option(help="Our IP address to meet peers at. Default: all.", metavar="ADDRESS")]
Timeout = Annotated[
    float, typer.Option(min=1, max=86400, help="Seconds that a server or the swarm may stay silent.", metavar="SECONDS")
]


def network_options(
    *,
    web_seed: Annotated[
        list[str] | None,
        typer.Option(help="Fetch from this address, or the folder it names with a / at its end.", metavar="URL"),
    ] = None,
    no_web_seeds: NoWebSeeds = False,
    allow_host: AllowHosts = None,
    swarm: Annotated[
        bool, typer.Option("--swarm", help="Fetch from the swarm that the torrent's trackers know.")
    ] = False,
    peer: Annotated[
        list[str] | None, typer.Option(help="Fetch from this peer; may be given again.", metavar="HOST:PORT")
    ] = None,
    tracker: Annotated[
        list[str] | None, typer.Option(help="Ask this tracker, too; may be given again.", metavar="URL")
    ] = None,
    dht: Dht = False,
    listen: Listen = "",
    timeout: Timeout = 60,
) -> NetworkOptions:
    """Return where bytes may be fetched from. Peers alone are met without letting anybody connect to us."""
    found = swarm or dht or bool(tracker)
    reach = PeerOptions(address=listen, incoming=found, dht=dht)
    return NetworkOptions(
        web_seeds=tuple(web_seed or ()),
        torrent_web_seeds=not no_web_seeds,
        allowed=allowed_hosts(allow_host or ()),
        swarm=SwarmOptions(reach, tuple(peer or ()), tuple(tracker or ()), swarm) if found or peer else None,
        seconds=timeout,
    )


def asked(remote: NetworkOptions) -> NetworkOptions | None:
    """Return `remote` where the user named any source over the network, None where nothing was asked for."""
    return remote if remote.web_seeds or remote.swarm else None
