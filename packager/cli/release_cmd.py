"""`packager release`."""

import sys

from packager import api
from packager.api.workers import WorkerOptions
from packager.cli import output, pack_cmd, plan_cmd, progress_bars, publish_cmd, scan_cmd
from packager.cli.common_options import DEFAULT_CONFIG, AllowHosts, AllowUnread, Config, CountSeeds, Json, NoTars
from packager.cli.confirm_change import DryRun
from packager.cli.option_groups import with_options
from packager.cli.password import ask_password
from packager.core.reports.reports import PackReport, PlanReport, ScanReport


@with_options(workers=WorkerOptions)
def release(
    config: Config = DEFAULT_CONFIG,
    *,
    no_tars: NoTars = False,
    workers: WorkerOptions,
    count_seeds: CountSeeds = False,
    allow_host: AllowHosts = None,
    allow_unread: AllowUnread = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make and publish a release: all steps, resumable.

    Example: packager release
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.release(
            config,
            no_tars=no_tars,
            workers=workers,
            count_seeds=count_seeds,
            allow_hosts=allow_host or (),
            allow_unread=allow_unread,
            dry_run=dry_run,
            password=ask_password,
            ended=(lambda _: None) if json else _show_step,
            progress=progress,
        )
    if json:
        output.show_json(report)
    elif report.publish is None:
        pack_cmd.show(report.pack)  # a dry run
    else:
        publish_cmd.show(report.publish)
    output.end_unread(report.scan.unread_count, json=json)


def _show_step(report: ScanReport | PlanReport | PackReport) -> None:
    """Print the result of a step when it ends."""
    if isinstance(report, ScanReport):
        scan_cmd.show(report)
    elif isinstance(report, PlanReport):
        plan_cmd.show(report)
    else:
        pack_cmd.show(report)
    sys.stdout.flush()  # shows it immediately, even in a pipe
