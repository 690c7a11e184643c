"""Reports of the commands, which the CLI prints and `--json` writes.

Sizes are bytes, durations seconds. Fields may be added but are never removed.
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
    """The report of `scan`. warnings, unread: the first ones. warning_count, unread_count: the number of all."""

    files: int
    bytes: int
    records: int  # rows of the catalogue, with and without a file
    without_file_count: int
    tags_read: int  # files whose tags were read in this scan; the others had not changed
    kinds: dict[str, int]
    warning_count: int
    warning_kinds: tuple[WarningGroup, ...]
    warnings: tuple[Issue, ...]
    unread_count: int  # files and folders that could not be read
    unread: tuple[Issue, ...]
    changed: bool  # whether the catalogue changed


class PlanReport(FrozenStruct, frozen=True, kw_only=True):
    """The plan, and whether it changed."""

    plan: Plan
    changed: bool
    warnings: tuple[Issue, ...] = ()  # about phases without shards, embargoes and large torrents
    unread_count: int = 0  # files and folders that the scan could not read; they are in no new shard
    published: dict[str, int] = msgspec.field(default_factory=dict)  # shards of the last release, by phase


class PackReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `pack`: shards packed now, and those that were complete before."""

    packed: int
    unchanged: int
    not_local: int  # of the unchanged ones: published shards whose tars are not here
    without_tars: int  # complete shards without a tar; its bytes are made from the sources when needed
    read_bytes: int  # read and hashed now
    seconds: float
    failed: tuple[Issue, ...]  # shards that could not be packed, and why
    retried_tasks: int = 0  # on a cluster: tasks repeated because a worker died, hung or failed
    withdrawn_files: int = 0  # left out by the plan, because they have the content of a withdrawn record
    withdrawn_named: tuple[WithdrawnFile, ...] = ()  # the first of them
    other_content: OtherContent | msgspec.UnsetType = msgspec.UNSET  # as in the plan
    dry_run: bool = False  # nothing was packed; the numbers are those of a real run


class ExportReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `export`: tars written now, and those that were there before."""

    written: int
    unchanged: int
    written_bytes: int  # of the tars written now
    to: str  # the folder or the address of the tars
    seconds: float
    failed: tuple[Issue, ...]  # shards whose tar could not be written, and why
    retried_tasks: int = 0  # on a cluster: tasks repeated because a worker died, hung or failed
    dry_run: bool = False  # nothing was written; the numbers are those of a real run


class TrackerAnswer(FrozenStruct, frozen=True, kw_only=True):
    """The answer of one tracker about seed counts. asked, answered: number of swarms; a hybrid torrent has two."""

    tracker: str  # escaped for display
    asked: int
    answered: int
    seconds: float
    error: str  # why answers are missing, or ""


class ScrapeReport(FrozenStruct, frozen=True, kw_only=True):
    """The seed counts from trackers. counted: shards that some tracker knows."""

    counted: int
    shards: int
    seconds: float
    trackers: tuple[TrackerAnswer, ...]


class PruneItem(FrozenStruct, frozen=True, kw_only=True):
    """A file that should be deleted, because it should not be shared any more. size: bytes on the disk."""

    path: str
    size: int
    reason: str


class FoundRecord(FrozenStruct, frozen=True, kw_only=True):
    """A record to withdraw. shards: those that contain a file of it, obsolete ones too."""

    id: str
    path: str | None
    title: str
    artist: str
    shards: tuple[str, ...]


class WithdrawReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `withdraw`: what was saved for the next release."""

    records: tuple[FoundRecord, ...]
    new: int  # of these: not yet saved or published as withdrawn
    shards: tuple[str, ...]  # that contain them and are not obsolete
    size: int  # bytes of those shards
    replace: bool  # they are to be replaced
    to_delete: tuple[PruneItem, ...]  # files here to delete after the next release
    dry_run: bool  # nothing was saved
    same_content: tuple[str, ...] = ()  # records that were found only by the content of a named one
    unread: tuple[Issue, ...] = ()  # files that could not be read, so that copies of them are not found


class ReplaceReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `replace`: what was saved for the next release."""

    shards: tuple[str, ...]
    members: int
    size: int  # bytes of those shards
    to_delete: tuple[PruneItem, ...]  # files here to delete after the next release
    dry_run: bool  # nothing was saved


class PruneReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `prune` and `mirror prune`."""

    files: tuple[PruneItem, ...]
    size: int  # bytes of those
    deleted: bool  # False: a dry run, or the answer was no
    kept: tuple[Issue, ...]  # files with the name of such a tar that packager did not write, and why they are kept


class UploadReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of an upload by `publish --to`."""

    to: str
    uploaded: int  # files
    uploaded_bytes: int  # of those
    unchanged: int  # files that were there before
    removed: int  # files that are no longer in the release, and whose grace period is over
    pending_removal: int  # such files whose grace period is not over
    missing_shards: int  # with --with-shards: those whose tar is not here
    withheld: tuple[Withheld, ...]  # shards whose tars were not uploaded, or were deleted from the store
    aborted_uploads: int  # unfinished uploads of killed runs that were aborted
    seconds: float


class MissingForReaders(FrozenStruct, frozen=True, kw_only=True):
    """Something that is missing for readers of a release: what, what it means for them, and the key to set."""

    what: str
    means: str
    key: str


class PublishReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `publish`."""

    serial: int
    changed: bool  # False: the site already shows this
    date: str
    index_page: str  # the path of index.html
    phases: tuple[ReleasePhase, ...]
    shards: int
    size: int  # bytes of the published tars
    files: int  # of the site
    unread_count: int  # files and folders that the scan could not read, as published
    withheld: tuple[Withheld, ...]  # shards that are on no list, feed or page, and why
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
    """The progress of one phase."""

    name: str
    title: str
    state: PhaseState
    shards: int
    packed: int
    without_tars: int  # of those: shards without a tar
    published: int  # shards that the last release lists
    first_published: str | None  # date of its first published shard, and of its newest
    last_published: str | None
    embargo: str | None  # not published before
    size: int  # bytes of its tars
    remaining_bytes: int  # bytes still to pack


class StatusReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `status`: the progress, the next command, and the remaining time."""

    scanned: bool
    records: int
    planned: bool
    phases: tuple[StatusPhase, ...]
    remaining_bytes: int  # bytes still to pack
    remaining_seconds: float | None  # at the rate of the last run; None: unknown
    serial: int | None  # of the last release
    date: str | None  # of the last release
    signed_by: str | None  # the id of the key that signed it; None: it is not signed
    site: str  # the path of the site's folder
    next: str  # the next command, or "" if all is done
    unknown_tars: tuple[str, ...]  # tars in shards.folder that are not in the plan
    to_delete: tuple[PruneItem, ...]  # files there that should not be shared any more; packager prune deletes them
    unread_count: int = 0  # files and folders that the last scan could not read
    unread: tuple[Issue, ...] = ()


class ServeReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `serve`."""

    url: str
    seconds: float
    requests: int
    ranges: int  # byte ranges sent
    sent_bytes: int  # of bodies
    errors: int  # answers that failed: a source cannot be read or changed, a client stalled or left


SeedState: TypeAlias = Literal["waiting", "checking", "seeding", "incomplete", "failed"]


class SeededTorrent(FrozenStruct, frozen=True, kw_only=True):
    """A shared torrent. uploaded: bytes of the file sent to peers."""

    name: str
    version: TorrentVersion
    state: SeedState
    verified: bool  # packager read it in full in this run, so that libtorrent did not have to
    evidence: Evidence  # what the tar was checked against
    uploaded: int
    error: str  # why it failed


class AddedTar(FrozenStruct, frozen=True, kw_only=True):
    """A tar in a client: verified and added now, or there before."""

    name: str
    state: Literal["added", "present"]
    evidence: Evidence  # what the tar was checked against


class SeedReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `seed`."""

    seconds: float
    port: int  # for peers
    uploaded: int
    peers: int  # maximum at once
    torrents: tuple[SeededTorrent, ...]
    refused: tuple[Issue, ...]  # tars that were not shared, and why
    withheld: tuple[Withheld, ...]  # shards that were not shared, or no longer, and why
    client: str | None  # the torrent client and its version; then `added` is used instead of `torrents`
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
    skipped: tuple[Issue, ...]  # links, sockets and devices
    seconds: float
    dry_run: bool = False  # nothing was written
