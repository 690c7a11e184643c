"""`pack` and `export`. They are separate from the other steps of an archivist so that they start quickly."""

from collections.abc import Sequence
from functools import partial

import msgspec

from packager.api.arguments import AnyPath, as_path, as_text, as_texts
from packager.api.preflight import check_plan, check_project, check_space
from packager.api.workers import WorkerOptions, as_workers, now, open_worker_pool, worker_count
from packager.core.reports.reports import ExportReport, PackReport
from packager.engine.project import load_project, state_files
from packager.engine.project.owner_id import lock_project
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_plan
from packager.engine.published.shareable_files import shareable_files_of
from packager.engine.stores import parse_location
from packager.errors import InputError
from packager.model import Plan
from packager.options import Config
from packager.pack import export as exporting
from packager.pack import pack as packing
from packager.pack.shard.pack_shard import ShardTask
from packager.pack.worker_plan import WorkerPlan
from packager.progress import SILENT, Progress


def pack(
    config: AnyPath,
    *,
    phases: str | Sequence[str] | None = None,
    no_tars: bool = False,
    dry_run: bool = False,
    workers: int | WorkerOptions | None = None,
    progress: Progress = SILENT,
) -> PackReport:
    """Write every planned shard that is not complete yet, with its torrents, manifest and members table.

    phases: only these. no_tars: read and hash, but write no tar; existing tars stay. dry_run: only count what would be
    packed. workers: number of processes, None: one per core; or a cluster, whose workers must see the source and the
    shards' folder under the same paths. The report lists shards that failed; all others are complete.
    """
    workers = as_workers(workers)
    options, project = load_project.load_project(as_path(config))
    with lock_project(project.state, "pack"):
        check_project(options, project, None, progress=progress)
        made = read_plan(project)
        check_plan(options, project, made)
        every = tasks_of(options, project, made, as_texts(phases), virtual=no_tars)
        check_space(project, every)
        with open_worker_pool(workers, progress) as pool:
            report = packing.pack(
                every,
                worker_plan_of(workers.workers),
                dry_run=dry_run,
                cluster=pool,
                progress=progress,
                measured=partial(state_files.note_last_pack, project),
            )
    return msgspec.structs.replace(
        report,
        withdrawn_files=made.withdrawn_files,
        withdrawn_named=made.withdrawn_named,
        other_content=made.other_content,
    )


def export(
    config: AnyPath,
    shards: str | Sequence[str],
    *,
    to: AnyPath | None = None,
    dry_run: bool = False,
    workers: int | WorkerOptions | None = None,
    progress: Progress = SILENT,
) -> ExportReport:
    """Write the tars of shards that were packed without one, from their sources, and compare each byte.

    shards: names. to: a folder or an address (s3://, sftp://) for the tars; None: shards.folder. dry_run: only count
    them. workers: as for pack. The report lists shards that failed, such as those with a changed source; nothing is
    left of them. Raises InputError for a shard that is not packed, or has withdrawn records.
    """
    to, workers = as_text(to), as_workers(workers)
    if to is not None:
        parse_location(to, "--to")
    options, project = load_project.load_project(as_path(config), tars=to)
    with lock_project(project.state, "export"):
        every = tasks_of(options, project, read_plan(project))
        wanted = exporting.select_tasks(every, as_texts(shards))
        hand_out = shareable_files_of(project, now())
        for task in wanted:
            withheld = hand_out.withheld(task.shard.name)
            if withheld is not None and withheld.cause == "withdrawn":  # other withheld shards may be written
                raise InputError(withheld.name, f"is not written: {withheld.reason}", withheld.fix)
        with open_worker_pool(workers, progress) as pool:
            return exporting.export(
                wanted, worker_plan_of(workers.workers), dry_run=dry_run, cluster=pool, progress=progress
            )


def worker_plan_of(processes: int | None) -> WorkerPlan:
    """Return how to pack with this many processes; None: as many as help. Raises InputError for 0 and less."""
    return WorkerPlan(worker_count(processes), auto=processes is None)


def tasks_of(
    options: Config,
    project: Project,
    made: Plan,
    phases: Sequence[str] | None = None,
    *,
    virtual: bool = False,
) -> list[ShardTask]:
    """Return tasks for the shards of a plan, or of some of its phases; each knows what is published."""
    return packing.make_tasks(project, options, made, state_files.published_shards(project), phases, virtual=virtual)
