"""The commands of an archivist, from a folder to a published release."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from packager import units
from packager.api.arguments import AnyPath, as_path, as_text, as_texts
from packager.api.packing import tasks_of, worker_plan_of
from packager.api.preflight import Password, check_opening, check_plan, check_project, check_space, check_unread
from packager.api.uploading import open_destination
from packager.api.workers import WorkerOptions, as_workers, now, open_worker_pool
from packager.catalogue import scan as catalogue_scan
from packager.catalogue.warning_log import read_unread, read_warnings
from packager.core.http.allowed_hosts import AllowedHosts, allowed_hosts
from packager.core.releases import documents
from packager.core.releases.minisign_key import PublicKey
from packager.core.releases.release_changes import phase_dates
from packager.core.reports.reports import (
    PackReport,
    PlanReport,
    PublishReport,
    ReleaseReport,
    ScanReport,
    StatusPhase,
    StatusReport,
)
from packager.core.reports.warning_kinds import KINDS, WarningsReport
from packager.engine.files import atomic_files
from packager.engine.processes import worker_pool
from packager.engine.project import key_files, load_project, state_files
from packager.engine.project.owner_id import lock_project
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_plan, read_withdrawals
from packager.engine.tables import parquet
from packager.errors import IncompleteError, InputError
from packager.model import PhaseState, Plan, ShardName
from packager.options import Config
from packager.pack import pack
from packager.pack.plan import make_plan
from packager.pack.prune.prune import to_delete
from packager.progress import SILENT, Progress
from packager.publish import publish as publishing
from packager.publish.publish import PublishOptions


def no_password() -> str:
    """Raise InputError: the key has a password, and none is available."""
    raise InputError("release.secret_key", "the key has a password and none was given", "set PACKAGER_KEY_PASSWORD")


def keygen(secret: AnyPath, public: AnyPath, *, password: str | None) -> PublicKey:
    """Write the two files of a new minisign key pair and return the public key.

    password: None for a secret key without a password. Raises InputError if one of the files exists.
    """
    return key_files.write_key_pair(
        as_path(secret), as_path(public), password=password, random=secrets.token_bytes(key_files.RANDOM)
    )


def scan(config: AnyPath, *, workers: int | None = None, progress: Progress = SILENT) -> ScanReport:
    """Make the catalogue from the source folder and the records file.

    workers: processes that read tags; None: one per core. Files that could not be read are in the report, and keep
    their old rows. Raises InputError if the config or a record is wrong, IncompleteError if nothing could be read.
    """
    _, project = load_project.load_project(as_path(config))
    with atomic_files.lock_state_folder(project.state, "scan"):
        return catalogue_scan.scan(project, workers=workers or worker_pool.available_cores(), progress=progress)


def warnings(config: AnyPath, *, kind: str | None = None) -> WarningsReport:
    """Return the warnings of the last scan, or those of one kind. Raises InputError for an unknown kind."""
    if kind is not None and kind not in KINDS:
        raise InputError("--kind", f'"{kind}" is not a kind of warning', f"the kinds are: {', '.join(KINDS)}")
    _, project = load_project.load_project(as_path(config), inputs=False)
    return read_warnings(project.state, kind)


def plan(config: AnyPath, *, progress: Progress = SILENT) -> PlanReport:
    """Cut the catalogue into phases and shards. Only the catalogue is read.

    Raises InputError if the SQL of a phase is wrong or no phase selects a file.
    """
    options, project = load_project.load_project(as_path(config))
    with lock_project(project.state, "plan"):
        report = _with_published(project, make_plan.make_plan(project, options, now=now(), progress=progress))
        return msgspec.structs.replace(report, unread_count=read_unread(project.state)[0])


def _with_published(project: Project, report: PlanReport) -> PlanReport:
    """Return the report of a plan with how many of its shards the last release lists."""
    last = state_files.read_last_release(project)
    listed = {shard.name for shard in last.shards} if last else set()
    counts = {phase.name: sum(shard.name in listed for shard in phase.shards) for phase in report.plan.phases}
    return msgspec.structs.replace(report, published=counts)


def publish(
    config: AnyPath,
    options: PublishOptions | None = None,
    *,
    password: Password = no_password,
    progress: Progress = SILENT,
) -> PublishReport:
    """Write the release and its site. All of its shards must be packed.

    options.phases: None publishes all phases. With options.count_seeds, trackers are asked for seed counts; those at
    private addresses only if options.allow_hosts names them. password: called once, first, if release.secret_key has
    one. Raises IncompleteError if a shard is not packed, a file cannot be read or the store fails temporarily;
    InputError if a published shard would change or another release is at options.to.
    """
    options = options or PublishOptions()
    settings, project = load_project.load_project(as_path(config))
    asked = _asked(settings, options.allow_hosts, count_seeds=options.count_seeds)
    target = open_destination(as_text(options.to), project, with_shards=options.with_shards)
    with lock_project(project.state, "publish"):
        signer = check_project(settings, project, password, progress=progress)
        if target is not None:
            target.check()
        unread = check_unread(project, allow_unread=options.allow_unread)
        made = read_plan(project)
        check_plan(settings, project, made)
        report = _publish(
            settings,
            project,
            made,
            phases=options.phases,
            unread=unread,
            scrape=asked,
            signer=signer,
            dry_run=options.dry_run,
            progress=progress,
        )
        if target is None or options.dry_run:
            return report
        sent = target.upload(grace=options.delete_after, now=float(units.timestamp(now())), progress=progress)
        return msgspec.structs.replace(report, upload=sent)


def release(
    config: AnyPath,
    *,
    no_tars: bool = False,
    workers: int | WorkerOptions | None = None,
    count_seeds: bool = False,
    allow_hosts: str | Sequence[str] = (),
    allow_unread: bool = False,
    dry_run: bool = False,
    password: Password = no_password,
    ended: Callable[[ScanReport | PlanReport | PackReport], object] = lambda _: None,
    progress: Progress = SILENT,
) -> ReleaseReport:
    """Scan, plan, pack and publish. Steps that are complete are not repeated.

    no_tars, workers, count_seeds, allow_hosts, allow_unread and password: as for pack and publish; a cluster only
    packs. dry_run: stop after the plan. ended: called with the report of each step except the last, when the step ends.
    Raises IncompleteError if something could not be read, before anything is planned; or if shards could not be packed,
    and then nothing new is published.
    """
    options, project = load_project.load_project(as_path(config))
    workers = as_workers(workers)
    cores, asked = worker_plan_of(workers.workers), _asked(options, as_texts(allow_hosts), count_seeds=count_seeds)
    with lock_project(project.state, "release"):
        signer = check_project(options, project, password, progress=progress)
        scanned = catalogue_scan.scan(project, workers=cores.count, progress=progress)
        ended(scanned)
        unread = check_unread(project, allow_unread=allow_unread)
        planned = make_plan.make_plan(project, options, now=now(), virtual=no_tars, progress=progress)
        planned = _with_published(project, planned)
        ended(planned)
        every = tasks_of(options, project, planned.plan, virtual=no_tars)
        check_plan(options, project, planned.plan)
        check_opening(options, project, planned.plan)
        check_space(project, every)
        if dry_run:
            packed = pack.pack(every, cores, dry_run=True)
            return ReleaseReport(scan=scanned, plan=planned, pack=packed, publish=None)
        with open_worker_pool(workers, progress) as pool:
            packed = pack.pack(
                every, cores, cluster=pool, progress=progress, measured=partial(state_files.note_last_pack, project)
            )
        ended(packed)
        if packed.failed:
            first, others = packed.failed[0], len(packed.failed) - 1
            more = f" (and {units.count_of(others, 'more shard')})" if others else ""
            raise IncompleteError(first.where, first.what + more)
        published = _publish(
            options,
            project,
            planned.plan,
            phases=None,
            unread=unread,
            scrape=asked,
            signer=signer,
            progress=progress,
        )
    return ReleaseReport(scan=scanned, plan=planned, pack=packed, publish=published)


def status(config: AnyPath) -> StatusReport:
    """Return what is complete, what is next and how long it may take. Reads only; takes no lock."""
    options, project = load_project.load_project(as_path(config))
    if not project.plan.exists():
        return _unplanned(project)
    made = read_plan(project)
    last = state_files.read_last_release(project)
    listed = {shard.name: shard for shard in last.shards} if last else {}
    deletable = to_delete(project, last, now())
    gone = [name for name, shard in listed.items() if shard.obsolete] + [each.name for each in made.superseded]
    gone += [ShardName(Path(each.path).name.removesuffix(".tar")) for each in deletable]
    progress = pack.progress_of(project, made, tasks_of(options, project, made), gone)
    states: dict[str, PhaseState] = {phase.name: phase.state for phase in last.phases} if last else {}
    dates = phase_dates(listed.values())
    embargoes = {phase.name: phase.embargo for phase in options.phases}
    phases = tuple(
        StatusPhase(
            name=phase.name,
            title=phase.title,
            state=states.get(phase.name, "planned"),
            shards=len(phase.shards),
            packed=progress.packed[phase.name],
            without_tars=progress.without_tars[phase.name],
            published=sum(shard.name in listed for shard in phase.shards),
            first_published=dates.get(phase.name, (None, None))[0],
            last_published=dates.get(phase.name, (None, None))[1],
            embargo=embargoes.get(phase.name),
            size=sum(shard.size for shard in phase.shards),
            remaining_bytes=progress.left[phase.name],
        )
        for phase in made.phases
    )
    left = sum(phase.remaining_bytes for phase in phases)
    unread_count, unread = read_unread(project.state)
    filled = [phase for phase in phases if phase.shards and (phase.embargo is None or phase.embargo <= now())]
    unpublished = any(phase.state != "published" or phase.published < phase.shards for phase in filled)
    following = "packager pack" if left else "packager publish" if unpublished else ""
    if unread_count or made.withdrawals != documents.digest(documents.to_bytes(read_withdrawals(project))):
        following = "packager release"  # the plan is out of date, too, if a withdrawal was noted or lifted since
    return StatusReport(
        scanned=True,
        records=parquet.count_rows(project.catalogue),
        planned=True,
        phases=phases,
        remaining_bytes=left,
        remaining_seconds=_seconds_left(project, left),
        serial=last.serial if last else None,
        date=last.date if last else None,
        signed_by=state_files.signer_of(project, last.serial) if last else None,
        site=str(project.site),
        next=following,
        unknown_tars=progress.unknown_tars,
        to_delete=deletable,
        unread_count=unread_count,
        unread=unread,
    )


def _seconds_left(project: Project, size: int) -> float | None:
    """Return how many seconds these bytes take at the rate of the last run; None if the rate is unknown."""
    rate = state_files.last_pack_rate(project)
    return size / rate if rate else None


def _unplanned(project: Project) -> StatusReport:
    """Return the status of a project that has no plan yet."""
    scanned = project.catalogue.exists()
    unread_count, unread = read_unread(project.state)
    return StatusReport(
        scanned=scanned,
        records=parquet.count_rows(project.catalogue) if scanned else 0,
        planned=False,
        phases=(),
        remaining_bytes=0,
        remaining_seconds=None,
        serial=None,
        date=None,
        signed_by=None,
        site=str(project.site),
        next="packager release" if unread_count else "packager plan" if scanned else "packager scan",
        unknown_tars=(),
        to_delete=(),
        unread_count=unread_count,
        unread=unread,
    )


def _asked(options: Config, allow_hosts: Sequence[str], *, count_seeds: bool) -> AllowedHosts | None:
    """Return the hosts where trackers may be asked, including those of packager.toml; None: ask no tracker."""
    allowed = allowed_hosts(allow_hosts)
    trackers = [tracker for tier in options.torrents.trackers for tracker in tier]
    return allowed.with_addresses(trackers) if count_seeds else None


def _publish(
    options: Config,
    project: Project,
    made: Plan,
    *,
    phases: Sequence[str] | None,
    unread: int,
    scrape: AllowedHosts | None,
    signer: key_files.Signer | None,
    dry_run: bool = False,
    progress: Progress,
) -> PublishReport:
    """Publish phases. Raises IncompleteError if one of their shards is not packed."""
    opening = check_opening(options, project, made, phases)
    missing = pack.incomplete_shards(tasks_of(options, project, made, sorted(opening.phases)))
    if missing:
        more = f" (and {units.count_of(len(missing) - 1, 'more shard')})" if len(missing) > 1 else ""
        raise IncompleteError(missing[0], f"is not packed{more}", "run: packager pack")
    return publishing.publish(
        project,
        options,
        made,
        phases=opening.phases,
        closed=opening.closed,
        now=now(),
        unread=unread,
        signer=signer,
        scrape=scrape,
        dry_run=dry_run,
        progress=progress,
    )
