"""A release opened to take members out of it: by its lookup index, or by SQL, and as trusted as is asked for."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.reports.check_reports import Vouched
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import asked_seed, is_asked, web_seed_address
from packager.engine.published.open_release import SILENT_SECONDS, OpenedRelease, evidence_of, open_release
from packager.engine.published.release_ranges import ReleaseRanges, TransferCost, open_release_files
from packager.engine.published.release_reader import RELEASE, normal, open_release_reader
from packager.errors import InputError
from packager.get.find_by_key import FoundMembers, find_by_keys, read_lookup
from packager.get.find_by_sql import SearchLimits, find_by_sql
from packager.get.member_readers import SelectedMembers
from packager.get.shard_swarm import ShardDownload
from packager.get.shard_tables import CompleteTables, RangedTables, ShardTables
from packager.model import PublishedFile, Release
from packager.progress import Progress

if TYPE_CHECKING:
    from packager.engine.network.http_client import HttpClient


@dataclass(frozen=True)
class ReleaseLocation:
    """Where a release is, and how far it is trusted.

    source: its folder or address. key: by which it must be signed, a line or a file; None: nothing is asked.
    followed: the release that a mirror accepted; its documents are taken, whoever signs what is at `source`.
    """

    source: str
    key: str | None = None
    followed: Release | None = None


@dataclass(frozen=True)
class MemberQuery:
    """Which members are meant: those that `keys` name (ids, paths, ISRCs), or those that a search means."""

    keys: Sequence[str] = ()
    search: SearchLimits | None = None


@dataclass(frozen=True)
class MemberSelection:
    """Members that are meant, what vouches for them, and what finding them costs: it may still grow."""

    meant: Sequence[SelectedMembers]
    vouched: Vouched
    cost: TransferCost
    where: str


def select_members(
    origin: ReleaseLocation, wanted: MemberQuery, remote: NetworkOptions, opened: ExitStack, progress: Progress
) -> MemberSelection:
    """Return the members of a release that are wanted, and how they can be fetched.

    remote: whose web seeds come before the release's own. opened: keeps open what reading takes. Raises
    InputError where nothing is meant, TrustError where the release is refused.
    """
    files = open_release_files(origin.source, lambda: _web(remote, opened), seconds=remote.seconds)
    scratch = Path(opened.enter_context(TemporaryDirectory(prefix="packager-", ignore_cleanup_errors=True)))
    progress.begin("find", None, "member")
    shelf: ShardTables
    if wanted.search is not None:
        shelf = listed = _listed(origin, files, remote, opened, progress)
        found = find_by_sql(wanted.search, listed, fetched=files.folder is None)
        magnets = {shard.name: parse_magnet(shard.magnet) for shard in listed.release.shards}
        meant = [
            _meant(each, shelf, remote, magnets[each.manifest.name].trackers, magnets[each.manifest.name].web_seeds)
            for each in found
        ]
    else:
        index = read_lookup(files)
        trusted = origin.key is not None or origin.followed is not None or files.folder is not None
        shelf = _listed(origin, files, remote, opened, progress) if trusted else RangedTables(files, scratch)
        found = find_by_keys(wanted.keys, files, index, shelf)
        meant = [
            _meant(
                each,
                shelf,
                remote,
                index.trackers,
                [web_seed_address(seed, each.manifest.file) for seed in index.web_seeds],
            )
            for each in found
        ]
    progress.end()
    handed_out = [each for each in meant if each.withheld is None or each.withheld.partly]
    if not handed_out and meant[0].withheld is not None:
        raise InputError(meant[0].withheld.name, f"is not handed out: {meant[0].withheld.reason}")
    return MemberSelection(handed_out, shelf.vouched, files.cost, files.name)


def _web(remote: NetworkOptions, opened: ExitStack) -> "HttpClient":
    """Return connections to where a release is, that are kept."""
    from packager.engine.network.http_client import HttpClient  # a folder is read long before httpx is imported

    return opened.enter_context(HttpClient(seconds=remote.seconds, allowed=remote.hosts))


def _listed(
    origin: ReleaseLocation, files: ReleaseRanges, remote: NetworkOptions, opened: ExitStack, progress: Progress
) -> CompleteTables:
    """Return what reads the documents that the release lists, each found to be the one listed."""
    if origin.followed is not None:
        source = opened.enter_context(
            open_release_reader(normal(origin.source), seconds=SILENT_SECONDS, allowed=remote.hosts)
        )
        place = Path(opened.enter_context(TemporaryDirectory(prefix="packager-", ignore_cleanup_errors=True)))
        evidence = evidence_of(origin.followed, files.name)
        release = OpenedRelease(files.name, source, place, origin.followed, evidence=evidence, progress=progress)
        vouched: Vouched = "followed"
    else:
        release = opened.enter_context(open_release(origin.source, origin.key, progress, allowed=remote.hosts))
        vouched = "release" if origin.key is None else "signature"
    if not release.copied:
        return CompleteTables(release.release, release.open_file, vouched, copied=False)
    if origin.followed is None:
        files.cost.requests += 1 if origin.key is None else 2
        files.cost.received += (release.folder / RELEASE).stat().st_size

    def brought(file: PublishedFile) -> Path:
        files.cost.requests += 1
        files.cost.received += file.size
        return release.open_file(file)

    return CompleteTables(release.release, brought, vouched, copied=True)


def _meant(
    found: FoundMembers, shelf: ShardTables, remote: NetworkOptions, trackers: Sequence[str], theirs: Sequence[str]
) -> SelectedMembers:
    """Return members and how their tar is fetched. theirs: its addresses at the release's own web seeds."""
    manifest = found.manifest
    own = [web_seed_address(asked_seed(seed), manifest.file) for seed in remote.web_seeds]
    seeds = [seed for seed in theirs if is_asked(seed)] if remote.torrent_web_seeds else []
    shared = ShardDownload(
        name=manifest.file,
        container=manifest.container,
        size=manifest.size,
        infohash_v1=manifest.infohash_v1,
        infohash_v2=manifest.infohash_v2,
        trackers=trackers,
        addresses=[*own, *seeds],
        torrent=lambda: shelf.torrent(manifest.name),
    )
    return SelectedMembers(shared, found.members, shelf.withheld(manifest))
