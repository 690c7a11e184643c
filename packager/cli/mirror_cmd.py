"""`packager mirror`: follow, sync, status, prune, magnets."""

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from packager import api
from packager.cli import confirm_pruning, network_options, output, print_mirror, progress_bars
from packager.cli.common_options import AllowHosts, Json, Workers, processes
from packager.cli.interrupt import confirm, stop_requested
from packager.cli.option_groups import with_options
from packager.core.config.option_values import nearest
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import MirrorPlan, MirrorReport
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.remote_readers import endpoints
from packager.errors import InputError
from packager.mirror.context import Confirmations
from packager.mirror.fetch_shards import FetchOptions
from packager.model import ASK_FOR, STRATEGIES
from packager.paths import display_text
from packager.units import parse_seconds, parse_size

REFUSED, INCOMPLETE = 1, 3
Name = TypeVar("Name", bound=str)

app = typer.Typer(no_args_is_help=True, help="Hold a part of a release that others publish.")

To = Annotated[Path, typer.Option("--to", help="The mirror's folder; tars come into it.", metavar="DIR")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: trust the key that is shown, take the plan.")]


def fetching(
    *,
    port: Annotated[int, typer.Option(help="TCP and UDP port that peers come to; 0: any free one.")] = 6881,
    listen: network_options.Listen = "",
    dht: network_options.Dht = False,
    peer: Annotated[
        list[str] | None, typer.Option(help="Meet this peer, too; may be given again.", metavar="HOST:PORT")
    ] = None,
    no_web_seeds: network_options.NoWebSeeds = False,
    upload_limit: Annotated[
        str, typer.Option(help='Send at most this much a second, as "5 MiB"; 0: no limit.', metavar="SIZE")
    ] = "0",
    download_limit: Annotated[
        str, typer.Option(help="Fetch at most this much a second; 0: no limit.", metavar="SIZE")
    ] = "0",
    duration: Annotated[
        str | None, typer.Option("--for", help='End after this time, as "8 h". Default: never.', metavar="TIME")
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End when every chosen shard is whole; share no longer.")
    ] = False,
    check_every: Annotated[str, typer.Option(help="Look for a new release at this interval.", metavar="TIME")] = "6 h",
) -> FetchOptions:
    """Return how the built-in client works."""
    reach = PeerOptions(
        address=listen,
        port=port,
        dht=dht,
        upload_limit=parse_size(upload_limit, "--upload-limit"),
        download_limit=parse_size(download_limit, "--download-limit"),
    )
    return FetchOptions(
        reach=reach,
        peers=tuple(endpoint for each in peer or () for endpoint in endpoints(each)),
        web_seeds=not no_web_seeds,
        until_done=until_done,
        seconds=parse_seconds(duration, "--for") if duration is not None else None,
        check_every=parse_seconds(check_every, "--check-every"),
    )


@app.command()
@with_options(how=fetching)
def follow(
    source: Annotated[str, typer.Argument(help="Where the release is published: its address or folder.")],
    *,
    to: To,
    budget: Annotated[
        str | None, typer.Option(help='What the shards may take, as "2 TB". Needed the first time.', metavar="SIZE")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The publisher's public key: its .pub file, or its line.", metavar="FILE|RW...")
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Follow a release that nobody signed; only its chain is checked.")
    ] = False,
    start: Annotated[
        int | None,
        typer.Option(min=1, help="Begin the chain at this release; for a key that was replaced.", metavar="SERIAL"),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help=f"Which shards: {', '.join(STRATEGIES)}. First: spread.", metavar="NAME")
    ] = None,
    phase: Annotated[
        list[str] | None,
        typer.Option("--phase", "-p", help='Only this phase; repeatable. "*": all again.', metavar="NAME"),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help='Only these: SQL over name, phase, size, members, added, seeders. "": all.', metavar="SQL"),
    ] = None,
    mirror_id: Annotated[
        str | None, typer.Option(help="What sets this mirror's choice apart. Default: made once.", metavar="TEXT")
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(help=f"Where seed counts come from: {', '.join(ASK_FOR)}. First: auto.", metavar="NAME"),
    ] = None,
    reserve: Annotated[
        str | None, typer.Option(help="Bytes of the disk to leave free. First: 50 GiB.", metavar="SIZE")
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Who fetches: builtin (first), none, qbittorrent:URL, transmission:URL, aria2:URL, watch:DIR.",
            metavar="SPEC",
        ),
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(help="Warn of a release older than this. First: 180 d.", metavar="TIME")
    ] = None,
    how: FetchOptions,
    allow_host: AllowHosts = None,
    timeout: network_options.Timeout = 30,
    dry_run: DryRun = False,
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
            budget=None if budget is None else parse_size(budget, "--budget"),
            key=key,
            unsigned=unsigned,
            start=start,
            strategy=_one_of(STRATEGIES, strategy, "--strategy", "no strategy"),
            phases=() if phase == ["*"] else phase,
            where=where,
            mirror_id=_mirror_id(mirror_id),
            counts=_one_of(ASK_FOR, counts, "--counts", "not where seed counts come from"),
            reserve=None if reserve is None else parse_size(reserve, "--reserve"),
            allow_hosts=allow_host or (),
            client=client,
            max_age=None if max_age is None else round(parse_seconds(max_age, "--max-age")),
            how=how,
            ask=_ask(yes=yes, json=json, dry_run=dry_run),
            dry_run=dry_run,
            timeout=timeout,
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, dry_run=dry_run, json=json)


@app.command()
@with_options(how=fetching)
def sync(
    *,
    to: To = Path(),
    how: FetchOptions,
    allow_host: AllowHosts = None,
    timeout: network_options.Timeout = 30,
    dry_run: DryRun = False,
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
            how=how,
            allow_hosts=allow_host or (),
            ask=_ask(yes=yes, json=json, dry_run=dry_run),
            dry_run=dry_run,
            timeout=timeout,
            stop=stop.is_set,
            progress=progress,
        )
    _end(report, dry_run=dry_run, json=json)


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
            to, ask_client=ask_client, verify=verify, processes=processes(workers), progress=progress
        )
    output.show(report, print_mirror.print_status, json=json)
    if report.health != "healthy":
        raise typer.Exit(REFUSED if report.health == "damaged" else INCOMPLETE)


@app.command()
def prune(
    *, to: To = Path(), dry_run: confirm_pruning.DryRun = False, yes: confirm_pruning.Yes = False, json: Json = False
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


def _one_of(names: tuple[Name, ...], written: str | None, option: str, what: str) -> Name | None:
    """Return the name that was written; None where none was. Raises InputError for another, as `what` says."""
    found = next((name for name in names if name == written), None)
    if written is None or found is not None:
        return found
    close = nearest(written, names)
    mend = f'did you mean "{close}"?' if close else f"they are {', '.join(names)}"
    raise InputError(option, f'"{display_text(written, 40)}" is {what}', mend)


def _mirror_id(text: str | None) -> str | None:
    """Return the mirror's id as given. Raises InputError where it is empty, too long or not UTF-8."""
    if text is not None and (not 1 <= len(text) <= 200 or not text.isprintable()):
        raise InputError("--mirror-id", f'"{display_text(text, 40)}" is not 1 to 200 printable characters')
    return text


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
