"""`packager prune`."""

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.confirm_change import DryRun, Yes


def prune(
    *,
    config: Config = DEFAULT_CONFIG,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete tars that should no longer be shared.

    It deletes tars in shards.folder that this project made: those of obsolete shards, and those of shards that are in
    no release and no plan.

    Example: packager prune --dry-run
    """
    report = api.prune(config, ask=confirm_pruning.confirm_pruning(yes=yes), dry_run=dry_run)
    if json:
        output.show_json(report)
    else:
        confirm_pruning.print_report(report, dry_run=dry_run)
