"""The door for scripts: one typed function a command. It composes the rooms and reads the clock.

Each takes the path of packager.toml, holds the state folder's lock while it works, can be killed at any
instant and run again, and raises only PackagerError for what its user can mend.

    from pathlib import Path
    from packager import api

    report = api.release(Path("packager.toml"))
    print(report.publish.index)

Longer than any other file here: it is one short function a command, and nothing but those.
"""

import datetime as dt
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeAlias

from packager import units
from packager.catalogue import scan as catalogue_scan
from packager.check import extract as extracting
from packager.check import inspect as inspecting
from packager.check import rebuild as rebuilding
from packager.check import repair as repairing
from packager.check import verify as verifying
from packager.check.expected import Against, subjects
from packager.check.named_faults import named_pieces
from packager.check.run import Limits
from packager.check.target import open_target
from packager.check_reports import ExtractReport, RebuildReport, RepairReport, VerifyReport
from packager.choose import Strategy
from packager.engine import durable, keys, project, tables, workers
from packager.engine.file_index import default_index
from packager.engine.published import open_published
from packager.engine.remote import Remote, in_turn
from packager.engine.shared_file import open_shared
from packager.engine.swarm import Reach
from packager.engine.workspace import Workspace
from packager.errors import IncompleteError, InputError
from packager.inspection import Inspection
from packager.key_pair import PublicKey
from packager.mirror import run as mirroring
from packager.mirror import status as mirror_states
from packager.mirror.around import Around, Ask, Clocks
from packager.mirror.fetch import How
from packager.mirror.follow import Request, Trusted
from packager.mirror.holding import free_bytes
from packager.mirror.source import normal as normal_source
from packager.mirror.state import Mirror, MirrorFolder, Settings
from packager.mirror_reports import MirrorReport, MirrorStatus
from packager.model import Plan, State
from packager.options import Config
from packager.pack import prepare, run
from packager.pack.shard import ShardTask
from packager.progress import SILENT, Progress
from packager.publish import publish as publishing
from packager.reports import (
    PackReport,
    PlanReport,
    PublishReport,
    ReleaseReport,
    ScanReport,
    SeedReport,
    StatusPhase,
    StatusReport,
)
from packager.share import seed as seeding
from packager.targets import parse_naming

Password: TypeAlias = Callable[[], str]
_UNTIL_DONE = How(Reach(), until_done=True)
AGREE_TO_PLANS = Ask(key=lambda _: False, plan=lambda _: True)  # and to no key


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
        return prepare.prepare(workspace, options, now=_now(), progress=progress)


