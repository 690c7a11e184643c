"""The mirror commands: follow a release, fetch and share a part of it, show its state."""

import time
from collections.abc import Callable
from contextlib import nullcontext

from packager.api.arguments import AnyPath, as_path, as_text
from packager.api.workers import now
from packager.core.reports.mirror_reports import MirrorReport, MirrorStatus
from packager.core.reports.reports import PruneReport
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import free_bytes
from packager.engine.published.release_reader import parse_release_location
from packager.mirror import mirror as mirroring
from packager.mirror import prune_mirror as pruning
from packager.mirror import status as mirror_states
from packager.mirror.context import AGREE_TO_PLANS, Clocks, Confirmations, RunContext
from packager.mirror.mirror_options import MirrorOptions, MirrorTask, RunOptions
from packager.mirror.state import MirrorFolder
from packager.progress import SILENT, Progress


def mirror_follow(
    source: AnyPath,
    folder: AnyPath,
    options: MirrorOptions | None = None,
    run: RunOptions | None = None,
    *,
    fetch: bool = True,
    dry_run: bool = False,
    ask: Confirmations = AGREE_TO_PLANS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Follow the release at `source`, a URL or folder, in a mirror's folder: choose shards and fetch all of them.

    options and run: given values are stored in mirror.toml, and others stay as they are. fetch: False: only choose.
    ask: called about the plan, and about the key beside the release if no key is given. Raises TrustError if the
    release is refused; then nothing is changed.
    """
    place = parse_release_location(as_text(source))
    task = MirrorTask(place, options or MirrorOptions(), run or RunOptions(), dry_run=dry_run, fetch=fetch)
    return _run(folder, task, _around(ask, stop, progress))


def mirror_sync(
    folder: AnyPath,
    run: RunOptions | None = None,
    *,
    dry_run: bool = False,
    ask: Confirmations = AGREE_TO_PLANS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Update a mirror by its mirror.toml: follow the newest release and fetch all chosen shards.

    run: replaces values of mirror.toml in this run. The others as in `mirror_follow`.
    """
    task = MirrorTask(run=run or RunOptions(), dry_run=dry_run)
    return _run(folder, task, _around(ask, stop, progress))


def mirror_run(
    folder: AnyPath,
    run: RunOptions | None = None,
    *,
    check_every: float | None = None,
    reload: Callable[[], bool] = lambda: False,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Update a mirror as `mirror_sync` does, and share it, until `stop` returns True or the time is over.

    check_every: seconds between two checks for a new release; None: the value in mirror.toml. reload: returns True to
    read mirror.toml again.
    """
    task = MirrorTask(run=run or RunOptions(), share=True, check_every=check_every)
    return _run(folder, task, _around(AGREE_TO_PLANS, stop, progress, reload))


def mirror_status(folder: AnyPath, *, ask_client: bool = True) -> MirrorStatus:
    """Return which shards a mirror has and when they were checked, and ask its client for seeding, ratio and peers.

    Raises InputError if the folder is not a mirror.
    """
    return mirror_states.mirror_status(MirrorFolder(as_path(folder)), _clocks(), ask_client=ask_client)


def mirror_magnets(folder: AnyPath) -> tuple[str, ...]:
    """Return the magnet links of the chosen shards of a mirror that may be handed out."""
    return mirror_states.mirror_magnets(MirrorFolder(as_path(folder)), now())


def mirror_prune(
    folder: AnyPath,
    *,
    ask: Callable[[PruneReport], bool] = lambda _: True,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> PruneReport:
    """Delete the tars of obsolete and withheld shards that a mirror fetched; return which.

    ask: called with what would be deleted, unless that is nothing; if it returns False, nothing is deleted. Raises
    InputError if the folder is not a mirror, IncompleteError if the system refuses.
    """
    mirror = MirrorFolder(as_path(folder))
    mirror.required()
    with nullcontext() if dry_run else atomic_files.lock_state_folder(mirror.state, "mirror prune"):
        return pruning.prune_mirror(mirror, ask, now=now(), dry_run=dry_run, progress=progress)


def _run(folder: AnyPath, task: MirrorTask, around: RunContext) -> MirrorReport:
    """Run a mirror. Before that, raise InputError if a peer or host is not valid."""
    task.run.check()
    mirror = MirrorFolder(as_path(folder))
    if task.source is None and not mirror.is_mirror:
        mirror.required()
    return mirroring.run_mirror(mirror, task, around)


def _around(
    ask: Confirmations, stop: Callable[[], bool], progress: Progress, reload: Callable[[], bool] = lambda: False
) -> RunContext:
    """Return the clocks, disk and callbacks of a run."""
    return RunContext(_clocks(), free_bytes, ask, stop, progress, reload)


def _clocks() -> Clocks:
    """Return the clocks of this machine."""
    return Clocks(now=now, unix=time.time, steady=time.monotonic)
