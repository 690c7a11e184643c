"""`packager supersede`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.units import count_of, format_size


def supersede(
    shards: Annotated[list[str], typer.Argument(help="Published shards, by name.", metavar="SHARD")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, as the release tells everybody.", metavar="TEXT")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back, as long as no release says it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is meant, and note nothing.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Replace shards whose content was wrong: their records go into new ones.

    The next release packs them as the catalogue and packager.toml have them then; the old shards stay listed, as
    obsolete.

    Example: packager supersede tour-audio-00002 --reason "the licence was wrong"
    """
    report = api.supersede(config, shards, reason=reason, undo=undo, dry_run=dry_run)
    if json:
        output.show_json(report)
        return
    what = f"{count_of(len(report.shards), 'shard')}, {count_of(report.members, 'member')}, {format_size(report.size)}"
    if report.dry_run:
        output.print_message(f"{what}; nothing is noted, this was a dry run")
        return
    output.print_message(f"{what}: {'not replaced' if undo else 'to be replaced'}")
    if report.to_delete:
        confirm_pruning.print_advice(report.to_delete, "should be deleted after the next release")
    output.print_message("next: packager release")