def pack(
    config: Path,
    *,
    phases: Sequence[str] | None = None,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> PackReport:
    """Write every planned shard that is not whole yet, with its torrents, manifest and members table.

    phases: only these. processes: shards packed at once; None: one a core. What failed stands in the
    report; the other shards are whole.
    """
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        every = _tasks(options, workspace, prepare.read_plan(workspace), phases)
        return run.pack(every, workers=_processes(processes), progress=progress)


def publish(
    config: Path,
    *,
    phases: Sequence[str] | None = None,
    password: Password = no_password,
    progress: Progress = SILENT,
) -> PublishReport:
    """Put the release and its site in place; the shards it names must be packed.

    phases: these, beside those published already; None: all. password: called once where release.key
    has one. Raises IncompleteError where a shard is
    not packed, InputError where a published shard would change.
    """
    options, workspace = project.load(config)
    with durable.lock(workspace.state):
        made = prepare.read_plan(workspace)
        return _publish(options, workspace, made, phases=phases, password=password, progress=progress)


def release(
    config: Path, *, processes: int | None = None, password: Password = no_password, progress: Progress = SILENT
) -> ReleaseReport:
    """Scan, plan, pack and publish; what is done is not done again.

    processes and password: as for pack and publish.
    Raises IncompleteError naming the shards that could not be packed; then nothing new is published.
    """
    options, workspace = project.load(config)
    count = _processes(processes)
    with durable.lock(workspace.state):
        scanned = catalogue_scan.scan(workspace, workers=count, progress=progress)
        planned = prepare.prepare(workspace, options, now=_now(), progress=progress)
        packed = run.pack(_tasks(options, workspace, planned.plan), workers=count, progress=progress)
        if packed.failed:
            first, others = packed.failed[0], len(packed.failed) - 1
            more = f" (and {units.count_of(others, 'more shard')})" if others else ""
            raise IncompleteError(first.where, first.what + more)
        published = _publish(options, workspace, planned.plan, phases=None, password=password, progress=progress)
    return ReleaseReport(scan=scanned, plan=planned, pack=packed, publish=published)


def status(config: Path) -> StatusReport:
    """Say what is done, what is next and how long it may take. Reads only; takes no lock."""
    options, workspace = project.load(config)
    if not workspace.plan.exists():
        return _unplanned(workspace)
    made = prepare.read_plan(workspace)
    progress = run.progress_of(workspace, made, _tasks(options, workspace, made))
    last = publishing.last_release(workspace)
    states: dict[str, State] = {phase.name: phase.state for phase in last[0].phases} if last else {}
    phases = tuple(
        StatusPhase(
            name=phase.name,
            title=phase.title,
            state=states.get(phase.name, "planned"),
            shards=len(phase.shards),
            packed=progress.packed[phase.name],
            size=sum(shard.size for shard in phase.shards),
            left=progress.left[phase.name],
        )
        for phase in made.phases
    )
    left = sum(phase.left for phase in phases)
    unpublished = any(phase.state != "published" for phase in phases)
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


def inspect(file: str) -> Inspection:
    """Return what a file of a release, one made by others, or a magnet link is and says, with its faults.

    Raises InputError where it is of no kind that is known. Needs no packager.toml and takes no lock.
    """
    return inspecting.inspect(file)


def _tasks(options: Config, workspace: Workspace, made: Plan, phases: Sequence[str] | None = None) -> list[ShardTask]:
    """Return the shards of a plan, or of some of its phases, as tasks that know what is published."""
    return run.tasks(workspace, options, made, publishing.published_shards(workspace), phases)


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
    password: Password,
    progress: Progress,
) -> PublishReport:
    """Publish phases whose every shard is whole."""
    every = {phase.name for phase in made.phases}
    wanted = every if phases is None else {*phases, *(publishing.published_phases(workspace) & every)}
    missing = run.missing(_tasks(options, workspace, made, sorted(wanted)))
    if missing:
        more = f" (and {units.count_of(len(missing) - 1, 'more shard')})" if len(missing) > 1 else ""
        raise IncompleteError(missing[0], f"is not packed{more}", "run: packager pack")
    return publishing.publish(
        workspace,
        options,
        made,
        phases=wanted,
        now=_now(),
        signer=keys.Signer(workspace.key, password, progress=progress) if workspace.key else None,
        progress=progress,
    )


def _processes(asked: int | None) -> int:
    """Return how many processes to use. Raises InputError for none or fewer."""
    if asked is not None and asked < 1:
        raise InputError("--workers", f"{asked} is less than 1", 'write a number from 1 on, or "auto"')
    return asked or workers.usable_cores()


def _now() -> str:
    """Return this moment, RFC 3339 in UTC."""
    return units.parse_date(dt.datetime.now(dt.UTC).isoformat())


