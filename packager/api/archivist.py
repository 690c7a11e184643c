"""What archivists do: from a folder to a published release, a command a function."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from packager import units
from packager.api.machine import PATIENCE, crew_of, now, processes_of
from packager.catalogue import scan as catalogue_scan
from packager.changes import phase_dates
from packager.engine import durable, keys, project, releases, tables, workers
from packager.engine.workspace import Workspace
from packager.errors import IncompleteError, InputError
from packager.key_pair import PublicKey
from packager.model import Plan, State
from packager.options import Config
from packager.pack import materialise as materialising
from packager.pack import prepare, run
from packager.pack.shard import ShardTask
from packager.progress import SILENT, Progress
from packager.publish import publish as publishing
from packager.releasing import closed_phases
from packager.reports import (
    MaterialiseReport,
    PackReport,
    PlanReport,
    PublishReport,
    ReleaseReport,
    ScanReport,
    StatusPhase,
    StatusReport,
)

Password: TypeAlias = Callable[[], str]


def no_password() -> str:
    """Say that no password can be asked for here."""
    raise InputError("release.key", "the key has a password and none was given", "set PACKAGER_KEY_PASSWORD")


def keygen(secret: Path, public: Path, *, password: str | None) -> PublicKey:
    """Make a minisign key pair's two files and return the public key.

    password: None for a secret key that none covers. Raises InputError where either file is there.
    """
    return keys.write_key_pair(secret, public, password=password, random=secrets.token_bytes(keys.RANDOM))


def init(folder: Path, *, config: Path = Path("packager.toml"), force: bool = False) -> Path:
    """Write a commented packager.toml for the collection in `folder` and return its path.

    Raises InputError where `folder` is none, or the config is there already and `force` is not set.
    """
    return project.init(folder, config, force=force)


def scan(config: Path, *, processes: int | None = None, progress: Progress = SILENT) -> ScanReport:
    """Make the catalogue from the source folder and the records file.

    processes: that read tags; None: one a core. Raises InputError for a wrong config or record.
    """
    _, workspace = project.load(config)
    with durable.lock(workspace.state):
        return catalogue_scan.scan(workspace, workers=processes or workers.usable_cores(), progress=progress)


def plan(config: Path, *, progress: Progress = SILENT) -> PlanReport:
    """Cut the catalogue into phases and shards; nothing is read but the catalogue.

    Raises InputError where a phase's SQL is wrong or no phase takes any file.
    """
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        return prepare.prepare(workspace, options, now=now(), progress=progress)


def pack(
    config: Path,
    *,
    phases: Sequence[str] | None = None,
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
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        every = _tasks(options, workspace, prepare.read_plan(workspace), phases, virtual=virtual)
        with crew_of(cluster, patience, progress) as crew:
            return run.pack(every, workers=processes_of(processes), cluster=crew, progress=progress)


def materialise(
    config: Path,
    shards: Sequence[str],
    *,
    processes: int | None = None,
    cluster: str | None = None,
    patience: float = PATIENCE,
    progress: Progress = SILENT,
) -> MaterialiseReport:
    """Write the tars of shards that were packed without, from their sources, each byte compared as it is written.

    shards: names. processes: shards written at once; None: one a core. cluster and patience: as for pack. What
    failed (a source changed) stands in the report, and nothing of it is left. Raises InputError for a shard that is not packed.
    """
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        every = _tasks(options, workspace, prepare.read_plan(workspace))
        wanted = materialising.chosen(every, shards)
        with crew_of(cluster, patience, progress) as crew:
            return materialising.materialise(wanted, workers=processes_of(processes), cluster=crew, progress=progress)


def publish(
    config: Path,
    *,
    phases: Sequence[str] | None = None,
    scrape: bool = False,
    password: Password = no_password,
    progress: Progress = SILENT,
) -> PublishReport:
    """Put the release and its site in place; the shards it names must be packed.

    phases: these, beside those published already; None: all. scrape: ask the trackers for seed counts; what
    is not told now stays as it was. password: called once where release.key has one. Raises IncompleteError
    where a shard is not packed, InputError where a published shard would change.
    """
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        made = prepare.read_plan(workspace)
        return _publish(options, workspace, made, phases=phases, scrape=scrape, password=password, progress=progress)


def release(
    config: Path,
    *,
    virtual: bool = False,
    processes: int | None = None,
    scrape: bool = False,
    password: Password = no_password,
    progress: Progress = SILENT,
) -> ReleaseReport:
    """Scan, plan, pack and publish; what is done is not done again.

    virtual, processes, scrape and password: as for pack and publish.
    Raises IncompleteError naming the shards that could not be packed; then nothing new is published.
    """
    options, workspace = project.load(config)
    count = processes_of(processes)
    with durable.lock(workspace.state):
        scanned = catalogue_scan.scan(workspace, workers=count, progress=progress)
        planned = prepare.prepare(workspace, options, now=now(), progress=progress)
        every = _tasks(options, workspace, planned.plan, virtual=virtual)
        packed = run.pack(every, workers=count, progress=progress)
        if packed.failed:
            first, others = packed.failed[0], len(packed.failed) - 1
            more = f" (and {units.count_of(others, 'more shard')})" if others else ""
            raise IncompleteError(first.where, first.what + more)
        published = _publish(
            options, workspace, planned.plan, phases=None, scrape=scrape, password=password, progress=progress
        )
    return ReleaseReport(scan=scanned, plan=planned, pack=packed, publish=published)


def status(config: Path) -> StatusReport:
    """Say what is done, what is next and how long it may take. Reads only; takes no lock."""
    options, workspace = project.load(config)
    if not workspace.plan.exists():
        return _unplanned(workspace)
    made = prepare.read_plan(workspace)
    last = releases.last_release(workspace)
    listed = {shard.name: shard for shard in last[0].shards} if last else {}
    gone = [name for name, shard in listed.items() if shard.obsolete] + [each.name for each in made.superseded]
    progress = run.progress_of(workspace, made, _tasks(options, workspace, made), gone)
    states: dict[str, State] = {phase.name: phase.state for phase in last[0].phases} if last else {}
    dates = phase_dates(listed.values())
    embargoes = {phase.name: phase.embargo for phase in options.phases}
    phases = tuple(
        StatusPhase(
            name=phase.name,
            title=phase.title,
            state=states.get(phase.name, "planned"),
            shards=len(phase.shards),
            packed=progress.packed[phase.name],
            virtual=progress.virtual[phase.name],
            published=sum(shard.name in listed for shard in phase.shards),
            opened=dates.get(phase.name, (None, None))[0],
            grown=dates.get(phase.name, (None, None))[1],
            embargo=embargoes.get(phase.name),
            size=sum(shard.size for shard in phase.shards),
            left=progress.left[phase.name],
        )
        for phase in made.phases
    )
    left = sum(phase.left for phase in phases)
    unpublished = any(phase.state != "published" or phase.published < phase.shards for phase in phases)
    return StatusReport(
        scanned=True,
        records=tables.count_rows(workspace.catalogue),
        planned=True,
        phases=phases,
        left=left,
        seconds_left=left / progress.rate / workers.usable_cores() if progress.rate else None,
        serial=last[0].serial if last else None,
        next="packager pack" if left else "packager publish" if unpublished else "",
        strangers=progress.strangers,
    )


def _tasks(
    options: Config,
    workspace: Workspace,
    made: Plan,
    phases: Sequence[str] | None = None,
    *,
    virtual: bool = False,
) -> list[ShardTask]:
    """Return the shards of a plan, or of some of its phases, as tasks that know what is published."""
    return run.tasks(workspace, options, made, releases.published_shards(workspace), phases, virtual=virtual)


def _unplanned(workspace: Workspace) -> StatusReport:
    """Return the status of a project that has no plan yet."""
    scanned = workspace.catalogue.exists()
    return StatusReport(
        scanned=scanned,
        records=tables.count_rows(workspace.catalogue) if scanned else 0,
        planned=False,
        phases=(),
        left=0,
        seconds_left=None,
        serial=None,
        next="packager plan" if scanned else "packager scan",
        strangers=(),
    )


def _publish(
    options: Config,
    workspace: Workspace,
    made: Plan,
    *,
    phases: Sequence[str] | None,
    scrape: bool,
    password: Password,
    progress: Progress,
) -> PublishReport:
    """Publish phases whose every shard is whole."""
    every = {phase.name for phase in made.phases}
    open_now = releases.published_phases(workspace) & every
    closed = closed_phases(options, published=open_now, asked=phases or (), now=now())
    wanted = every - set(closed) if phases is None else {*phases, *open_now}
    missing = run.missing(_tasks(options, workspace, made, sorted(wanted)))
    if missing:
        more = f" (and {units.count_of(len(missing) - 1, 'more shard')})" if len(missing) > 1 else ""
        raise IncompleteError(missing[0], f"is not packed{more}", "run: packager pack")
    return publishing.publish(
        workspace,
        options,
        made,
        phases=wanted,
        closed=closed,
        now=now(),
        signer=keys.Signer(workspace.key, password, progress=progress) if workspace.key else None,
        scrape=scrape,
        progress=progress,
    )
