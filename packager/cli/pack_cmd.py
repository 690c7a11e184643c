"""`packager pack`."""

import shlex
from collections.abc import Sequence

import msgspec

from packager import api
from packager.api.workers import WorkerOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json, NoTars, Phases
from packager.cli.confirm_change import DryRun
from packager.cli.option_groups import with_options
from packager.core.reports.reports import PackReport
from packager.model import OtherContent, WithdrawnFile
from packager.paths import display_text
from packager.units import count_of, format_size


@with_options(workers=WorkerOptions)
def pack(
    config: Config = DEFAULT_CONFIG,
    *,
    phase: Phases = None,
    no_tars: NoTars = False,
    dry_run: DryRun = False,
    workers: WorkerOptions,
    json: Json = False,
) -> None:
    """Write the planned shards, torrents and manifests.

    Each shard gets a tar, torrents, a manifest and a members table.

    Example: packager pack --phase metadata
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.pack(
            config,
            phases=phase,
            no_tars=no_tars,
            dry_run=dry_run,
            workers=workers,
            progress=progress,
        )
    if json:
        output.show_json(report)
    else:
        show(report)
        show_withdrawn(report.withdrawn_files, report.withdrawn_named)
        show_other_content(report.other_content)
    output.end_failed(report.failed, json=json)
    if not json:
        output.next_step("packager publish")


def show_withdrawn(count: int, named: Sequence[WithdrawnFile]) -> None:
    """Print which files are left out because their content is withdrawn."""
    if count:
        verb = "is" if count == 1 else "are"
        output.print_message(f"{count_of(count, 'file')} {verb} left out: the content is withdrawn")
        for file in named:
            output.print_message(f'  {file.path} (withdrawn as "{display_text(file.record)}")')
        if count > len(named):
            output.print_message(f"  and {count_of(count - len(named), 'more file')}")


def show_other_content(found: OtherContent | msgspec.UnsetType) -> None:
    """Print which files are left out only because of their ids, and how to publish them."""
    if not found:
        return
    what = "is left out: its id is" if found.files == 1 else "are left out: their ids are"
    output.print_message(
        f"{count_of(found.files, 'file')} {what} withdrawn, though the content is not what was withdrawn"
    )
    for file in found.named:
        output.print_message(f'  {file.path} (id "{display_text(file.record)}")')
    if found.files > len(found.named):
        output.print_message(f"  and {count_of(found.files - len(found.named), 'more file')}")
    first = shlex.quote(display_text(found.named[0].record))
    output.print_message(f"  to publish such a file, change its id, or run: packager withdraw --undo {first}")


def show(report: PackReport) -> None:
    """Print what was packed, and then the sum."""
    if report.dry_run:
        what = f"{count_of(report.packed, 'shard')}, {format_size(report.read_bytes)}"
        output.print_message(f"Dry run: would pack {what}; {report.unchanged:,} complete already.")
        return
    if report.not_local:
        output.print_message(f"{count_of(report.not_local, 'published tar')} not in the shards' folder; not packed")
    if report.without_tars:
        output.print_message(f"{count_of(report.without_tars, 'shard')} without a tar")
    if report.retried_tasks:
        output.print_message(f"{count_of(report.retried_tasks, 'task')} repeated by another worker")
    if not report.packed and not report.failed:
        what = "shard is" if report.unchanged == 1 else "shards are"
        output.print_message(f"Nothing to pack: {report.unchanged:,} {what} complete already.")
    elif not report.read_bytes and not report.failed:
        output.print_message(f"Rewrote {count_of(report.packed, 'torrent')}; no file was read.")
    else:
        already = ""
        if report.unchanged:
            already = f"; {report.unchanged:,} {'was' if report.unchanged == 1 else 'were'} complete already"
        output.print_message(
            f"Packed {count_of(report.packed, 'shard')}, {format_size(report.read_bytes)}, "
            f"{output.in_time(report.read_bytes, report.seconds)}{already}."
        )
