"""Reports of the mirror commands, which the CLI prints and `--json` writes.

Sizes are bytes, durations seconds. Names are escaped for display. Fields may be added but are never removed.
"""

from typing import Literal, TypeAlias

from packager.core.reports.evidence import Evidence
from packager.core.reports.issues import Issue
from packager.core.reports.reports import TrackerAnswer
from packager.model import CountSource, FrozenStruct, Strategy

Health: TypeAlias = Literal["healthy", "damaged", "incomplete", "old"]
OnDisk: TypeAlias = Literal["complete", "unchecked", "partial", "missing", "blocked"]
FetchState: TypeAlias = Literal["waiting", "checking", "downloading", "seeding", "failed"]


class PlannedDownload(FrozenStruct, frozen=True, kw_only=True):
    """A chosen shard, and why."""

    name: str
    phase: str
    size: int  # of its tar
    seeders: int | None  # null: unknown
    on_disk: OnDisk
    reason: str


class Removable(FrozenStruct, frozen=True, kw_only=True):
    """A tar in the mirror's folder that is not chosen."""

    name: str
    size: int  # on the disk
    reason: str
    ended: bool  # it should be deleted: the publisher replaced it, or it must not be handed out
    prune: bool  # `mirror prune` deletes it: it should be deleted, and this mirror fetched it


class SeedCountSource(FrozenStruct, frozen=True, kw_only=True):
    """The source of a plan's seed counts. counted_at: RFC 3339; None if unknown."""

    source: CountSource
    counted_at: str | None
    known: int  # shards with a count
    total: int
    trackers: tuple[TrackerAnswer, ...]  # that were asked in this run


class WithdrawnLocally(FrozenStruct, frozen=True, kw_only=True):
    """A withdrawn record. local_tars: tars in the mirror's folder that contain a file of it."""

    id: str
    reason: str
    date: str
    local_tars: tuple[str, ...]


class ChangedSetting(FrozenStruct, frozen=True, kw_only=True):
    """A setting of a mirror that changed since the last run, as text."""

    name: str
    before: str
    now: str


class MirrorPlan(FrozenStruct, frozen=True, kw_only=True):
    """The plan of a mirror for the newest release, before anything changes."""

    collection: str
    serial: int
    previous: int | None  # the release that was followed before
    date: str
    key: str | None  # line of the pinned minisign key; None: the release is followed unsigned
    evidence: Evidence  # how far the release can be trusted
    strategy: Strategy
    budget: int
    chosen: tuple[PlannedDownload, ...]
    size: int  # of the chosen
    documents: int  # bytes of their torrents, manifests and tables, which count in the budget too
    download_size: int  # bytes of the chosen that are not here yet
    free_space: int  # on the disk now
    reserve: int  # bytes of the disk to leave free
    left_out: tuple[Issue, ...]  # shards that were not chosen, and why
    removable: tuple[Removable, ...]
    obsolete: tuple[str, ...]  # shards that became obsolete since the last accepted release
    withdrawn: tuple[WithdrawnLocally, ...]  # records withdrawn since then
    counted_by: SeedCountSource
    changed: tuple[ChangedSetting, ...]  # settings that differ from the saved ones


class FetchedShard(FrozenStruct, frozen=True, kw_only=True):
    """The state of one shard at the end of the run."""

    name: str
    state: FetchState
    progress: float  # share of its bytes that are here and right, 0 to 1
    uploaded: int
    error: str  # why it failed


class FetchReport(FrozenStruct, frozen=True, kw_only=True):
    """What the built-in client did."""

    seconds: float
    port: int  # for peers
    downloaded: int
    uploaded: int
    peers: int  # maximum at once
    complete: int  # shards that are complete and verified
    shards: tuple[FetchedShard, ...]


class MirrorReport(FrozenStruct, frozen=True, kw_only=True):
    """What `mirror follow`, `mirror sync` and `mirror run` did."""

    plan: MirrorPlan
    applied: bool  # False: a dry run, or the plan was declined; nothing was written
    warnings: tuple[str, ...]
    client: str
    stopped: tuple[str, ...]  # withheld shards that were stopped in the client
    added: tuple[str, ...]  # shards added to the client in this run
    refused: tuple[Issue, ...]  # shards that the client refused, and why
    fetched: FetchReport | None  # of the built-in client
    complete: bool  # every chosen shard is here and verified, or in the client


class MirrorShard(FrozenStruct, frozen=True, kw_only=True):
    """A shard that is chosen or here. None: the client cannot be asked, or it was never verified."""

    name: str
    size: int
    chosen: bool
    on_disk: OnDisk
    obsolete: bool
    withheld: str | None  # why it must not be handed out
    verified: str | None  # when every byte was last found right
    progress: float | None
    seeding: bool | None
    ratio: float | None
    peers: int | None
    bad: int  # faults that the last full check found


class MirrorStatus(FrozenStruct, frozen=True, kw_only=True):
    """The status of a mirror."""

    release: str
    collection: str
    serial: int
    date: str
    key: str | None
    evidence: Evidence  # how far the release can be trusted
    budget: int
    client: str
    reachable: bool  # the client answered; if not, its values are null
    shards: tuple[MirrorShard, ...]
    complete_size: int  # bytes of complete tars
    removable: tuple[Removable, ...]
    warnings: tuple[str, ...]
    health: Health  # damaged before incomplete before old: its release is older than warn_age