def extract(
    shard: Path,
    to: Path | None = None,
    *,
    release: Path | None = None,
    manifest: Path | None = None,
    ids: Sequence[str] = (),
    paths: Sequence[str] = (),
    where: str | None = None,
    layout: str | None = None,
    original_names: bool = False,
    play_order: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> ExtractReport:
    """Take members out of a shard's tar into the folder `to`, each checked before it gets its name.

    ids, paths (patterns) and where (SQL over the members table) choose; none: all. layout names files
    from tags, as "{artist}/{album}/{title}". What is bad or in the way stands in the report. Raises
    InputError where the tar, a document or a choice is wrong, IncompleteError where a file cannot be written.
    """
    return extracting.extract(
        shard,
        to,
        release=release,
        manifest=manifest,
        wanted=extracting.Wanted(ids, paths, where),
        naming=parse_naming(layout, original=original_names, play_order=play_order),
        overwrite=overwrite,
        dry_run=dry_run,
        progress=progress,
    )


def rebuild(
    shard: Path,
    sources: Sequence[Path],
    out: Path | None = None,
    *,
    release: Path | None = None,
    manifest: Path | None = None,
    index: Path | None = None,
    remote: Remote | None = None,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> RebuildReport:
    """Write a shard's tar again, byte for byte, from the loose files in the folders `sources`.

    shard: its name, its tar's path or its manifest's. index: the file that remembers what was hashed; None: in
    the user's cache. remote: where members that no folder has are fetched from; None: nowhere. Members that
    are nowhere stand in the report, and then nothing is written. Raises InputError, TrustError where its
    documents disagree, IncompleteError where the disk is full.
    """
    documents = rebuilding.documents_of(shard, release, manifest)
    published = open_published(documents)
    place = rebuilding.place_of(shard, published) if out is None else out
    with in_turn(open_shared(documents.torrent), remote, place.with_name(f".{place.name}.swarm")) as fetch:
        return rebuilding.rebuild(
            published,
            sources,
            place,
            index=default_index(os.environ) if index is None else index,
            workers=_processes(processes),
            fetch=fetch,
            progress=progress,
        )


def repair(
    shard: Path,
    copies: Sequence[Path] = (),
    remote: Remote | None = None,
    *,
    release: Path | None = None,
    manifest: Path | None = None,
    torrent: Path | None = None,
    report: Path | None = None,
    processes: int | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> RepairReport:
    """Mend a shard's tar where it lies; only its bad pieces are fetched, and each is checked before it is written.

    copies: other tars, or folders of loose files, asked first. remote: what is asked then; None: the web
    seeds of its torrent. torrent: the .torrent, where no other document is there. report: of `verify --json`;
    only the bad pieces that it names are looked at. processes: that check; None: one a core. What could not
    be mended stands in the report. Raises InputError where the tar, a document or an address is wrong,
    TrustError where documents disagree, IncompleteError where the disk fails.
    """
    target = open_target(shard, release=release, manifest=manifest, torrent=torrent)
    return repairing.repair(
        shard,
        target,
        copies,
        remote or Remote(),
        only=None if report is None else named_pieces(report, shard, target.pieces.count),
        workers=_processes(processes),
        dry_run=dry_run,
        progress=progress,
    )


def seed(
    paths: Sequence[Path],
    reach: Reach | None = None,
    *,
    release: Path | None = None,
    torrent: Path | None = None,
    verify: bool = False,
    processes: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
    progress: Progress = SILENT,
) -> SeedReport:
    """Share the tars at `paths` with their swarms until `stop` says so, or for `seconds`; return what was shared.

    reach: how peers are met; None: on any free port of all addresses, told to trackers alone. torrent: of
    the one tar given; None: its release's. verify: read every tar in full first, with `processes`. Raises
    InputError where nothing can be shared.
    """
    return seeding.seed(
        paths,
        reach or Reach(),
        release=release,
        torrent=torrent,
        verify=verify,
        workers=_processes(processes),
        stop=stop,
        clock=time.monotonic,
        seconds=seconds,
        progress=progress,
    )


def verify(
    paths: Sequence[Path],
    *,
    release: Path | str | None = None,
    manifest: Path | None = None,
    torrent: Path | None = None,
    sums: Path | None = None,
    quick: bool = False,
    sample: str | None = None,
    seed: int | None = None,
    state: Path | None = None,
    older_than: float | None = None,
    max_time: float | None = None,
    rate: int = 0,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> VerifyReport:
    """Compare what is at `paths` with what was published, byte for byte, and return every fault.

    paths: tars, folders of them, bags, folders of loose files. release, manifest, torrent, sums: one at most
    says how they should be; none: what is found near them. quick: presence and sizes only. sample: a part of
    it, "2%" or a number, taken by `seed` (None: by chance). state: the file that remembers what was proved;
    older_than: seconds after which that is read again, None: never. max_time: seconds. rate: bytes a second
    that are read at most, 0: no limit. Raises InputError and TrustError where nothing says how the data
    should be, or documents disagree.
    """
    against = Against(str(release) if release is not None else None, manifest, torrent, sums)
    how = verifying.parse_mode(
        quick=quick,
        sample=sample,
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        state=state,
        older_than=older_than,
    )
    limits = Limits(_processes(processes), rate, max_time)
    return verifying.verify(subjects(paths, against), how, limits, clock=time.time, progress=progress)


def mirror_follow(
    source: str,
    to: Path,
    *,
    budget: int,
    key: str | None = None,
    unsigned: bool = False,
    start: int | None = None,
    strategy: Strategy = "spread",
    phases: Sequence[str] | None = None,
    where: str | None = None,
    mirror_id: str | None = None,
    reserve: int = 50 * units.GIB,
    client: str = "builtin",
    max_age: int = 180 * 86_400,
    how: How | None = None,
    ask: Ask = AGREE_TO_PLANS,
    dry_run: bool = False,
    timeout: float = 30,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Follow the release at `source`, a URL or folder, into the folder `to`: choose shards, and fetch them.

    budget, reserve: bytes. key: the publisher's key line or file, which is pinned; None: the one beside the
    release, if `ask` agrees to it. unsigned: there is none. start: the serial of the first release that is
    checked, where only a key is known that was replaced since; None: the newest. phases, where (SQL): choose
    among these alone. mirror_id: None for the one kept here, or a new one. client: "builtin", "none", or a
    client's address. max_age, timeout: seconds. how: of the built-in client; None: fetch all, then end.
    Raises TrustError for what is refused, with nothing changed.
    """

    def settings(held: Mirror | None) -> Settings:
        if dry_run and held is None and mirror_id is None:
            progress.note("this mirror has no id yet and one was drawn for this plan; --mirror-id keeps it the same")
        return Settings(
            source=normal_source(source),
            budget=budget,
            strategy=strategy,
            mirror_id=mirror_id or (held.settings.mirror_id if held else secrets.token_hex(16)),
            phases=tuple(phases) if phases else None,
            where=where,
            reserve=reserve,
            client=client,
            max_age=max_age,
        )

    request = Request(settings, ask, Trusted(key, unsigned, start), dry_run=dry_run)
    return mirroring.run(MirrorFolder(to), request, how or _UNTIL_DONE, _around(timeout, stop, progress))


def mirror_sync(
    to: Path,
    *,
    remove_obsolete: bool = False,
    how: How | None = None,
    ask: Ask = AGREE_TO_PLANS,
    dry_run: bool = False,
    timeout: float = 30,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Bring what is followed in the folder `to` up to date, by the wishes that `mirror_follow` kept.

    remove_obsolete: remove the tars of shards that the publisher withdrew. The others as in `mirror_follow`.
    """
    folder = MirrorFolder(to)
    folder.required()
    request = Request(lambda _: folder.required().settings, ask, dry_run=dry_run, remove_obsolete=remove_obsolete)
    return mirroring.run(folder, request, how or _UNTIL_DONE, _around(timeout, stop, progress))


def mirror_status(
    to: Path,
    *,
    ask_client: bool = True,
    verify: bool = False,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> MirrorStatus:
    """Return what the mirror in the folder `to` holds; its client is asked for seeding, ratio and peers.

    verify: read every whole tar in full first, with `processes`, and keep what was proved.
    """
    folder = MirrorFolder(to)
    with durable.lock(folder.state) if verify and folder.required() else nullcontext():
        return mirror_states.status(
            folder,
            _clocks(),
            ask_client=ask_client,
            verify=verify,
            workers=_processes(processes),
            progress=progress,
        )


def mirror_magnets(to: Path) -> tuple[str, ...]:
    """Return the magnet links of the shards that the mirror in the folder `to` has chosen."""
    return mirror_states.magnets(MirrorFolder(to))


def _clocks() -> Clocks:
    """Return the clocks of this machine."""
    return Clocks(now=_now, unix=time.time, steady=time.monotonic)


def _around(timeout: float, stop: Callable[[], bool], progress: Progress) -> Around:
    """Return what a mirror's run meets on this machine."""
    return Around(_clocks(), free_bytes, timeout, stop, progress)
