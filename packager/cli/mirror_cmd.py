"""`packager mirror`: follow, sync, status, prune, magnets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.cli import confirm_change, confirm_pruning, output, print_mirror, progress_bars
from packager.cli.common_options import Json, Workers, processes
from packager.cli.interrupt import confirm, stop_requested
from packager.cli.option_groups import with_options
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import MirrorPlan, MirrorReport
from packager.errors import InputError
from packager.mirror.context import Confirmations
from packager.mirror.mirror_options import MirrorOptions, RunOptions

REFUSED, INCOMPLETE = 1, 3

app = typer.Typer(no_args_is_help=True, help="Keep a part of a release that others publish.")

To = Annotated[Path, typer.Option("--to", help="The mirror's folder; tars come into it.", metavar="DIR")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: trust the key that is shown, take the plan.")]


@app.command()
@with_options(options=MirrorOptions, run=RunOptions)
def follow(
    source: Annotated[str, typer.Argument(help="Where the release is published: its address or folder.")],
    *,
    to: To,
    options: MirrorOptions,
    run: RunOptions,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Check a signed release, choose shards, fetch and share.

    Options are kept; run it again with those that should change, and the plan shows what changes.

    What is chosen stays within the budget and is shown before it is fetched.

    Example: packager mirror follow https://archive.example.org/ --to mirror --budget "2 TB" --dry-run
    """
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.mirror_follow(
            source,
            to,
            options,
            run,
            ask=_ask(yes=yes, json=json, dry_run=run.dry_run),
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, dry_run=run.dry_run, json=json)


@app.command()
@with_options(run=RunOptions)
def sync(
    *,
    to: To = Path(),
    run: RunOptions,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Bring a mirror up to date, and go on sharing.

    New shards are chosen within the budget. Nothing is deleted; packager mirror prune deletes what should be.

    Example: packager mirror sync --to mirror --until-done
    """
    with stop_requested() as stop, progress_bars.show_progress(json=json) as progress:
        report = api.mirror_sync(
            to,
            run,
            ask=_ask(yes=yes, json=json, dry_run=run.dry_run),
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, dry_run=run.dry_run, json=json)


@app.command()
def status(
    *,
    to: To = Path(),
    verify: Annotated[bool, typer.Option("--verify", help="Read every whole tar in full, and keep the proof.")] = False,
    ask_client: Annotated[bool, typer.Option("--ask-client/--offline", help="Ask the client what it does.")] = True,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Show what a mirror holds, and when it was proved.

    A client that is reachable says how it shares.

    The exit code is for monitors: 0 healthy; 1 if --verify found something bad; 3 if a chosen shard is not complete
    and checked, nothing is chosen, or the release is older than --max-age.

    Example: packager mirror status --to mirror
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.mirror_status(
            to, ask_client=ask_client, verify=verify, workers=processes(workers), progress=progress
        )
    output.show(report, print_mirror.print_status, json=json)
    if report.health != "healthy":
        raise typer.Exit(REFUSED if report.health == "damaged" else INCOMPLETE)


@app.command()
def prune(
    *, to: To = Path(), dry_run: confirm_change.DryRun = False, yes: confirm_change.Yes = False, json: Json = False
) -> None:
    """Delete shards that the publisher replaced or withdrew.

    Only tars that this mirror fetched are deleted.

    Example: packager mirror prune --to mirror --dry-run
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.mirror_prune(to, ask=confirm_pruning.confirm_pruning(yes=yes), dry_run=dry_run, progress=progress)
    if json:
        output.show_json(report)
    else:
        confirm_pruning.print_report(report, dry_run=dry_run)


@app.command()
def magnets(*, to: To = Path()) -> None:
    """Print the chosen shards' magnet links, one a line.

    Example: packager mirror magnets --to mirror > magnets.txt
    """
    for link in api.mirror_magnets(to):
        output.print_message(link)


def _ask(*, yes: bool, json: bool, dry_run: bool) -> Confirmations:
    """Return what asks the owner on the terminal; without one only what needs no answer goes on."""
    terminal = sys.stdin.isatty() and sys.stderr.isatty()

    def key(offered: PublicKey) -> bool:
        output.stderr_console(f"key {offered.name} stands beside the release: {offered.line}")
        if yes:
            return True
        if not terminal:
            what = "no key was given, and there is no terminal to agree to the one beside the release on"
            raise InputError("--key", what, "get it from the publisher and give it with --key, or trust it with --yes")
        return confirm("Is this the publisher's key, as you know it from elsewhere?", default=False)

    def plan(made: MirrorPlan) -> bool:
        if not json and not dry_run:
            print_mirror.print_plan(made)
        return yes or not terminal or confirm("Go on?", default=True)

    return Confirmations(key, plan)


def _end(report: MirrorReport, *, dry_run: bool, json: bool) -> None:
    """Print what was done, and exit by it."""
    if json:
        output.show_json(report)
    else:
        if dry_run:
            print_mirror.print_plan(report.plan)
        print_mirror.print_report(report, dry_run=dry_run)
    if report.refused:
        raise typer.Exit(REFUSED)
    if report.fetched is not None and not report.complete:
        raise typer.Exit(INCOMPLETE)
