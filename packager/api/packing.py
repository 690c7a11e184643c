"""How shards are packed: apart from the archivist's other steps, since it is what must start quickly."""

from collections.abc import Sequence

import msgspec

from packager.api.arguments import AnyPath, as_path, as_text, as_texts
from packager.api.preflight import check_plan, check_project, check_space
from packager.api.workers import PATIENCE, crew_of, now, processes_of
from packager.core.reports.reports import MaterialiseReport, PackReport
from packager.engine.project import last_release, load_project
from packager.engine.project.owner_id import lock_project
from packager.engine.project.plan_file import read_plan
from packager.engine.project.project import Workspace
from packager.engine.published.shareable_files import of_project
from packager.engine.stores import place_of
from packager.errors import InputError
from packager.model import Plan
from packager.options import Config
from packager.pack import materialise as materialising
from packager.pack import pack as packing
from packager.pack.shard.pack_shard import ShardTask
from packager.pack.worker_plan import Cores
from packager.progress import SILENT, Progress


def pack(
    config: AnyPath,
    *,
    phases: str | Sequence[str] | None = None,
    virtual: bool = False,
    processes: int | None = None,
    cluster: str | None = None,
    patience: float = PATIENCE,
    progress: Progress = SILENT,
) -> PackReport:
    """Write every planned shard that is not whole yet, with its torrents, manifest and members table.

    phases: only these. virtual: read and hash all the same, and write no tar; tars that are there stay.
    processes: shards packed at once; None: one a core. cluster: a Dask scheduler's "tcp://HOST:PORT" or
    "tls://HOST:PORT", its file, or "local:N"; then its workers pack, and see the source and the shards' folder under
    the same paths. patience: seconds that one of them may tell nothing before its shard is given to another. What
    failed stands in the report; the other shards are whole.
    """
    options, workspace = load_project.load(as_path(config))
    with lock_project(workspace.state, "pack"):
        check_project(options, workspace, None, progress=progress)
        made = read_plan(workspace)
        check_plan(options, workspace, made)
        every = tasks_of(options, workspace, made, as_texts(phases), virtual=virtual)
        check_space(workspace, every)
        with crew_of(cluster, patience, progress) as crew:
            report = packing.pack(every, cores_of(processes), cluster=crew, progress=progress)
    return msgspec.structs.replace(
        report,
        withdrawn_files=made.withdrawn_files,
        withdrawn_named=made.withdrawn_named,
        other_content=made.other_content,
    )


def materialise(
    config: AnyPath,
    shards: str | Sequence[str],
    *,
    to: AnyPath | None = None,
    processes: int | None = None,
    cluster: str | None = None,
    patience: float = PATIENCE,
    progress: Progress = SILENT,
) -> MaterialiseReport:
    """Write the tars of shards that were packed without, from their sources, each byte compared as it is written.

    shards: names. to: a folder or an address (s3://, sftp://) that the tars are written to; None: shards.directory.
    processes: shards written at once; None: one a core. cluster and patience: as for pack. What
    failed (a source changed) stands in the report, and nothing of it is left. Raises InputError for a shard that is
    not packed, or has withdrawn records.
    """
    to = as_text(to)
    if to is not None:
        place_of(to, "--to")
    options, workspace = load_project.load(as_path(config), tars=to)
    with lock_project(workspace.state, "materialise"):
        every = tasks_of(options, workspace, read_plan(workspace))
        wanted = materialising.chosen(every, as_texts(shards))
        hand_out = of_project(workspace, now())
        for task in wanted:
            withheld = hand_out.withheld(task.shard.name)
            if withheld is not None and withheld.cause == "withdrawn":  # others are not handed out, and may be written
                raise InputError(withheld.name, f"is not written: {withheld.reason}", withheld.fix)
        with crew_of(cluster, patience, progress) as crew:
            return materialising.materialise(wanted, cores_of(processes), cluster=crew, progress=progress)


def cores_of(processes: int | None) -> Cores:
    """Return the cores to pack with, None: all of them where that gains something. Raises InputError for no core."""
    return Cores(processes_of(processes), auto=processes is None)


def tasks_of(
    options: Config,
    workspace: Workspace,
    made: Plan,
    phases: Sequence[str] | None = None,
    *,
    virtual: bool = False,
) -> list[ShardTask]:
    """Return the shards of a plan, or of some of its phases, as tasks that know what is published."""
    return packing.tasks(workspace, options, made, last_release.published_shards(workspace), phases, virtual=virtual)
