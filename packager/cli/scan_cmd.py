"""`packager scan`."""

from packager import api
from packager.cli import output, progress_bars
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json, Workers, processes
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
        output.print_message("next: packager plan")


def show(report: ScanReport) -> None:
    """Print what a scan saw."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.items() if count)
    output.print_message(f"scan: {count_of(report.files, 'file')}, {format_size(report.bytes)} ({kinds})")
    output.print_message(
        f"      {count_of(report.records, 'record')}, {report.without_file_count:,} of them without a file; "
        f"tags of {count_of(report.tags_read, 'file')} read"
    )
    if report.unread_count:
        output.print_message(f"      {output.unread(report.unread_count)}; .packager/unread.jsonl names all")
    if report.warning_count:
        output.print_message(f"      {count_of(report.warning_count, 'warning')}; see .packager/warnings.jsonl")
    if not report.changed:
        output.print_message("      nothing changed since the last scan")
