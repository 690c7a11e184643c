"""`packager status`."""

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.core.reports.reports import StatusReport
from packager.units import count_of, format_seconds, format_size

_NAMED = 5  # tars that are printed
_UNREAD = 20  # files and folders that are printed


def status(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what is done, what is next and what to delete.

    Example: packager status
    """
    report = api.status(config)
    output.show(report, show, json=json)


def show(report: StatusReport) -> None:
    """Print the state of a project, and then the next command."""
    if not report.planned:
        output.print_message(
            f"Scanned {count_of(report.records, 'record')}; not planned yet." if report.scanned else "Not scanned yet."
        )
    else:
        rows = [
            (
                phase.name,
                phase.state,
                f"{phase.packed:,} of {phase.shards:,}"
                + (f" ({phase.without_tars:,} without tars)" if phase.without_tars else ""),
                format_size(phase.size),
                format_size(phase.remaining_bytes),
            )
            for phase in report.phases
        ]
        output.print_table(("PHASE", "STATE", "SHARDS", "SIZE", "LEFT"), rows, right=(2, 3, 4))
        for phase in report.phases:
            if phase.first_published and phase.last_published != phase.first_published:
                first, last = phase.first_published[:10], (phase.last_published or "")[:10]
                output.print_message(f"{phase.name}: open since {first}, newest shard of {last}")
            if phase.embargo and phase.state != "published":
                output.print_message(f"{phase.name}: closed until {phase.embargo}")
        output.print_message(_release(report))
    if report.remaining_seconds:
        left = f"{format_size(report.remaining_bytes)}: about {format_seconds(report.remaining_seconds)}"
        output.print_message(f"Left to pack: {left} at the rate of the last run.")
    if report.to_delete:
        confirm_pruning.print_advice(report.to_delete, "should be deleted")
    if report.unknown_tars:
        output.print_message(f"in the shards' folder, but not in the plan: {', '.join(report.unknown_tars[:_NAMED])}")
    if report.unread_count:
        output.print_message(f"{output.unread(report.unread_count)} by the last scan:")
        for each in report.unread[:_UNREAD]:
            output.print_message(f"  {each.where}: {each.what}")
        if report.unread_count > _UNREAD:
            output.print_message(f"  {report.unread_count - _UNREAD:,} more; .packager/unread.jsonl names all")
        output.print_message("fix the permissions or the disk, then run: packager release")
        return
    following = f"Next: {report.next}" if report.next else "All done. After a change run: packager release"
    output.print_message(following)


def _release(report: StatusReport) -> str:
    """Return which release is published, and what signs it."""
    if report.serial is None:
        return "Nothing is published yet."
    signed = f"signed by key {report.signed_by}" if report.signed_by else "not signed"
    date = (report.date or "")[:10]
    return f"Release {report.serial} of {date} is in {output.folder_name(report.site)}, {signed}."
