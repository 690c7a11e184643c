"""`packager publish`."""

import os
from collections.abc import Sequence

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.option_groups import with_options
from packager.cli.password import ask_password
from packager.core.reports.reports import MissingForReaders, PublishReport, ScrapeReport, UploadReport
from packager.publish.publish import PublishOptions
from packager.units import count_of, format_seconds, format_size

_NAMED = 5  # withheld shards that are printed


@with_options(options=PublishOptions)
def publish(
    config: Config = DEFAULT_CONFIG,
    *,
    options: PublishOptions,
    json: Json = False,
) -> None:
    """Write the site, and upload it if you name a place.

    With --phase, that phase is published in addition to those published before; without, all phases are published.
    Seed counts appear in torrents.json and on the pages; they do not change release.json and its serial.
    With --to, files that are missing there are uploaded, release.json last, so that readers always find every file
    that it names. Keys come from the environment, ~/.aws or ~/.ssh, never from the address.

    Example: packager publish --phase metadata
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.publish(config, options, password=ask_password, progress=progress)
    output.show(report, show, json=json)
    output.end_unread(report.unread_count, json=json)


def show(report: PublishReport) -> None:
    """Print what readers will miss and what was published."""
    if report.seed_counts is not None:
        _show_scraped(report.seed_counts)
    for phase in report.phases:
        if phase.embargo and phase.state != "published":
            output.print_message(f"{phase.name}: closed until {phase.embargo}")
    for each in report.withheld[:_NAMED]:
        output.print_message(f"withheld, on no list: {each.name}: {each.reason}")
    if len(report.withheld) > _NAMED:
        output.print_message(f"and {count_of(len(report.withheld) - _NAMED, 'more shard')} withheld; --json lists all")
    _show_missing(report.missing)
    if report.dry_run:
        what = f"{count_of(report.shards, 'shard')}, {format_size(report.size)}"
        output.print_message(f"Dry run: would publish release {report.serial}: {what}.")
        return
    if report.upload is not None:
        _show_upload(report.upload)
    folder = output.folder_name(os.path.dirname(report.index_page))
    if report.changed:
        output.print_message(
            f"Published release {report.serial}: {count_of(report.shards, 'shard')}, {format_size(report.size)}, "
            f"{count_of(report.files, 'file')} in {folder}."
        )
        output.next_step("packager seed", f"and put {folder} on a web server")
    else:
        output.print_message(f"Release {report.serial} is published; nothing changed.")


def _show_missing(missing: Sequence[MissingForReaders]) -> None:
    """Print what readers will miss, in columns, with the keys to set."""
    if not missing:
        return
    output.print_message("Readers of this release will miss:")
    width = max(len(each.what) for each in missing)
    wide = max(len(each.means) for each in missing)
    for each in missing:
        output.print_message(f"  {each.what:<{width}}  {each.means:<{wide}}  {each.key}")


def _show_upload(sent: UploadReport) -> None:
    """Print what was uploaded to a store."""
    output.print_message(
        f"{sent.to}: {count_of(sent.uploaded, 'file')} sent ({format_size(sent.uploaded_bytes)}),"
        f" {sent.unchanged:,} there already"
    )
    if sent.removed or sent.pending_removal:
        output.print_message(
            f"  no longer in the release: {sent.removed:,} deleted, {sent.pending_removal:,} kept until --delete-after"
        )
    for each in sent.withheld[:_NAMED]:
        output.print_message(f"  not there: {each.name}.tar: {each.reason}")
    if sent.missing_shards:
        output.print_message(f"  {count_of(sent.missing_shards, 'shard')} without a tar here")


def _show_scraped(scraped: ScrapeReport) -> None:
    """Print what the trackers reported."""
    for each in scraped.trackers:
        counted = f"counts of {each.answered:,} of {count_of(each.asked, 'swarm')}"
        output.print_message(f"  {each.tracker}: {counted}" + (f"; {each.error}" if each.error else ""))
    output.print_message(
        f"seed counts: {scraped.counted:,} of {count_of(scraped.shards, 'shard')} "
        f"in {format_seconds(scraped.seconds)}; the others keep their last counts"
    )
