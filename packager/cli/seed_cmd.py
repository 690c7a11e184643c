"""`packager seed`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import bars, network, screen
from packager.cli.options import Json, ReleaseFolder, Workers, processes
from packager.cli.stopping import asked_to_stop
from packager.engine.swarm import Reach
from packager.reports import SeedReport
from packager.units import count_of, parse_seconds, parse_size, show_seconds, show_size

NOT_ALL_SHARED = 1


def seed(
    paths: Annotated[list[Path], typer.Argument(help="Tars of shards, and folders of them.", metavar="PATH...")],
    *,
    port: Annotated[int, typer.Option(help="TCP and UDP port that peers come to; 0: any free one.")] = 6881,
    listen: network.Listen = "",
    dht: network.Dht = False,
    upload_limit: Annotated[
        str | None, typer.Option(help='Send at most this much a second, as "5 MiB". Default: no limit.', metavar="SIZE")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every tar in full first, by all cores; then share at once.")
    ] = False,
    duration: Annotated[
        str | None, typer.Option("--for", help='End after this time, as "8 h". Default: never.', metavar="TIME")
    ] = None,
    release: ReleaseFolder = None,
    torrent: Annotated[
        Path | None, typer.Option(help="The .torrent of the one tar given. Default: the release's.", metavar="FILE")
    ] = None,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Share shards with the swarm until Ctrl-C.

    What is shared is read, never written.

    Example: packager seed shards --port 6881 --upload-limit "5 MiB"
    """
    limit = parse_size(upload_limit, "--upload-limit") if upload_limit else 0
    seconds = parse_seconds(duration, "--for") if duration else None
    with asked_to_stop() as stop, bars.progress(json=json) as progress:
        report = api.seed(
            paths,
            Reach(address=listen, port=port, dht=dht, upload_limit=limit),
            release=release,
            torrent=torrent,
            verify=verify,
            processes=processes(workers),
            stop=stop.is_set,
            seconds=seconds,
            progress=progress,
        )
    if json:
        screen.show_json(report)
    else:
        show(report)
    if report.refused or any(each.state in ("incomplete", "failed") for each in report.torrents):
        raise typer.Exit(NOT_ALL_SHARED)


def show(report: SeedReport) -> None:
    """Print what was shared."""
    rows = [
        (each.name, each.version, each.state, "by us" if each.proved else "by libtorrent", show_size(each.uploaded))
        for each in report.torrents
    ]
    screen.table(("torrent", "version", "state", "checked", "sent"), rows, right=(4,))
    for refused in report.refused:
        screen.say(f"not shared: {refused.where}: {refused.what}")
    screen.say(
        f"seed: {show_size(report.uploaded)} sent in {show_seconds(report.seconds)}, "
        f"{count_of(report.peers, 'peer')} at most"
    )
