"""`pack`: packs every planned shard that is not complete, with worker processes, largest first."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from packager.core.releases.next_release import published_shard_error
from packager.core.reports.issues import Issue
from packager.core.reports.reports import PackReport
from packager.engine.network.check_torrent import note_missing_check
from packager.engine.processes.local_workers import run_tasks
from packager.engine.processes.worker_pool import WorkerPool
from packager.engine.project.owner_id import project_owner
from packager.engine.project.project import Project
from packager.engine.project.state_files import sources
from packager.errors import IncompleteError, InputError, PackagerError, Stopped
from packager.model import Plan, PlannedShard, ShardName
from packager.options import Config
from packager.pack.plan.published_shards import content_as_published, read_manifest
from packager.pack.shard import checkpoint, own_tars, pack_on_cluster
from packager.pack.shard.existing_tars import remove_leftovers, stored_tars, tar_names
from packager.pack.shard.pack_shard import Infohashes, PackedMarker, ShardTask, pack_shard, shard_status
from packager.pack.shard.write_documents import HashedOptions, OuterFields
from packager.pack.worker_plan import WorkerPlan, plan_workers
from packager.paths import display_text
from packager.progress import SILENT, Progress
from packager.units import count_of, format_size

Published = Mapping[ShardName, Infohashes]


def make_tasks(
    project: Project,
    config: Config,
    plan: Plan,
    published: Published,
    phases: Sequence[str] | None = None,
    *,
    virtual: bool = False,
) -> list[ShardTask]:
    """Return the shards of the plan, or of some phases, as tasks in the plan's order.

    published: the infohashes of published shards. virtual: write no tars, whatever the config says. Raises InputError
    for a phase that is not in the plan.
    """
    unknown = set(phases or ()) - {phase.name for phase in plan.phases}
    if unknown:
        raise InputError("--phase", f'no phase is named "{display_text(min(unknown))}"', "see: packager status")
    options = config.torrents
    content = HashedOptions(
        collection=config.collection.name,
        version=options.format,
        also_v1=options.also_v1,
        sha256=config.shards.tar_sha256,
        mtimes=config.records.file_times,
    )
    links = OuterFields(trackers=options.trackers, web_seeds=options.web_seeds, date=plan.date)

    without_tars = virtual or not config.shards.write_tars
    stored, owner = stored_tars(project), project_owner(project.state)

    def content_of(shard: PlannedShard) -> HashedOptions:
        return content_as_published(read_manifest(project, shard), content) if shard.published else content

    return [
        ShardTask(
            project=project,
            planned=project.published_rows(shard.name) if shard.published else project.planned(phase.name),
            source=sources(project, phase),
            shard=shard,
            content=content_of(shard),
            links=links,
            published=published.get(shard.name),
            virtual=without_tars and shard.container == "tar" and shard.name not in plan.sources_gone,
            stored=stored.get(f"{shard.name}.tar"),
            owner=owner,
        )
        for phase in plan.phases
        if phases is None or phase.name in phases
        for shard in phase.shards
    ]


def pack(
    every: list[ShardTask],
    cores: WorkerPlan,
    *,
    dry_run: bool = False,
    cluster: WorkerPool | None = None,
    progress: Progress = SILENT,
    measured: Callable[[int, float], None] = lambda _size, _seconds: None,
) -> PackReport:
    """Pack the shards that are not complete, and return the report.

    Missing tars of published shards are not written again. Virtual shards have no tar. dry_run: only count. cluster:
    its workers do the work; None: processes of this machine. measured: called at the end, even of a stopped run, with
    the bytes of the new shards and the seconds that they took. If a shard fails (a source file changed, the disk is
    full), its partial files are removed, the others continue, and the report lists it. If source files of a published
    shard have other times, they are read again and compared. Raises InputError if a published shard would change (its
    tar is kept), IncompleteError if a worker process dies.
    """
    statuses = [(task, shard_status(task)) for task in every]
    for task, found in statuses:
        if task.published and found.made and found.made.size != task.shard.size:
            raise published_shard_error(task.shard.name)
    missing = [task for task, found in statuses if not found.is_complete]
    for task, found in statuses:
        if found.needs_pass:
            own_tars.check_name(task)
    virtual = sum(found.is_complete and found.virtual for _, found in statuses)
    not_local = sum(found.not_local for _, found in statuses)
    to_read = {task.shard.name: task.shard.size for task, found in statuses if found.needs_pass}
    if dry_run:
        return PackReport(
            packed=len(missing),
            unchanged=len(every) - len(missing),
            not_local=not_local,
            without_tars=virtual,
            read_bytes=sum(to_read.values()),
            seconds=0.0,
            failed=(),
            dry_run=True,
        )
    _remove_leftovers(every)
    started = time.monotonic()
    done = size = 0
    failed: list[Issue] = []
    progress.begin("Packing", sum(to_read.values()))
    largest_first = sorted(missing, key=lambda task: -to_read.get(task.shard.name, 0))
    results = _results(largest_first, len(to_read), cores, cluster=cluster, progress=progress)
    try:
        with closing(results):  # stops running tasks first
            for task, result in results:
                if isinstance(result, PackedMarker):
                    done, size = done + 1, size + to_read.get(task.shard.name, 0)
                    virtual += result.virtual
                    what = f"{count_of(task.shard.rows, 'member')}, {format_size(result.size)}"
                    progress.detail(f"{task.shard.name}: {what}")
                else:
                    failed.append(failure(task, result))
                    progress.note(f"error: {task.shard.name}: {result}")
    except KeyboardInterrupt:
        begun = min(cores.count, len(missing) - done)
        raise Stopped(_left(len(every) - len(missing) + done, len(every), begun)) from None
    finally:
        measured(size, round(time.monotonic() - started, 3))
    if cluster and cluster.retried_tasks:
        _remove_leftovers(every)  # from workers that died
    if done:
        note_missing_check(progress)
    progress.end()
    return PackReport(
        packed=done,
        unchanged=len(every) - len(missing),
        not_local=not_local,
        without_tars=virtual,
        read_bytes=size,
        seconds=round(time.monotonic() - started, 3),
        failed=tuple(sorted(failed, key=lambda issue: issue.where)),
        retried_tasks=cluster.retried_tasks if cluster else 0,
    )


def _remove_leftovers(every: Sequence[ShardTask]) -> None:
    """Remove the partial files of killed workers, except those that a checkpoint can resume."""
    with_checkpoint = [task for task in every if (task.folder / checkpoint.FILE).exists() and not task.is_without_tar]
    for place, owner in {(task.project.shards_location, task.owner) for task in every}:
        remove_leftovers(place, owner, _tars(every), kept=_tars(with_checkpoint))


def _tars(tasks: Sequence[ShardTask]) -> list[str]:
    """Return the names of the shards' tars."""
    return [f"{task.shard.name}.tar" for task in tasks]


