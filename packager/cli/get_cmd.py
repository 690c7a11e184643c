"""`packager get`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import network_options, output, progress_bars
from packager.cli.common_options import Json, PublisherKey
from packager.cli.member_options import Layout, ListOnly, OriginalNames, Overwrite, PlayOrder, end, show_members
from packager.cli.option_groups import with_options
from packager.core.reports.check_reports import GetReport
from packager.engine.network.connection_options import NetworkOptions
from packager.errors import InputError
from packager.get.find_by_sql import SearchLimits
from packager.units import count_of, format_size, parse_size


@with_options(remote=network_options.network_options)
def get(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="An id, a path or an ISRC, in full; or a magnet link that names a member.", metavar="KEY"),
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--to", "-o", help="The folder to write to.", metavar="DIR")] = Path(),
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            help="The release: its folder or its address; or a mirror's folder. Default: the one here.",
            metavar="DIR|URL",
        ),
    ] = None,
    key: PublisherKey = None,
    where: Annotated[
        str | None,
        typer.Option("--where", help="All members for which this SQL is true; reads whole tables.", metavar="SQL"),
    ] = None,
    shards: Annotated[
        list[str] | None, typer.Option("--shard", help="With --where: only of this shard; again.", metavar="NAME")
    ] = None,
    phases: Annotated[
        list[str] | None, typer.Option("--phase", help="With --where: only of this phase; again.", metavar="NAME")
    ] = None,
    most: Annotated[
        str, typer.Option("--most", help="With --where: of members tables fetch no more than this.", metavar="SIZE")
    ] = "256 MiB",
    tars: Annotated[
        list[str] | None,
        typer.Option(
            "--from", help="A folder or a store (s3://, sftp://) that may hold shards' tars; again.", metavar="DIR|URL"
        ),
    ] = None,
    remote: NetworkOptions,
    layout: Layout = None,
    original_names: OriginalNames = False,
    play_order: PlayOrder = False,
    overwrite: Overwrite = False,
    magnet: Annotated[
        bool, typer.Option("--magnet", help="Print a magnet link to each member, and fetch nothing of it.")
    ] = False,
    dry_run: ListOnly = False,
    json: Json = False,
) -> None:
    """Take single files out of a release, without their shards.

    Each is checked before it gets its name.

    Example: packager get --release https://archive.example.org/ USS1Z9900001 --to music
    """
    if (shards or phases) and where is None:
        raise InputError("--shard" if shards else "--phase", "narrows --where, which is not given", "add --where")
    search = SearchLimits(where, shards or (), phases or (), parse_size(most, "--most")) if where is not None else None
    with progress_bars.show_progress(json=json) as progress:
        report = api.get(
            keys or (),
            to,
            release=release,
            key=key,
            search=search,
            tars=tars or (),
            remote=remote,
            layout=layout,
            original_names=original_names,
            play_order=play_order,
            overwrite=overwrite,
            dry_run=dry_run,
            links=magnet,
            progress=progress,
        )
    if json:
        output.show_json(report)
    elif magnet:
        for each in report.withheld:
            output.stderr_console(f"no link: {each.sentence}")
        for link in report.magnets:
            output.print_message(link)
    else:
        show(report)
    end(report)


def show(report: GetReport) -> None:
    """Print what was had, what it cost and what vouches for it."""
    show_members(report, "not had")
    chosen = f"{count_of(report.chosen, 'member')}, {format_size(report.bytes)}"
    looked_up = f"{format_size(report.lookup_bytes)} in {count_of(report.lookup_requests, 'request')} to find"
    if report.dry_run:
        output.print_message(f"get: {chosen}, {looked_up}; a dry run, nothing is written")
        return
    if report.already == report.chosen:
        output.print_message(f"get: nothing to do, {count_of(report.already, 'member')} in {report.to} already")
        return
    already = f"; {report.already:,} there already" if report.already else ""
    output.print_message(f"get: {report.written:,} of {chosen} to {report.to}{already}")
    them = count_of(len(report.shards), "shard")
    output.print_message(
        f"  transferred {format_size(report.transferred)}, and {looked_up}; {them} of {format_size(report.shard_bytes)}"
    )
    output.compared_with([report.evidence])
