"""What each command found or did, as frozen facts: the screen prints them, `--json` writes them.

Sizes are bytes, durations seconds. Fields are only ever added.
"""

from typing import Literal, TypeAlias

import msgspec

from packager.core.reports.evidence import Evidence
from packager.core.reports.issues import Issue
from packager.core.reports.warning_kinds import WarningGroup
from packager.core.reports.withheld import Withheld
from packager.model import (
    FrozenStruct,
    Infohash,
    OtherContent,
    PhaseState,
    Plan,
    ReleasePhase,
    TorrentVersion,
    WithdrawnFile,
)


class ScanReport(FrozenStruct, frozen=True, kw_only=True):
    """What `scan` saw. `warnings` and `unread` hold the first few; `warning_count` and `unread_count` count all."""

    files: int
    bytes: int
    records: int  # rows of the catalogue, with and without a file
    without_file_count: int
    tags_read: int  # files whose tags were read now; the others were unchanged since the last scan
    kinds: dict[str, int]
    warning_count: int
    warning_kinds: tuple[WarningGroup, ...]
    warnings: tuple[Issue, ...]
    unread_count: int  # files and folders that could not be read
    unread: tuple[Issue, ...]
    changed: bool  # whether the catalogue is other than it was


class PlanReport(FrozenStruct, frozen=True, kw_only=True):
    """The plan, and whether it was made anew or still stands."""

    plan: Plan
    changed: bool
    warnings: tuple[Issue, ...] = ()  # of phases without shards, or with large torrents
    unread_count: int = 0  # files and folders that the scan could not read: no new shard has them
    published: dict[str, int] = msgspec.field(default_factory=dict)  # shards of the last release, by phase


class PackReport(FrozenStruct, frozen=True, kw_only=True):
    """What `pack` did: shards packed now, and those that were whole already."""

    packed: int
    unchanged: int
    not_local: int  # of those: published, and their tars are not here
    without_tars: int  # of all that are whole now: shards without a tar, made from their sources when asked for
    read_bytes: int  # read and hashed now
    seconds: float
    failed: tuple[Issue, ...]  # shards that could not be packed, and why
    retried_tasks: int = 0  # on a cluster: tasks begun again, because a worker died, hung or could not
    withdrawn_files: int = 0  # that the plan left out, since they have the content of a withdrawn record
    withdrawn_named: tuple[WithdrawnFile, ...] = ()  # the first of them
    other_content: OtherContent | msgspec.UnsetType = msgspec.UNSET  # as in the plan
    dry_run: bool = False  # nothing was packed; the numbers are what would be


class ExportReport(FrozenStruct, frozen=True, kw_only=True):
    """What `export` did: tars written now, and those that were there already."""

    written: int
    unchanged: int
    written_bytes: int  # of the tars written now
    to: str  # the folder or the address of the tars
    seconds: float
    failed: tuple[Issue, ...]  # shards whose tar could not be written, and why
    retried_tasks: int = 0  # on a cluster: tasks begun again, because a worker died, hung or could not
    dry_run: bool = False  # nothing was written; the numbers are what would be


class TrackerAnswer(FrozenStruct, frozen=True, kw_only=True):
    """What one tracker said of seed counts. asked, answered: swarms; a hybrid torrent has two."""

    tracker: str  # fit to be shown
    asked: int
    answered: int
    seconds: float
    error: str  # why it answered for no more; "" where it answered for all


class ScrapeReport(FrozenStruct, frozen=True, kw_only=True):
    """Seed counts that trackers were asked for. counted: shards of which any tracker knew."""

    counted: int
    shards: int
    seconds: float
    trackers: tuple[TrackerAnswer, ...]


class PruneItem(FrozenStruct, frozen=True, kw_only=True):
    """A file that should be deleted, since nobody should share it any more. size: bytes on the disk."""

    path: str
    size: int
    reason: str


class FoundRecord(FrozenStruct, frozen=True, kw_only=True):
    """A record that is to be taken back. shards: those that hold a file of it, obsolete ones too."""

    id: str
    path: str | None
    title: str
    artist: str
    shards: tuple[str, ...]


class WithdrawReport(FrozenStruct, frozen=True, kw_only=True):
    """What `withdraw` noted for the next release."""

    records: tuple[FoundRecord, ...]
    new: int  # of these: neither noted before nor published as withdrawn
    shards: tuple[str, ...]  # that hold them and are not obsolete
    size: int  # bytes of those shards
    replace: bool  # they are to be replaced
    to_delete: tuple[PruneItem, ...]  # files here that should be deleted once the next release is out
    dry_run: bool  # nothing was saved
    same_content: tuple[str, ...] = ()  # of these records: named only by their content
    unread: tuple[Issue, ...] = ()  # files whose content could not be read; copies of them would go unnoticed


class ReplaceReport(FrozenStruct, frozen=True, kw_only=True):
    """What `replace` noted for the next release."""

    shards: tuple[str, ...]
    members: int
    size: int  # bytes of those shards
    to_delete: tuple[PruneItem, ...]  # files here that should be deleted once the next release is out
    dry_run: bool  # nothing was saved


class PruneReport(FrozenStruct, frozen=True, kw_only=True):
    """What `prune` or `mirror prune` deleted."""

    files: tuple[PruneItem, ...]
    size: int  # bytes of those
    deleted: bool  # False: a dry run, or the answer was no
    kept: tuple[Issue, ...]  # files with the name of such a tar that are not ours, and why they stay


