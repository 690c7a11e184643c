"""`packager seed`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import network_options, output, progress_bars
from packager.cli.common_options import AllowHosts, Json, PublisherKey, ReleasePlace, Workers, processes
from packager.cli.interrupt import stop_requested
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.reports.reports import SeedReport
from packager.engine.network.connection_options import PeerOptions
from packager.errors import InputError
from packager.paths import display_text
from packager.units import count_of, format_seconds, format_size, parse_seconds, parse_size

NOT_ALL_SHARED = 1


def seed(
    paths: Annotated[list[Path], typer.Argument(help="Tars of shards, and folders of them.", metavar="PATH...")],
    *,
    port: Annotated[int, typer.Option(help="TCP and UDP port that peers come to; 0: any free one.")] = 6881,
    listen: network_options.Listen = "",
    dht: network_options.Dht = False,
    allow_host: AllowHosts = None,
    upload_limit: Annotated[
        str | None,
        typer.Option(help='Send at most this much a second, as "5 MiB". Default: 0, no limit.', metavar="SIZE"),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every tar in full first, by all cores; then share at once.")
    ] = False,
    duration: Annotated[
        str | None, typer.Option("--for", help='End after this time, as "8 h". Default: never.', metavar="TIME")
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Give them to a client that runs, and end: qbittorrent:URL, transmission:URL, aria2:URL, watch:DIR.",
            metavar="SPEC",
        ),
    ] = None,
    release: ReleasePlace = None,
    key: PublisherKey = None,
    torrent: Annotated[
        Path | None, typer.Option(help="The .torrent of the one tar given. Default: the release's.", metavar="FILE")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="The collection's folder, where members of shards kept as files may lie.", metavar="DIR"),
    ] = None,
    allow_withdrawn: Annotated[
        bool, typer.Option("--allow-withdrawn", help="Also share shards with withdrawn records.")
    ] = False,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Share shards with the swarm until Ctrl-C.

    What is shared is read, never written. With --client a program that runs shares them: each tar that it does
    not have is read in full, then given to it where it lies. Shards with withdrawn records are left out, and so are
    shards that no release lists or whose phase is under embargo.

    Example: packager seed shards --port 6881 --upload-limit "5 MiB"
    """
    if client is not None:
        _check_client_alone({"--upload-limit": upload_limit, "--for": duration, "--dht": dht, "--listen": listen})
    limit = parse_size(upload_limit, "--upload-limit") if upload_limit is not None else 0
    seconds = parse_seconds(duration, "--for") if duration is not None else None
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.seed(
            paths,
            PeerOptions(
                address=listen, port=port, dht=dht, upload_limit=limit, allowed=allowed_hosts(allow_host or ())
            ),
            release=release,
            key=key,
            torrent=torrent,
            source=source,
            allow_withdrawn=allow_withdrawn,
            client=client,
            verify=verify,
            processes=processes(workers),
            stop=stop.is_set,
            seconds=seconds,
            progress=progress,
        )
    if json:
        output.show_json(report)
    elif report.client is not None:
        _show_handed(report, report.client)
    else:
        show(report)
    if report.refused or any(each.state in ("incomplete", "failed") for each in report.torrents):
        raise typer.Exit(NOT_ALL_SHARED)


def _check_client_alone(options: dict[str, object]) -> None:
    """Raise InputError for an option that a client which runs has of its own."""
    for option, value in options.items():
        if value:
            raise InputError(option, "does not go with --client, which shares by its own settings", "leave one out")


def _show_handed(report: SeedReport, client: str) -> None:
    """Print what a client was given."""
    output.compared_with([each.evidence for each in report.handed])
    for refused in report.refused:
        output.print_message(f"not given: {refused.where}: {refused.what}")
    _show_withheld(report, "not given")
    given = sum(each.state == "given" for each in report.handed)
    had = f", had {len(report.handed) - given:,} before" if given < len(report.handed) else ""
    output.print_message(
        f"seed: {display_text(client)} was given {count_of(given, 'shard')}{had} ({format_seconds(report.seconds)})"
    )


def _show_withheld(report: SeedReport, what: str) -> None:
    """Print the shards that may not be handed out now."""
    for each in report.withheld:
        output.print_message(f"{what}: {each.sentence}")
    if any(each.cause == "withdrawn" for each in report.withheld):
        output.print_message("To share withdrawn shards all the same: --allow-withdrawn")


def show(report: SeedReport) -> None:
    """Print what was shared."""
    output.compared_with([each.evidence for each in report.torrents])
    rows = [
        (each.name, each.version, each.state, "by us" if each.proved else "by libtorrent", format_size(each.uploaded))
        for each in report.torrents
    ]
    output.print_table(("torrent", "version", "state", "checked", "sent"), rows, right=(4,))
    for refused in report.refused:
        output.print_message(f"not shared: {refused.where}: {refused.what}")
    _show_withheld(report, "not shared")
    output.print_message(
        f"seed: {format_size(report.uploaded)} sent in {format_seconds(report.seconds)}, "
        f"{count_of(report.peers, 'peer')} at most"
    )
