"""`packager scan`."""

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json, Workers, processes
from packager.cli.warnings_cmd import sum_of
from packager.core.reports.reports import ScanReport
from packager.units import count_of, format_size


def scan(config: Config = DEFAULT_CONFIG, workers: Workers = "auto", json: Json = False) -> None:
    """Read files, tags and records into the catalogue.

    Example: packager scan
    """
    with progress_bars.show_progress(json=json) as progress:
        report = api.scan(config, workers=processes(workers), progress=progress)
    output.show(report, show, json=json)
    output.end_unread(report.unread_count, json=json)
    if not json:
        output.next_step("packager plan")


def show(report: ScanReport) -> None:
    """Print the result of a scan and its warnings by kind."""
    without = f", {report.without_file_count:,} of them without a file" if report.without_file_count else ""
    unchanged = "" if report.changed else "; unchanged"
    output.print_message(
        f"Scanned {count_of(report.files, 'file')}, {format_size(report.bytes)}; "
        f"{count_of(report.records, 'record')}{without}{unchanged}."
    )
    for group in report.warning_kinds:
        output.stderr_console(f"warning: {group.sentence}")
    if report.warning_count:
        output.print_message(f"{sum_of(report.warning_count, len(report.warning_kinds))}. List them: packager warnings")