class UploadReport(FrozenStruct, frozen=True, kw_only=True):
    """What `publish --to` brought to a store."""

    to: str
    uploaded: int  # files
    uploaded_bytes: int  # of those
    unchanged: int  # files that were there already
    removed: int  # files that the release has no more, and whose time of grace is over
    pending_removal: int  # such files whose time of grace is not over
    missing_shards: int  # with the shards: those whose tar does not lie here
    withheld: tuple[Withheld, ...]  # shards whose tars are not handed out: not sent, and deleted if they were there
    aborted_uploads: int  # uploads of runs that were killed, taken back
    seconds: float


class MissingForReaders(FrozenStruct, frozen=True, kw_only=True):
    """What readers of a release will miss: `what` is not there, what that `means` for them, the `key` to set."""

    what: str
    means: str
    key: str


class PublishReport(FrozenStruct, frozen=True, kw_only=True):
    """What `publish` put in place."""

    serial: int
    changed: bool  # False: the site already shows this
    date: str
    index_page: str  # the path of index.html
    phases: tuple[ReleasePhase, ...]
    shards: int
    size: int  # bytes of the published tars
    files: int  # of the site
    unread_count: int  # files and folders that the scan could not read, as the release says
    withheld: tuple[Withheld, ...]  # shards that no list, feed or page offers, and why
    seed_counts: ScrapeReport | None  # None: trackers were not asked
    missing: tuple[MissingForReaders, ...]
    upload: UploadReport | None  # None: without --to
    dry_run: bool = False  # nothing was published or uploaded


class ReleaseReport(FrozenStruct, frozen=True, kw_only=True):
    """The four steps of `release`."""

    scan: ScanReport
    plan: PlanReport
    pack: PackReport
    publish: PublishReport | None  # None: a dry run, which ends after the plan


class StatusPhase(FrozenStruct, frozen=True, kw_only=True):
    """How far one phase is."""

    name: str
    title: str
    state: PhaseState
    shards: int
    packed: int
    without_tars: int  # of those: shards without a tar
    published: int  # shards that the last release lists
    first_published: str | None  # date of its first published shard, and of its newest
    last_published: str | None
    embargo: str | None  # it stays closed until then
    size: int  # bytes of its tars
    remaining_bytes: int  # bytes still to pack


class StatusReport(FrozenStruct, frozen=True, kw_only=True):
    """What is done, what is next, and how long that takes at the rate of the last run."""

    scanned: bool
    records: int
    planned: bool
    phases: tuple[StatusPhase, ...]
    remaining_bytes: int  # bytes still to pack
    remaining_seconds: float | None  # at the rate of the last run; None: it is not known
    serial: int | None  # of the last release
    date: str | None  # of the last release
    signed_by: str | None  # the id of the key that signed it; None: it is not signed
    site: str  # the path of the site's folder
    next: str  # the command that goes on, or "" where all is done
    unknown_tars: tuple[str, ...]  # tars in shards.folder that the plan does not know
    to_delete: tuple[PruneItem, ...]  # files there that nobody should share any more: packager prune deletes them
    unread_count: int = 0  # files and folders that the last scan could not read; the first of them
    unread: tuple[Issue, ...] = ()


class ServeReport(FrozenStruct, frozen=True, kw_only=True):
    """What `serve` sent until it ended."""

    url: str
    seconds: float
    requests: int
    ranges: int  # byte ranges sent
    sent_bytes: int  # of bodies
    errors: int  # answers refused or cut: a source was not what it was, a client stalled or left


SeedState: TypeAlias = Literal["waiting", "checking", "seeding", "incomplete", "failed"]


class SeededTorrent(FrozenStruct, frozen=True, kw_only=True):
    """One torrent as it was shared. uploaded: bytes of the file sent to peers."""

    name: str
    version: TorrentVersion
    state: SeedState
    verified: bool  # read in full by us in this run, so libtorrent did not read it again
    evidence: Evidence  # what says how the tar should be
    uploaded: int
    error: str  # why it failed


class AddedTar(FrozenStruct, frozen=True, kw_only=True):
    """A tar that a client shares: given it now, after it was read in full and found right, or had by it before."""

    name: str
    state: Literal["added", "present"]
    evidence: Evidence  # what says how the tar should be


class SeedReport(FrozenStruct, frozen=True, kw_only=True):
    """What `seed` shared until it ended, or gave to a client."""

    seconds: float
    port: int  # that peers reached us at
    uploaded: int
    peers: int  # the most at once
    torrents: tuple[SeededTorrent, ...]
    refused: tuple[Issue, ...]  # tars that were not shared, and why
    withheld: tuple[Withheld, ...]  # shards that were not shared, or no longer from some time on, and why
    client: str | None  # the program that runs, and its version; then there are no torrents, but:
    added: tuple[AddedTar, ...]


class TorrentReport(FrozenStruct, frozen=True, kw_only=True):
    """A .torrent that `torrent` wrote. Sizes are bytes."""

    torrent: str  # its path
    name: str
    version: TorrentVersion
    files: int  # without pad files
    size: int  # of the files, without pad files
    piece_length: int
    pieces: int
    torrent_size: int
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    magnet: str
    skipped: tuple[Issue, ...]  # what of the folder is no file that could be read as one
    seconds: float
    dry_run: bool = False  # nothing was written
