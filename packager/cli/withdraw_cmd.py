"""`packager withdraw`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import screen
from packager.cli.options import DEFAULT_CONFIG, Config, Json
from packager.reports import WithdrawReport
from packager.units import count_of, show_size

_SHOWN = 20  # records that are printed; --json has all


def withdraw(
    *,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="The record with this id; may be given again.", metavar="ID")
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option("--path", help='Records of such a path ("*" is anything); may be given again.', metavar="GLOB"),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", help="Only records for which this SQL is true.", metavar="SQL")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, as the release tells everybody.", metavar="TEXT")] = "",
    supersede: Annotated[
        bool, typer.Option("--supersede", help="Replace the shards that hold them by shards without them.")
    ] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Tell no title and no artist of them, only the id.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back, as long as no release says it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is meant, and note nothing.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Take records back: the next release lists them, and holds them no more.

    Example: packager withdraw --id QZ-0042 --reason "asked for by the artist" --supersede
    """
    report = api.withdraw(
        config,
        ids=ids or (),
        paths=paths or (),
        where=where,
        reason=reason,
        supersede=supersede,
        redact=redact,
        undo=undo,
        dry_run=dry_run,
    )
    if json:
        screen.show_json(report)
    else:
        _show(report, undo=undo)


def _show(report: WithdrawReport, *, undo: bool) -> None:
    """Print what is meant and what follows from it."""
    for record in report.records[:_SHOWN]:
        held = ", ".join(record.shards) or "in no published shard"
        screen.say(f"  {record.id}: {held}")
    if len(report.records) > _SHOWN:
        screen.say(f"  and {count_of(len(report.records) - _SHOWN, 'more record')}; --json has all")
    what = count_of(len(report.records), "record")
    if not report.written:
        screen.say(f"{what}; nothing is noted, this was a dry run")
    elif undo:
        screen.say(f"{what} not withdrawn any more")
    else:
        screen.say(f"{what} withdrawn, {report.new:,} of them new")
    if report.shards and not undo:
        held = f"{count_of(len(report.shards), 'shard')} of {show_size(report.size)}"
        screen.say(
            f"{held} will be replaced" if report.supersede else f"{held} still hold them; --supersede replaces these"
        )
    if report.written:
        screen.say("next: packager release")
