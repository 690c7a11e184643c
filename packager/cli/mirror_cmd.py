"""`packager mirror`: follow, sync, run, status, prune, magnets."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import confirm_pruning, output, print_mirror, progress_bars
from packager.cli.common_options import Json
from packager.cli.confirm_change import DryRun, is_asked
from packager.cli.confirm_change import Yes as PruneYes
from packager.cli.interrupt import confirm, reload_requested, stop_requested
from packager.cli.option_groups import with_options
from packager.core.reports.mirror_reports import MirrorPlan, MirrorReport
from packager.errors import Declined, InputError
from packager.mirror.context import Confirmations, OfferedKey
from packager.mirror.find_mirror import find_mirror, find_new_mirror
from packager.mirror.mirror_options import MirrorOptions, RunOptions
from packager.units import parse_seconds

REFUSED, INCOMPLETE = 1, 3

app = typer.Typer(no_args_is_help=True, help="Keep a part of a release that others publish.")

Folder = Annotated[
    Path | None,
    typer.Argument(help="The mirror's folder. Default: the nearest one upwards.", metavar="DIR"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: trust the key that is shown, run the plan.")]


@app.command()
@with_options(options=MirrorOptions, run=RunOptions)
def follow(
    source: Annotated[str, typer.Argument(help="The address or the folder of the release.")],
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The mirror's folder. Default: the nearest one upwards, or the current folder if it is empty.",
            metavar="DIR",
        ),
    ] = None,
    *,
    options: MirrorOptions,
    run: RunOptions,
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help="Choose, and fetch nothing now.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Choose and fetch a part of a release.

    The options are kept in mirror.toml. Run it again to change only those that you name; the plan shows the
    difference. It ends when all chosen shards are complete and checked; packager mirror run shares them.

    Example: packager mirror follow https://archive.example/ mirror --budget "2 TB"
    """
    place = find_new_mirror(folder, Path())
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.mirror_follow(
            source,
            place,
            options,
            run,
            fetch=not no_fetch,
            dry_run=dry_run,
            ask=_ask(yes=yes, json=json),
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, folder, dry_run=dry_run, json=json, fetch=not no_fetch)


@app.command()
@with_options(run=RunOptions)
def sync(
    folder: Folder = None, *, run: RunOptions, dry_run: DryRun = False, yes: Yes = False, json: Json = False
) -> None:
    """Check for a new release, fetch what is chosen, then end.

    New shards are chosen within the budget. Nothing is deleted: see packager mirror prune.

    Example: packager mirror sync
    """
    place = find_mirror(folder, Path())
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.mirror_sync(
            place,
            run,
            dry_run=dry_run,
            ask=_ask(yes=yes, json=json),
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, folder, dry_run=dry_run, json=json)


@app.command()
@with_options(run=RunOptions)
def run(
    folder: Folder = None,
    *,
    run: RunOptions,
    check_every: Annotated[
        str | None, typer.Option("--check-every", help="Look for a new release this often. First: 6 h.", metavar="TIME")
    ] = None,
    json: Json = False,
) -> None:
    """Sync, check and share until you stop it.

    The signal SIGHUP makes it read mirror.toml again. The exit code is 0 when it is stopped.

    Example: packager mirror run --upload-limit "5 MiB/s"
    """
    place = find_mirror(folder, Path())
    every = None if check_every is None else parse_seconds(check_every, "--check-every", least=1)
    with stop_requested() as stop, reload_requested() as reload, progress_bars.show_progress(json=json) as progress:
        report = api.mirror_run(place, run, check_every=every, reload=reload, stop=stop.is_set, progress=progress)
    output.show(report, print_mirror.print_run, json=json)


@app.command()
def status(
    folder: Folder = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the client.")] = False,
    json: Json = False,
) -> None:
    """Show what this mirror has and when it was checked.

    The exit code is for monitors: 0 healthy; 1 damaged, as the last check by packager verify DIR found; 3 if a chosen
    shard is not complete and checked, nothing is chosen, or the release is older than warn_age in mirror.toml.

    Example: packager mirror status
    """
    report = api.mirror_status(find_mirror(folder, Path()), ask_client=not offline)
    output.show(report, print_mirror.print_status, json=json)
    if report.health != "healthy":
        raise typer.Exit(REFUSED if report.health == "damaged" else INCOMPLETE)


@app.command()
def prune(
    folder: Folder = None,
    *,
    dry_run: DryRun = False,
    yes: PruneYes = False,
    json: Json = False,
) -> None:
    """Delete shards that the publisher replaced or withdrew.

    Only tars that this mirror fetched are deleted.

    Example: packager mirror prune --dry-run
    """
    place = find_mirror(folder, Path())
    with progress_bars.show_progress(json=json) as progress:
        report = api.mirror_prune(
            place, ask=confirm_pruning.confirm_pruning(yes=yes), dry_run=dry_run, progress=progress
        )
    if json:
        output.show_json(report)
    else:
        confirm_pruning.print_report(report, dry_run=dry_run)


@app.command()
def magnets(folder: Folder = None) -> None:
    """Print the magnet links of the chosen shards.

    Example: packager mirror magnets > magnets.txt
    """
    for link in api.mirror_magnets(find_mirror(folder, Path())):
        output.print_message(link)


def _ask(*, yes: bool, json: bool) -> Confirmations:
    """Return questions on the terminal. Without a terminal a plan runs, and an unknown key is refused."""
    is_terminal = is_asked(yes=yes)

    def key(offered: OfferedKey) -> bool:
        title = f"{offered.title}, release {offered.serial} of {offered.date}, signed by the key"
        output.stderr_console(f"{title}\n  {offered.key.line}")
        if yes:
            return True
        if not is_terminal:
            what = "the key is not known yet, and there is no terminal to ask on"
            raise InputError(
                "mirror follow", what, "add --key KEY with the publisher's key, or --yes to trust this one"
            )
        if not confirm("Compare it with the key that the publisher shows elsewhere. Trust it?", default=False):
            raise Declined
        return True

    def plan(made: MirrorPlan) -> bool:
        if not print_mirror.is_new(made):
            return True
        if not json:
            print_mirror.print_plan(made)
        if is_terminal and not confirm(f"{print_mirror.disk_line(made)} {_question(made)}", default=True):
            raise Declined
        if not is_terminal and not json:
            output.print_message(print_mirror.disk_line(made))
        return True

    return Confirmations(key, plan)


def _question(made: MirrorPlan) -> str:
    """Return the question about a plan."""
    return "Fetch them?" if made.download_size else "Continue?"


def _end(report: MirrorReport, folder: Path | None, *, dry_run: bool, json: bool, fetch: bool = True) -> None:
    """Print a report and end the command with its exit code."""
    if json:
        output.show_json(report)
    elif dry_run:
        print_mirror.print_plan(report.plan)
        output.print_message(print_mirror.disk_line(report.plan))
        output.print_message("Dry run: nothing was changed.")
    else:
        print_mirror.print_report(report, folder, fetch=fetch)
    if report.refused:
        raise typer.Exit(REFUSED)
    if report.fetched is not None and not report.complete:
        raise typer.Exit(INCOMPLETE)