def _results(
    tasks: Sequence[ShardTask], read: int, cores: WorkerPlan, *, cluster: WorkerPool | None, progress: Progress
) -> Generator[tuple[ShardTask, PackedMarker | PackagerError], None, None]:
    """Pack shards, and yield each with its marker or error. read: how many, from the first, must read source files."""
    here, there = pack_on_cluster.split_tasks(tasks[:read], cluster)
    if cluster and there:
        yield from pack_on_cluster.run(cluster, pack_on_cluster.pack_job, there, progress.advance)
    processes, shared_out = plan_workers(here, cores, more=len(tasks) - read)
    shared_out += tasks[read:]  # these only need torrents
    yield from run_tasks(pack_shard, shared_out, workers=processes, advance=progress.advance)


@dataclass(frozen=True)
class PackProgress:
    """The progress of packing by phase: packed shards, those without tars, and bytes that are left."""

    packed: dict[str, int]
    without_tars: dict[str, int]  # among the packed ones
    left: dict[str, int]
    unknown_tars: tuple[str, ...]  # tars in the shards folder that are not in the plan


def progress_of(
    project: Project, plan: Plan, every: list[ShardTask], obsolete: Iterable[ShardName] = ()
) -> PackProgress:
    """Return the progress of packing, from the markers of complete shards. Reads one small file for each shard.

    obsolete: published shards that are no longer in the plan.
    """
    count = {phase.name: 0 for phase in plan.phases}
    virtual, left = dict(count), dict(count)
    for task in every:
        found = shard_status(task)
        if found.is_complete and found.made:
            count[task.shard.phase] += 1
            virtual[task.shard.phase] += found.virtual
        else:
            left[task.shard.phase] += task.shard.size
    known = set(_tars(every))
    ended = {f"{name}.tar" for name in obsolete}
    strangers = tuple(name for name in tar_names(project) if name not in known and name not in ended)
    return PackProgress(count, virtual, left, strangers)


def incomplete_shards(every: list[ShardTask]) -> list[ShardName]:
    """Return the names of incomplete shards, in the plan's order."""
    return [task.shard.name for task in every if not shard_status(task).is_complete]


def _left(complete: int, total: int, begun: int) -> str:
    """Return the message for an interrupted run: what is complete, and what is lost."""
    lost = {0: "nothing was lost", 1: "one unfinished tar will be written again"}
    what = lost.get(begun, f"at most {begun:,} unfinished tars will be written again")
    return f"{complete:,} of {count_of(total, 'shard')} {'is' if total == 1 else 'are'} complete; {what}."


def failure(task: ShardTask, error: PackagerError) -> Issue:
    """Return a shard's error as an issue, or raise it if the source files are not the cause."""
    if not isinstance(error, IncompleteError):
        raise error
    return Issue(where=task.shard.name, what=str(error))
