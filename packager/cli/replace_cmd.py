"""`packager replace`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.complete_names import complete_shards
from packager.cli.confirm_change import DryRun, Yes, confirm_change
from packager.core.reports.reports import ReplaceReport
from packager.units import count_of, format_size


def replace(
    shards: Annotated[
        list[str], typer.Argument(help="Published shards, by name.", metavar="SHARD", autocompletion=complete_shards)
    ],
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; one line, published in the release.", metavar="TEXT")
    ] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Do not replace them, if no release has done it yet.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Replace published shards that have wrong content.

    The next release packs their records into new shards, with the catalogue and packager.toml of that time. The old
    shards stay listed, as obsolete.

    Example: packager replace tour-audio-00002 --reason "the licence was wrong"
    """

    def agreed(planned: ReplaceReport) -> bool:
        return confirm_change("replace", _what(planned), planned.shards, yes=yes)

    report = api.replace(config, shards, reason=reason, undo=undo, dry_run=dry_run, ask=agreed)
    if json:
        output.show_json(report)
        return
    if report.to_delete and not report.dry_run:
        confirm_pruning.print_advice(report.to_delete, "should be deleted after the next release")
    done = f"{_what(report)}: will {'not ' * undo}be replaced by the next release."
    output.print_message(f"{done} Dry run: nothing changed." if report.dry_run else done)
    if not report.dry_run:
        output.print_message("Next: packager release")


def _what(report: ReplaceReport) -> str:
    """Return how many shards are replaced, as text."""
    return f"{count_of(len(report.shards), 'shard')}, {count_of(report.members, 'member')}, {format_size(report.size)}"
