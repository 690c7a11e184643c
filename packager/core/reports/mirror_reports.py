"""What following a release planned, did and holds, as frozen facts: the screen prints them, `--json` writes them.

Sizes are bytes, durations seconds. Names are fit to be shown. Fields are only ever added.
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
    """A shard that is to be held, and why."""

    name: str
    phase: str
    size: int  # of its tar
    seeders: int | None  # null: unknown
    on_disk: OnDisk
    reason: str


class Removable(FrozenStruct, frozen=True, kw_only=True):
    """A tar in the mirror's folder that is not among the chosen."""

    name: str
    size: int  # on the disk
    reason: str
    ended: bool  # it should be deleted: the publisher replaced it, or it must not be handed out
    prune: bool  # `mirror prune` deletes it: it should be, and this mirror fetched it


class SeedCountSource(FrozenStruct, frozen=True, kw_only=True):
    """Where the seed counts of a plan come from. at: when they were counted; None where that is not known."""

    source: CountSource
    counted_at: str | None
    known: int  # shards of which they tell
    total: int
    trackers: tuple[TrackerAnswer, ...]  # that were asked now


class WithdrawnLocally(FrozenStruct, frozen=True, kw_only=True):
    """A record that the publisher took back. here: tars in the mirror's folder that hold a file of it."""

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
    """What a mirror is to hold of the newest release, before anything is done."""

    collection: str
    serial: int
    previous: int | None  # the release that was followed before
    date: str
    key: str | None  # line of the pinned minisign key; None: the release is followed unsigned
    evidence: Evidence  # what vouches for the release
    strategy: Strategy
    budget: int
    chosen: tuple[PlannedDownload, ...]
    size: int  # of the chosen
    documents: int  # bytes of their torrents, manifests and tables, which count in the budget, too
    download_size: int  # bytes of the chosen that are not here yet
    free_space: int  # on the disk now
    reserve: int  # of them, to be left alone
    left_out: tuple[Issue, ...]  # chosen and not taken, and why
    removable: tuple[Removable, ...]
    obsolete: tuple[str, ...]  # shards that are obsolete since the release that was held
    withdrawn: tuple[WithdrawnLocally, ...]  # records taken back since then
    counted_by: SeedCountSource
    changed: tuple[ChangedSetting, ...]  # settings that are others than those that were kept


class FetchedShard(FrozenStruct, frozen=True, kw_only=True):
    """How one shard stood when the fetching ended."""

    name: str
    state: FetchState
    progress: float  # of its bytes that are right and here, 0 to 1
    uploaded: int
    error: str  # why it failed


class FetchReport(FrozenStruct, frozen=True, kw_only=True):
    """What the built-in client did."""

    seconds: float
    port: int  # that peers reached us at
    downloaded: int
    uploaded: int
    peers: int  # the most at once
    complete: int  # shards that are whole and checked
    shards: tuple[FetchedShard, ...]


class MirrorReport(FrozenStruct, frozen=True, kw_only=True):
    """What `mirror follow`, `mirror sync` and `mirror run` did."""

    plan: MirrorPlan
    applied: bool  # False: a dry run, or the plan was declined; nothing was written
    warnings: tuple[str, ...]
    client: str
    stopped: tuple[str, ...]  # withheld shards that the client had and was told to stop sharing
    added: tuple[str, ...]  # shards that the client was given now
    refused: tuple[Issue, ...]  # shards that it would not take, and why
    fetched: FetchReport | None  # of the built-in client
    complete: bool  # every chosen shard is here and right, or in the client's hands


class MirrorShard(FrozenStruct, frozen=True, kw_only=True):
    """One shard that is chosen or lies here. None: nobody can be asked, or it was never done."""

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
    """What a mirror holds."""

    release: str
    collection: str
    serial: int
    date: str
    key: str | None
    evidence: Evidence  # what vouches for the release
    budget: int
    client: str
    reachable: bool  # the client was asked; else what it knows is null
    shards: tuple[MirrorShard, ...]
    complete_size: int  # bytes of whole tars
    removable: tuple[Removable, ...]
    warnings: tuple[str, ...]
    health: Health  # damaged before incomplete before old: its release is older than warn_age
