"""The options of commands that fetch bytes of a shard over the network."""

from typing import Annotated

import typer

NoWebSeeds = Annotated[bool, typer.Option("--no-web-seeds", help="Leave the web seeds alone that the torrent names.")]
Dht = Annotated[bool, typer.Option("--dht/--no-dht", help="Find peers through the DHT.")]
Listen = Annotated[str, typer.Option(help="Our IP address to meet peers at. Default: all.", metavar="ADDRESS")]
Timeout = Annotated[
    float, typer.Option(min=1, max=86400, help="Seconds that a server or the swarm may stay silent.", metavar="SECONDS")
]
