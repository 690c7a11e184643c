"""Pack every planned shard that is not whole yet, on worker processes, largest first."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from packager.engine import durable
from packager.engine.workers import run_tasks
from packager.engine.workspace import Workspace
from packager.errors import IncompleteError, InputError, PackagerError
from packager.model import Plan
from packager.options import Config
from packager.pack.prepare import sources
from packager.pack.shard import Packed, ShardOptions, ShardTask, pack_shard, packed
from packager.progress import SILENT, Progress
from packager.reports import Oddity, PackReport
from packager.units import count_of, show_size


def tasks(workspace: Workspace, config: Config, plan: Plan, phases: Sequence[str] | None = None) -> list[ShardTask]:
    """Return the shards of the plan, or of some phases of it, as tasks in the plan's order."""
    unknown = set(phases or ()) - {phase.name for phase in plan.phases}
    if unknown:
        raise InputError("--phase", f'no phase is named "{min(unknown)}"', "see: packager status")
    options = ShardOptions(
        collection=config.collection.name,
        torrent=config.torrent,
        sha256=config.shards.sha256,
        mtimes=config.collection.mtimes,
        date=plan.date,
    )
    return [
        ShardTask(workspace, workspace.planned(phase.name), sources(workspace, phase), shard, options)
        for phase in plan.phases
        if phases is None or phase.name in phases
        for shard in phase.shards
    ]


def pack(
    workspace: Workspace,
    config: Config,
    plan: Plan,
    *,
    workers: int,
    phases: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> PackReport:
    """Pack the plan's shards, those of `phases` where given; whole ones are left alone.

    A shard that fails (a source changed, the disk is full) leaves nothing of itself and does not stop
    the others; the report names each. Raises IncompleteError where a worker process dies.
    """
    every = tasks(workspace, config, plan, phases)
    missing = [task for task in every if packed(task) is None]
    _remove_partials(workspace)
    started = time.monotonic()
    done = size = 0
    failed: list[Oddity] = []
    progress.begin("pack", sum(task.shard.size for task in missing))
    largest_first = sorted(missing, key=lambda task: -task.shard.size)
    for task, result in run_tasks(pack_shard, largest_first, workers=workers, progress=progress):
        if isinstance(result, Packed):
            done, size = done + 1, size + result.size
            progress.note(f"{task.shard.name}: {count_of(task.shard.rows, 'member')}, {show_size(result.size)}")
        else:
            failed.append(_failure(task, result))
            progress.note(f"{task.shard.name}: {result}")
    progress.end()
    return PackReport(
        packed=done,
        already=len(every) - len(missing),
        bytes=size,
        seconds=round(time.monotonic() - started, 3),
        failed=tuple(sorted(failed, key=lambda oddity: oddity.where)),
    )


@dataclass(frozen=True)
class ProgressSoFar:
    """How far packing is: shards packed and bytes left by phase, bytes a second of one process."""

    packed: dict[str, int]
    left: dict[str, int]
    rate: float | None
    strangers: tuple[str, ...]  # tars in the shards' folder that the plan does not know


def progress_of(workspace: Workspace, config: Config, plan: Plan) -> ProgressSoFar:
    """Return how far packing is, from the marks of what is whole. Reads a small file a shard."""
    count = {phase.name: 0 for phase in plan.phases}
    left = dict(count)
    size, seconds = 0, 0.0
    every = tasks(workspace, config, plan)
    for task in every:
        done = packed(task)
        if done:
            count[task.shard.phase] += 1
            size, seconds = size + done.size, seconds + done.seconds
        else:
            left[task.shard.phase] += task.shard.size
    known = {workspace.tar(task.shard.name).name for task in every}
    found = sorted(path.name for path in workspace.shards.glob("*.tar"))
    strangers = tuple(name for name in found if name not in known)
    return ProgressSoFar(count, left, size / seconds if seconds else None, strangers)


def missing(workspace: Workspace, config: Config, plan: Plan, phases: Sequence[str]) -> list[str]:
    """Return the names of the shards of `phases` that are not whole, in the plan's order."""
    return [task.shard.name for task in tasks(workspace, config, plan, phases) if packed(task) is None]


def _failure(task: ShardTask, error: PackagerError) -> Oddity:
    """Return a shard's failure as a fact, or raise it where it is not the sources' fault."""
    if not isinstance(error, IncompleteError):
        raise error
    return Oddity(where=task.shard.name, what=str(error))


def _remove_partials(workspace: Workspace) -> None:
    """Remove what a killed run left beside the tars' places."""
    durable.make_folder(workspace.shards)
    for beside in workspace.shards.glob(".*.tar.partial"):
        beside.unlink(missing_ok=True)
