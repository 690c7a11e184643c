"""`packager withdraw`."""

from packager import api
from packager.cli import confirm_pruning, output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.option_groups import with_options
from packager.core.reports.reports import WithdrawReport
from packager.pack.withdraw.withdraw import WithdrawOptions
from packager.paths import display_text
from packager.units import count_of, format_size

_SHOWN = 20  # records that are printed; --json has all


@with_options(options=WithdrawOptions)
def withdraw(
    *,
    options: WithdrawOptions,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Withdraw records, and replace the shards with them.

    The next release lists the records as withdrawn. It replaces each published shard that contains one by a shard
    without them, so that nobody has to share the old one; with --keep-shards the shards stay published.

    Example: packager withdraw --id QZ-0042 --reason "asked for by the artist"
    """
    report = api.withdraw(config, options)
    if json:
        output.show_json(report)
    else:
        _show(report, undo=options.undo)


def _show(report: WithdrawReport, *, undo: bool) -> None:
    """Print what is meant and what follows from it."""
    same = set(report.same_content)
    for record in report.records[:_SHOWN]:
        held = ", ".join(record.shards) or "in no published shard"
        output.print_message(
            f"  {display_text(record.id)}: {held}" + (" (it has the same content)" if record.id in same else "")
        )
    if len(report.records) > _SHOWN:
        output.print_message(f"  and {count_of(len(report.records) - _SHOWN, 'more record')}; --json has all")
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
