"""`packager seed`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import Json
from packager.cli.interrupt import stop_requested
from packager.cli.option_groups import with_options
from packager.core.reports.reports import SeedReport
from packager.paths import display_text
from packager.share.seed import SeedOptions
from packager.units import count_of, format_seconds, format_size

NOT_ALL_SHARED = 1


@with_options(options=SeedOptions)
def seed(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Tars of shards, and folders with tars. Default: the tars of this project or mirror.",
            metavar="[PATH...]",
        ),
    ] = None,
    *,
    options: SeedOptions,
    json: Json = False,
) -> None:
    """Share shards with the swarm until you stop it.

    Files are never changed. With --client another program shares them: each tar that it does not have is checked, and
    then added to it without a copy. Shards with withdrawn records, shards that no release lists, and shards of a phase
    under embargo are not shared.

    Example: packager seed shards --listen :6881 --upload-limit "5 MiB/s"
    """
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.seed(
            paths or None,
            options,
            stop=stop.is_set,
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


def _show_handed(report: SeedReport, client: str) -> None:
    """Print what a client was given."""
    output.compared_with([each.evidence for each in report.added])
    for refused in report.refused:
        output.print_message(f"not given: {refused.where}: {refused.what}")
    _show_withheld(report, "not given")
    given = sum(each.state == "added" for each in report.added)
    had = f", had {len(report.added) - given:,} before" if given < len(report.added) else ""
    output.print_message(
        f"seed: {display_text(client)} was given {count_of(given, 'shard')}{had} ({format_seconds(report.seconds)})"
    )


def _show_withheld(report: SeedReport, what: str) -> None:
    """Print the shards that may not be handed out now."""
    for each in report.withheld:
        output.print_message(f"{what}: {each.sentence}")
    if any(each.cause == "withdrawn" for each in report.withheld):
        output.print_message("To share withdrawn shards anyway: --allow-withdrawn")


def show(report: SeedReport) -> None:
    """Print what was shared."""
    output.compared_with([each.evidence for each in report.torrents])
    rows = [
        (each.name, each.version, each.state, "by us" if each.verified else "by libtorrent", format_size(each.uploaded))
        for each in report.torrents
    ]
    output.print_table(("torrent", "version", "state", "checked", "sent"), rows, right=(4,))
    for refused in report.refused:
        output.print_message(f"not shared: {refused.where}: {refused.what}")
    _show_withheld(report, "not shared")
    output.print_message(
        f"Shared {count_of(len(report.torrents), 'torrent')}, {format_size(report.uploaded)} sent, "
        f"in {format_seconds(report.seconds)}; {count_of(report.peers, 'peer')} at most."
    )
