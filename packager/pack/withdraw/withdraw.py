"""`withdraw`: withdraws records from the next release, or undoes that.

It changes only withdrawals.json; planning and publishing read that file.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from packager.core.releases.next_release import not_before
from packager.core.releases.withdrawn_records import WithdrawnRecord, in_force
from packager.core.reports.reports import FoundRecord, WithdrawReport
from packager.engine.project import state_files
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_withdrawals, write_withdrawals
from packager.errors import InputError
from packager.model import FileDigest, Release, ShardName, Withdrawal
from packager.option_fields import DRY_RUN, option
from packager.pack.prune.prune import after_the_next_release
from packager.pack.withdraw.find_records import RecordFilter, find_records
from packager.pack.withdraw.record_contents import record_contents
from packager.paths import display_text
from packager.progress import SILENT, Progress


@dataclass(frozen=True)
class WithdrawOptions(RecordFilter):
    """The records to withdraw, or to undo, and what the release publishes about them."""

    reason: str = option("Why; one line, published in the release.", "", metavar="TEXT")
    keep_shards: bool = option("Do not replace the shards that contain them.", False)
    redact: bool = option("Publish only the ids, without titles and artists.", False)
    undo: bool = option("Undo the withdrawal; if it is published, the next release records that.", False)
    dry_run: bool = option(DRY_RUN, False)


def withdraw(
    project: Project,
    options: WithdrawOptions,
    *,
    date: str,
    ask: Callable[[WithdrawReport], bool] = lambda _: True,
    progress: Progress = SILENT,
) -> WithdrawReport:
    """Record durably that records, and the content of their files, are withdrawn. Return the report.

    Published records with the same content are withdrawn too. An earlier withdrawal of a record is kept; only content,
    the replacement of its shards and `redact` can be added. date: RFC 3339. ask: called with the report; if it returns
    False, nothing is recorded. Raises InputError if no record is named or found, or the reason is empty.
    """
    check_reason(options.reason)
    named = find_records(project, options)
    withdrawals = read_withdrawals(project)
    last = state_files.read_last_release(project)
    contents = record_contents(project, last, named, progress)
    found = (*named, *contents.copies)
    published = {each.id: each for each in last.in_force} if last else {}
    date = not_before(last, date)
    records = {record.id: record for record in withdrawals.records}
    known = published.keys() | {record.id for record in withdrawals.records if not record.lifted}
    new = [each for each in found if each.id not in known]
    for each in found:
        before = records.get(each.id)
        if each.id in published:  # in force, even if an unpublished undo exists
            before = msgspec.structs.replace(before, lifted=0) if before else _from_release(published[each.id])
        elif before and before.lifted:
            before = None
        records[each.id] = _entry(each, options, date, contents.files[each.id], before)
    following = msgspec.structs.replace(withdrawals, records=tuple(records.values()))
    withdrawn = in_force(last, following)
    report = msgspec.structs.replace(
        _report(project, last, found, options, new=len(new), withdrawn=withdrawn),
        same_content=tuple(each.id for each in contents.copies),
        unread=contents.unread,
    )
    if not options.dry_run and ask(report):
        write_withdrawals(project, following)
    return report


def _from_release(published: Withdrawal) -> WithdrawnRecord:
    """Return the entry for a withdrawal that is only in the last release."""
    names = ("id", "reason", "date", "title", "artist", "files", "shards")
    return WithdrawnRecord(**{name: getattr(published, name) for name in names})


def _entry(
    record: FoundRecord,
    options: WithdrawOptions,
    date: str,
    files: Sequence[FileDigest],
    before: WithdrawnRecord | None,
) -> WithdrawnRecord:
    """Return the entry for a record."""
    redact = options.redact or (before is not None and before.redact)
    return WithdrawnRecord(
        id=record.id,
        reason=before.reason if before else options.reason,
        date=before.date if before else date,
        supersede=not options.keep_shards or (before is not None and before.supersede),
        redact=redact,
        title="" if redact else before.title if before else record.title,
        artist="" if redact else before.artist if before else record.artist,
        files=tuple(dict.fromkeys([*(before.files if before else ()), *files])),
        shards=tuple(dict.fromkeys([*(before.shards if before else ()), *map(ShardName, record.shards)])),
    )


def undo_withdraw(project: Project, options: WithdrawOptions) -> WithdrawReport:
    """Undo withdrawals: remove unpublished ones, and have the next release undo the others. Return the report.

    Raises InputError if no record is found or withdrawn, or another withdrawal that stays has the same content.
    """
    withdrawals = read_withdrawals(project)
    release = state_files.read_last_release(project)
    published = {each.id: each for each in release.in_force} if release else {}
    withdrawn = in_force(release, withdrawals)
    if options.records and withdrawn.keys() >= {*options.records} and not options.paths and options.where is None:
        shards = {each: published[each].shards if each in published else () for each in options.records}
        found = tuple(FoundRecord(id=each, path=None, title="", artist="", shards=shards[each]) for each in shards)
    else:
        found = tuple(each for each in find_records(project, options) if each.id in withdrawn)
    if not found:
        raise InputError("--undo", "none of these records is withdrawn", "see withdrawals.json beside packager.toml")
    ids = {record.id for record in found}
    _check_content(withdrawn, ids)
    records = {record.id: record for record in withdrawals.records}
    for record in ids:
        note = records.pop(record, None)
        if release is not None and record in published:
            note = note or _from_release(published[record])
            records[record] = msgspec.structs.replace(note, lifted=release.serial + 1)
    if not options.dry_run:
        write_withdrawals(project, msgspec.structs.replace(withdrawals, records=tuple(records.values())))
    return _report(project, release, found, replace(options, keep_shards=True), new=0)


def _check_content(withdrawn: Mapping[str, Sequence[FileDigest]], lifted: set[str]) -> None:
    """Raise InputError if another withdrawal that stays has the content of a record to undo."""
    content = {each: record for record in sorted(lifted) for each in withdrawn[record]}
    for record, files in withdrawn.items():
        same = next((each for each in files if each in content), None)
        if record not in lifted and same is not None:
            what = f'"{display_text(record)}" is withdrawn too, and has the same content'
            fix = f'undo both: "{display_text(content[same])}" "{display_text(record)}"'
            raise InputError(display_text(content[same]), what, fix)


def check_reason(reason: str) -> None:
    """Raise InputError for a reason that is empty or not one line."""
    if not reason.strip():
        raise InputError("", "--reason is missing", "write one line; the next release publishes it")
    if not reason.isprintable() or len(reason) > 1000:
        what = f'"{display_text(reason, 80)}" is not one line of at most 1,000 characters'
        raise InputError("--reason", what, "write one line; the next release publishes it")


def _report(
    project: Project,
    last: Release | None,
    found: tuple[FoundRecord, ...],
    options: WithdrawOptions,
    *,
    new: int,
    withdrawn: Collection[str] = (),
) -> WithdrawReport:
    """Return the report. It lists the shards with the records that are not obsolete.

    withdrawn: the ids of all withdrawn records, if any were added.
    """
    live = {shard.name: shard for shard in last.shards if not shard.obsolete} if last else {}
    holding = sorted({name for record in found for name in record.shards if name in live})
    return WithdrawReport(
        records=found,
        new=new,
        shards=tuple(holding),
        size=sum(live[ShardName(name)].size for name in holding),
        replace=not options.keep_shards,
        to_delete=after_the_next_release(project, last, () if options.keep_shards else holding, withdrawn),
        dry_run=options.dry_run,
    )
