"""`packager publish`."""

from packager import api
from packager.cli import bars, screen
from packager.cli.options import DEFAULT_CONFIG, Config, Json, Phases, Scrape
from packager.cli.password import ask_password
from packager.reports import PublishReport, ScrapeReport
from packager.units import count_of, show_seconds, show_size


def publish(config: Config = DEFAULT_CONFIG, phase: Phases = None, scrape: Scrape = False, json: Json = False) -> None:
    """Put the release in place: pages, lists, torrents, manifests.

    With --phase, that phase joins those published before; without, all phases are published. Seed counts go
    into torrents.json and the pages; release.json and its serial do not change for them.

    Example: packager publish --phase metadata
    """
    with bars.progress(json=json) as progress:
        report = api.publish(config, phases=phase, scrape=scrape, password=ask_password, progress=progress)
    if json:
        screen.show_json(report)
    else:
        show(report)


def show(report: PublishReport) -> None:
    """Print what is published, the page's path last."""
    if not report.changed:
        screen.say(f"publish: nothing to do, release {report.serial} is in place")
    if report.scraped is not None:
        _show_scraped(report.scraped)
    for phase in report.phases:
        screen.say(
            f"  {phase.state:<9}  {phase.name}: {count_of(phase.files, 'file')} in "
            f"{count_of(phase.shards, 'shard')}, {show_size(phase.size)}"
            + (f"; closed until {phase.embargo}" if phase.embargo else "")
        )
    screen.say(
        f"release {report.serial} of {report.date}: {count_of(report.shards, 'shard')}, {show_size(report.size)}, "
        f"a site of {count_of(report.files, 'file')}"
    )
    screen.say(report.index)


def _show_scraped(scraped: ScrapeReport) -> None:
    """Print what the trackers said."""
    for each in scraped.trackers:
        told = f"told of {each.answered:,} of {count_of(each.asked, 'swarm')}"
        screen.say(f"  {each.tracker}: {told}" + (f"; {each.what}" if each.what else ""))
    screen.say(
        f"seed counts: {scraped.counted:,} of {count_of(scraped.shards, 'shard')} "
        f"in {show_seconds(scraped.seconds)}; the others keep what was counted last"
    )
