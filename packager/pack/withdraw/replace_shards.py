"""`replace`: records shards with wrong content, so that the next plan replaces them."""

from collections.abc import Callable, Sequence

import msgspec

from packager.core.config.option_values import nearest
from packager.core.releases.withdrawn_records import SupersededShard
from packager.core.reports.reports import ReplaceReport
from packager.engine.project import state_files
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_withdrawals, write_withdrawals
from packager.errors import InputError
from packager.model import ReleaseShard
from packager.pack.prune.prune import after_the_next_release
from packager.pack.withdraw.withdraw import check_reason
from packager.paths import display_text


def replace_shards(
    project: Project,
    names: Sequence[str],
    *,
    reason: str,
    date: str,
    dry_run: bool = False,
    ask: Callable[[ReplaceReport], bool] = lambda _: True,
) -> ReplaceReport:
    """Record durably that the next plan must replace shards, and return the report.

    date: RFC 3339. ask: called with the report; if it returns False, nothing is recorded. Raises InputError for a name
    that is not a published shard, and for an obsolete shard.
    """
    check_reason(reason)
    shards = _published(project, names)
    withdrawals = read_withdrawals(project)
    fresh = {shard.name: SupersededShard(name=shard.name, reason=reason, date=date) for shard in shards}
    kept = tuple(each for each in withdrawals.shards if each.name not in fresh)
    report = _report(project, shards, dry_run=dry_run)
    if not dry_run and ask(report):
        write_withdrawals(project, msgspec.structs.replace(withdrawals, shards=(*kept, *fresh.values())))
    return report


def undo_replace(project: Project, names: Sequence[str], *, dry_run: bool = False) -> ReplaceReport:
    """Undo `replace_shards`. Raises InputError if a shard is not recorded, or is already replaced in a release."""
    shards = _published(project, names)
    withdrawals = read_withdrawals(project)
    gone = {shard.name for shard in shards}
    for name in gone - {each.name for each in withdrawals.shards}:
        raise InputError(name, "is not marked for replacement", "see withdrawals.json beside packager.toml")
    if not dry_run:
        kept = tuple(each for each in withdrawals.shards if each.name not in gone)
        write_withdrawals(project, msgspec.structs.replace(withdrawals, shards=kept))
    return msgspec.structs.replace(_report(project, shards, dry_run=dry_run), to_delete=())


def _report(project: Project, shards: Sequence[ReleaseShard], *, dry_run: bool) -> ReplaceReport:
    """Return the report."""
    return ReplaceReport(
        shards=tuple(shard.name for shard in shards),
        members=sum(shard.members for shard in shards),
        size=sum(shard.size for shard in shards),
        to_delete=after_the_next_release(
            project, state_files.read_last_release(project), [shard.name for shard in shards]
        ),
        dry_run=dry_run,
    )


def _published(project: Project, names: Sequence[str]) -> list[ReleaseShard]:
    """Return the named published shards that are not obsolete. names: of shards or tars. Raises InputError."""
    last = state_files.read_last_release(project)
    listed = {str(shard.name): shard for shard in last.shards} if last else {}
    found = []
    for written in names:
        name = written.removesuffix(".tar")
        if name not in listed:
            close = nearest(name, listed)
            raise InputError(
                display_text(written), "is not a published shard", f'did you mean "{close}"?' if close else ""
            )
        if listed[name].obsolete:
            by = ", ".join(listed[name].superseded_by[:3]) or "nothing"
            raise InputError(name, f"is obsolete already, replaced by {by}")
        found.append(listed[name])
    return found
