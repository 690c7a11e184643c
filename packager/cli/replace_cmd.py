"""`packager replace`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.units import count_of, format_size


def replace(
    shards: Annotated[list[str], typer.Argument(help="Published shards, by name.", metavar="SHARD")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, as the release tells everybody.", metavar="TEXT")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back, as long as no release says it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is meant, and note nothing.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Replace published shards that have wrong content.

    The next release packs their records into new shards, as the catalogue and packager.toml have them then. The old
    shards stay listed, as obsolete.

    Example: packager replace tour-audio-00002 --reason "the licence was wrong"
    """
    report = api.replace(config, shards, reason=reason, undo=undo, dry_run=dry_run)
    if json:
        output.show_json(report)
        return
    if report.to_delete and not report.dry_run:
        confirm_pruning.print_advice(report.to_delete, "should be deleted after the next release")
    what = f"{count_of(len(report.shards), 'shard')}, {count_of(report.members, 'member')}, {format_size(report.size)}"
    done = f"{what}: will {'not ' * undo}be replaced by the next release."
    output.print_message(f"{done} Dry run: nothing changed." if report.dry_run else done)
    if not report.dry_run:
        output.print_message("Next: packager release")
