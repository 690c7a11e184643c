"""`packager release`."""

from packager import api
from packager.cli import bars, pack_cmd, plan_cmd, publish_cmd, scan_cmd, screen
from packager.cli.options import (
    DEFAULT_CONFIG,
    DEFAULT_PATIENCE,
    AllowHosts,
    AllowUnread,
    Cluster,
    Config,
    Json,
    Patience,
    Scheduler,
    Scrape,
    Virtual,
    Workers,
    cluster_of,
    processes,
)
from packager.cli.password import ask_password
from packager.units import parse_seconds


def release(
    config: Config = DEFAULT_CONFIG,
    *,
    virtual: Virtual = False,
    workers: Workers = "auto",
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    patience: Patience = DEFAULT_PATIENCE,
    scrape: Scrape = False,
    allow_host: AllowHosts = None,
    allow_unread: AllowUnread = False,
    json: Json = False,
) -> None:
    """Scan, plan, pack and publish, resuming what is done.

    Example: packager release
    """
    with bars.progress(json=json) as progress:
        report = api.release(
            config,
            virtual=virtual,
            processes=processes(workers),
            cluster=cluster_of(scheduler, cluster, workers),
            patience=parse_seconds(patience, "--patience", least=1),
            scrape=scrape,
            allow_hosts=allow_host or (),
            allow_unread=allow_unread,
            password=ask_password,
            progress=progress,
        )
    if json:
        screen.show_json(report)
    else:
        scan_cmd.show(report.scan)
        plan_cmd.show(report.plan)
        pack_cmd.show(report.pack)
        publish_cmd.show(report.publish)
    screen.end_unread(report.scan.unread_count, json=json)
