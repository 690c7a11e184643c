"""`packager warnings`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.core.reports.warning_kinds import KINDS, WarningsReport
from packager.units import count_of


def warnings(
    config: Config = DEFAULT_CONFIG,
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind.", metavar="|".join(KINDS))] = None,
    json: Json = False,
) -> None:
    """List the warnings of the last run.

    Example: packager warnings --kind renamed
    """
    report = api.warnings(config, kind=kind)
    output.show(report, show, json=json)


def show(report: WarningsReport) -> None:
    """Print the warnings by kind, with their number and fix, and then the sum."""
    for group in report.kinds:
        output.print_message(f"{group.kind}: {group.title}. {group.advice}")
        listed = [each for each in report.warnings if each.kind == group.kind]
        for each in listed:
            output.print_message(f"  {each.where}: {each.what}")
        if group.count > len(listed):
            output.print_message(f"  and {group.count - len(listed):,} more; .packager/warnings.jsonl lists all")
    output.print_message(f"{sum_of(report.count, len(report.kinds))}." if report.count else "No warnings.")


def sum_of(count: int, kinds: int) -> str:
    """Return "5 warnings of 1 kind"."""
    return f"{count_of(count, 'warning')} of {count_of(kinds, 'kind')}"
