"""`packager publish`."""

from packager import api
from packager.cli import bars, screen
from packager.cli.options import DEFAULT_CONFIG, Config, Json, Phases
from packager.cli.password import ask_password
from packager.reports import PublishReport
from packager.units import count_of, show_size


def publish(config: Config = DEFAULT_CONFIG, phase: Phases = None, json: Json = False) -> None:
    """Put the release in place: pages, lists, torrents, manifests.

    With --phase, that phase joins those published before; without, all phases are published.

    Example: packager publish --phase metadata
    """
    with bars.progress(json=json) as progress:
        report = api.publish(config, phases=phase, password=ask_password, progress=progress)
    if json:
        screen.show_json(report)
    else:
        show(report)


def show(report: PublishReport) -> None:
    """Print what is published, the page's path last."""
    if not report.changed:
        screen.say(f"publish: nothing to do, release {report.serial} is in place")
    for phase in report.phases:
        screen.say(
            f"  {phase.state:<9}  {phase.name}: {count_of(phase.files, 'file')} in "
            f"{count_of(phase.shards, 'shard')}, {show_size(phase.size)}"
        )
    screen.say(
        f"release {report.serial} of {report.date}: {count_of(report.shards, 'shard')}, {show_size(report.size)}, "
        f"a site of {count_of(report.files, 'file')}"
    )
    screen.say(report.index)
