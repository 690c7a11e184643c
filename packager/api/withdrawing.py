"""`withdraw` records, `replace` wrong shards, and `prune` tars that should not be shared any more."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from packager.api.arguments import AnyPath, as_path, as_texts
from packager.api.workers import now
from packager.core.reports.reports import PruneReport, ReplaceReport, WithdrawReport
from packager.engine.files import atomic_files
from packager.engine.project import load_project
from packager.pack.plan.recover_state import recover_state
from packager.pack.prune import prune as pruning
from packager.pack.withdraw import replace_shards
from packager.pack.withdraw import withdraw as withdrawing
from packager.pack.withdraw.withdraw import WithdrawOptions
from packager.progress import SILENT


def withdraw(
    config: AnyPath, options: WithdrawOptions, *, ask: Callable[[WithdrawReport], bool] = lambda _: True
) -> WithdrawReport:
    """Write to withdrawals.json that records are withdrawn; the next plan and release apply it.

    Published records that are no longer in the catalogue are found, too. The next release replaces the shards that
    contain them, unless options.keep_shards is set. ask: called with the report; if it returns False, nothing is
    written. Raises InputError if no record is found, the reason is missing, or a release has already published what you
    want to undo.
    """
    config_options, project = load_project.load_project(as_path(config))
    with atomic_files.lock_state_folder(project.state, "withdraw"):
        recover_state(project, config_options.collection.name, SILENT)
        if options.undo:
            return withdrawing.undo_withdraw(project, options)
        return withdrawing.withdraw(project, options, date=now(), ask=ask)


def replace(
    config: AnyPath,
    shards: str | Sequence[str],
    *,
    reason: str = "",
    undo: bool = False,
    dry_run: bool = False,
    ask: Callable[[ReplaceReport], bool] = lambda _: True,
) -> ReplaceReport:
    """Write to withdrawals.json that published shards are to be replaced; the next plan and release apply it.

    Their records go into new shards, by the catalogue and the config of that time. undo: remove the entry. ask: as for
    withdraw. Raises InputError if a name is not that of a published shard, or the shard is obsolete.
    """
    shards = as_texts(shards)
    options, project = load_project.load_project(as_path(config))
    with atomic_files.lock_state_folder(project.state, "replace"):
        recover_state(project, options.collection.name, SILENT)
        if undo:
            return replace_shards.undo_replace(project, shards, dry_run=dry_run)
        return replace_shards.replace_shards(project, shards, reason=reason, date=now(), dry_run=dry_run, ask=ask)


def prune(
    config: AnyPath, *, ask: Callable[[PruneReport], bool] = lambda _: True, dry_run: bool = False
) -> PruneReport:
    """Delete the tars of this project in shards.folder that should not be shared any more; return which.

    These are tars of obsolete shards, and of packed shards that are in no release and no plan. ask: called with what
    would be deleted, unless that is nothing; if it returns False, nothing is deleted. Raises IncompleteError if the
    system or the store refuses.
    """
    _, project = load_project.load_project(as_path(config))
    with nullcontext() if dry_run else atomic_files.lock_state_folder(project.state, "prune"):
        return pruning.prune(project, ask, now=now(), dry_run=dry_run)
