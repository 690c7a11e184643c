"""`packager release`."""

from packager import api
from packager.cli import bars, pack_cmd, plan_cmd, publish_cmd, scan_cmd, screen
from packager.cli.options import DEFAULT_CONFIG, Config, Json, Scrape, Virtual, Workers, processes
from packager.cli.password import ask_password


def release(
    config: Config = DEFAULT_CONFIG,
    virtual: Virtual = False,
    workers: Workers = "auto",
    scrape: Scrape = False,
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
            scrape=scrape,
            password=ask_password,
            progress=progress,
        )
    if json:
        screen.show_json(report)
        return
    scan_cmd.show(report.scan)
    plan_cmd.show(report.plan)
    pack_cmd.show(report.pack)
    publish_cmd.show(report.publish)
