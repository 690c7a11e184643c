"""`packager withdraw`."""

from collections.abc import Iterator
from dataclasses import replace

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.confirm_change import Yes, confirm_change, is_asked
from packager.cli.member_options import Records, named_records
from packager.cli.option_groups import with_options
from packager.core.reports.reports import WithdrawReport
from packager.pack.withdraw.withdraw import WithdrawOptions
from packager.paths import display_text
from packager.units import count_of, format_size

_SHOWN = 20  # records that are printed; --json has all


@with_options(options=WithdrawOptions)
def withdraw(
    records: Records = None,
    *,
    options: WithdrawOptions,
    config: Config = DEFAULT_CONFIG,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Withdraw records, and replace the shards with them.

    The next release lists the records as withdrawn. It replaces each published shard that contains one by a shard
    without them. With --keep-shards the shards stay published.

    Example: packager withdraw QZ-0042 --reason "asked for by the artist"
    """

    def agreed(planned: WithdrawReport) -> bool:
        return confirm_change("withdraw", count_of(len(planned.records), "record"), _record_lines(planned), yes=yes)

    report = api.withdraw(config, replace(options, records=named_records(records)), ask=agreed)
    if json:
        output.show_json(report)
        return
    if options.undo or options.dry_run or not is_asked(yes=yes):
        for line in _record_lines(report):
            output.print_message(line)
    _show(report, undo=options.undo)


def _record_lines(report: WithdrawReport) -> Iterator[str]:
    """Yield a line for each record, with the shards that contain it."""
    same = set(report.same_content)
    for record in report.records[:_SHOWN]:
        shards = ", ".join(record.shards) or "in no published shard"
        yield f"  {display_text(record.id)}: {shards}" + (" (it has the same content)" if record.id in same else "")
    if len(report.records) > _SHOWN:
        yield f"  and {count_of(len(report.records) - _SHOWN, 'more record')}; --json has all"


def _show(report: WithdrawReport, *, undo: bool) -> None:
    """Print the result of a withdrawal."""
    for file in report.unread:
        advice = "its content now is not withdrawn: run packager scan, then withdraw it again"
        output.print_message(f"warning: {file.where}: {file.what}; {advice}")
    what = count_of(len(report.records), "record")
    if undo:
        output.print_message(
            f"{what}; dry run, nothing changed." if report.dry_run else f"{what} not withdrawn any more."
        )
    else:
        _show_withdrawn(report)
    if not report.dry_run:
        output.print_message("Next: packager release")


def _show_withdrawn(report: WithdrawReport) -> None:
    """Print how many records and shards the next release withdraws and replaces."""
    count, shards = len(report.records), len(report.shards)
    done = f"{count_of(count, 'record')} {'is' if count == 1 else 'are'} withdrawn from the next release"
    if report.replace and shards:
        done += f"; {count_of(shards, 'shard')} ({format_size(report.size)}) will be replaced"
    elif shards:
        are = "is" if shards == 1 else "are"
        done += f"; {count_of(shards, 'shard')} ({format_size(report.size)}) with them {are} kept"
    if report.to_delete:
        confirm_pruning.print_advice(report.to_delete, "should be deleted after the next release")
    output.print_message(f"{done}. Dry run: nothing changed." if report.dry_run else f"{done}.")
