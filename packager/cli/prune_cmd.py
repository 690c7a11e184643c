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

    These are the tars in shards.folder of obsolete shards, and of shards that were packed and that no release and
    no plan has. Only tars that this project made are deleted.

    Example: packager prune --dry-run
    """
    report = api.prune(config, ask=confirm_pruning.confirm_pruning(yes=yes), dry_run=dry_run)
    if json:
        output.show_json(report)
    else:
        confirm_pruning.print_report(report, dry_run=dry_run)
