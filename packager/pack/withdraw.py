"""Taking records back: what the next release shall say of them.

Nothing changes but withdrawals.json; planning and publishing act on that.
"""

from dataclasses import dataclass, replace

import msgspec

from packager.engine import releases
from packager.engine.withdrawals import read_withdrawals, write_withdrawals
from packager.engine.workspace import Workspace
from packager.errors import InputError
from packager.model import Release, ShardName, WithdrawnRecord
from packager.pack.find_records import Wanted, find
from packager.paths import shown
from packager.releasing import not_before
from packager.reports import FoundRecord, WithdrawReport


@dataclass(frozen=True)
class How:
    """What is to be said of them. supersede: their shards are replaced. redact: no tag is told. date: RFC 3339."""

    reason: str
    date: str
    supersede: bool = False
    redact: bool = False


def withdraw(workspace: Workspace, wanted: Wanted, how: How, *, dry_run: bool = False) -> WithdrawReport:
    """Note durably that records are taken back; what was noted of them before is kept, but for `supersede`.

    Raises InputError where nothing is asked for or found, or the reason is empty.
    """
    check_reason(how.reason)
    found = find(workspace, wanted)
    noted = read_withdrawals(workspace)
    known = {record.id: record for record in noted.records}
    last = releases.last_release(workspace)
    published = {each.id: each for each in last[0].withdrawals} if last else {}
    how = replace(how, date=not_before(last, how.date))
    new = [record for record in found if record.id not in known and record.id not in published]
    for record in found:
        known[record.id] = _noted(record, how, known.get(record.id))
    if not dry_run:
        write_withdrawals(workspace, msgspec.structs.replace(noted, records=tuple(known.values())))
    return _report(last[0] if last else None, found, how, new=len(new), written=not dry_run)


def _noted(record: FoundRecord, how: How, before: WithdrawnRecord | None) -> WithdrawnRecord:
    """Return what is noted of a record."""
    if before is not None:
        return msgspec.structs.replace(before, supersede=before.supersede or how.supersede)
    return WithdrawnRecord(
        id=record.id,
        reason=how.reason,
        date=how.date,
        supersede=how.supersede,
        redact=how.redact,
        title="" if how.redact else record.title,
        artist="" if how.redact else record.artist,
    )


def undo(workspace: Workspace, wanted: Wanted, *, dry_run: bool = False) -> WithdrawReport:
    """Take back that records are taken back. Raises InputError where a release says so already, or nothing is found."""
    noted = read_withdrawals(workspace)
    last = releases.last_release(workspace)
    published = {each.id for each in last[0].withdrawals} if last else set()
    found = find(workspace, wanted)
    ids = {record.id for record in found}
    for record in found:
        if record.id in published:
            what = "is withdrawn by a release already, and every mirror remembers that"
            raise InputError(shown(record.id), what, "publish its file again under another id")
    kept = tuple(record for record in noted.records if record.id not in ids)
    if len(kept) == len(noted.records):
        raise InputError("--undo", "none of these records is withdrawn", "see withdrawals.json beside packager.toml")
    if not dry_run:
        write_withdrawals(workspace, msgspec.structs.replace(noted, records=kept))
    how = How("", "")
    return _report(last[0] if last else None, found, how, new=0, written=not dry_run)


def check_reason(reason: str) -> None:
    """Raise InputError for a reason that no page could show."""
    if not reason.strip() or not reason.isprintable() or len(reason) > 1000:
        raise InputError(
            "--reason", f'"{shown(reason, 80)}" is not one line of text', "say why, in the release's words"
        )


def _report(
    last: Release | None, found: tuple[FoundRecord, ...], how: How, *, new: int, written: bool
) -> WithdrawReport:
    """Return what was done. The shards that hold the records are those that are not obsolete."""
    live = {shard.name: shard for shard in last.shards if not shard.obsolete} if last else {}
    holding = sorted({name for record in found for name in record.shards if name in live})
    return WithdrawReport(
        records=found,
        new=new,
        shards=tuple(holding),
        size=sum(live[ShardName(name)].size for name in holding),
        supersede=how.supersede,
        written=written,
    )
