"""`packager verify`."""

from typing import Annotated

import typer

from packager import api
from packager.api.workers import WorkerOptions
from packager.check.verify.verify import VerifyOptions
from packager.cli import output, progress_bars
from packager.cli.common_options import Json
from packager.cli.option_groups import with_options
from packager.core.config.store_url import is_store_location
from packager.core.reports.check_reports import VerifiedTarget, VerifyReport
from packager.core.reports.faults import Fault
from packager.errors import IncompleteError, InputError
from packager.paths import display_text
from packager.units import count_of, format_size

BAD = 1
_NAMES = 10  # members of a fault that are printed; --json has all


@with_options(options=VerifyOptions, workers=WorkerOptions)
def verify(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="A tar, a folder with tars, an extracted bag, a folder of loose files; or the address of a tar or of a"
            " folder with tars (s3://, sftp://). Default: the tars of this project or mirror.",
            metavar="[PATH|PLACE]...",
        ),
    ] = None,
    *,
    options: VerifyOptions,
    workers: WorkerOptions,
    json: Json = False,
) -> None:
    """Check every byte against the published hashes.

    The exit code is 1 if anything is bad.

    Example: packager verify shards/
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.verify(
            paths or None,
            options,
            workers=workers,
            progress=progress,
        )
    output.show(report, show, json=json)
    if not report.ok:
        raise typer.Exit(BAD if report.faults else InputError.exit_code)
    if not report.complete:
        raise typer.Exit(IncompleteError.exit_code)


def show(report: VerifyReport) -> None:
    """Print what data was compared with, every fault and the result."""
    output.compared_with([target.evidence for target in report.targets])
    for fault in report.faults:
        _show_fault(fault)
    for target in report.targets:
        if target.error:
            output.stderr_console(f"error: {target.path}: not checked: {display_text(target.error, 2000)}")
    if report.sample:
        taken = f"{report.sample.sampled:,} of {count_of(report.sample.total, report.sample.unit)}"
        output.print_message(f"sample: {taken}, --sample-seed {report.sample.random_seed}: {report.sample.conclusion}")
    if report.verified_earlier_bytes:
        output.print_message(f"proved before and not read again: {format_size(report.verified_earlier_bytes)}")
    if report.retried_tasks:
        output.print_message(f"{count_of(report.retried_tasks, 'task')} repeated by another worker")
    output.print_message(f"{_checked(report)}: {_verdict(report)}. {_work(report)}")
    _show_next(report)


def _show_fault(fault: Fault) -> None:
    """Print a fault and the first members that it affects."""
    output.print_message(display_text(f"bad: {fault.path}: {fault.sentence()}", 2000))
    for name in fault.members[:_NAMES]:
        output.print_message(f"    {display_text(name)}")
    if len(fault.members) > _NAMES:
        output.print_message(f"    and {len(fault.members) - _NAMES:,} more; --json names them all")
    if fault.tag_files:
        output.print_message(f"    {', '.join(fault.tag_files)} (of the bag)")


def _checked(report: VerifyReport) -> str:
    """Return how many shards or folders were checked."""
    kinds = {target.kind for target in report.targets}
    noun = "shard" if kinds <= {"tar"} else "item" if "tar" in kinds else "folder"
    return f"{count_of(len(report.targets), noun)} checked"


def _verdict(report: VerifyReport) -> str:
    """Return how many targets are good, and what "good" means for this kind of check."""
    word = {"full": "good", "quick": "there, of the right size", "sample": "good as far as the sample reads"}
    shares = [
        (sum(_is_good(target) for target in report.targets), word[report.mode]),
        (sum(bool(target.faults) for target in report.targets), "bad"),
        (sum(bool(target.error) for target in report.targets), "not checked"),
        (sum(not target.complete and not target.error for target in report.targets), "not read to the end"),
    ]
    if shares[0][0] == len(report.targets) > 0:
        return f"all {word[report.mode]}"
    return ", ".join(f"{count:,} {what}" for count, what in shares if count) or "nothing to check"


def _is_good(target: VerifiedTarget) -> bool:
    """Return whether a target was checked completely and has no fault."""
    return target.complete and not target.faults and not target.error


def _work(report: VerifyReport) -> str:
    """Return how much was read, and how fast."""
    pieces, files = (sum(getattr(target, name) for target in report.targets) for name in ("pieces", "files"))
    counts = "".join(f"{count_of(number, noun)}, " for number, noun in ((pieces, "piece"), (files, "file")) if number)
    if report.mode == "quick":
        return f"{counts}{format_size(report.size)}; no data was read."
    stopped = "" if report.complete else "Stopped: "
    done = output.in_time(report.read_bytes, report.seconds)
    return f"{stopped}{counts}{format_size(report.read_bytes)} read {done}."


def _show_next(report: VerifyReport) -> None:
    """Print the next command."""
    bad = [target for target in report.targets if target.kind == "tar" and target.faults and target.checked_against]
    if bad and is_store_location(bad[0].path):
        output.print_message("To repair them, pack them again, or repair copies of them here with packager repair.")
    elif bad:
        output.next_step(f"packager repair {bad[0].path}", f"and {len(bad) - 1:,} more" if len(bad) > 1 else "")
    elif not report.complete:
        output.print_message(
            "To check the rest, run the same command again; with --state it begins where this one stopped."
        )
