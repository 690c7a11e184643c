"""Select members of a release by its lookup index or by SQL, with the trust that was asked for."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packager.core.bittorrent.magnet import parse_magnet
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import asked_seed, is_asked, web_seed_address
from packager.engine.published.open_release import OpenedRelease, TrustedRelease, open_release
from packager.engine.published.release_reader import open_release_reader, parse_release_location
from packager.errors import InputError
from packager.get.find_by_key import FoundMembers, find_by_keys, read_lookup
from packager.get.find_by_sql import SearchOptions, find_by_sql
from packager.get.member_readers import MemberSelection, SelectedMembers
from packager.get.shard_swarm import ShardDownload
from packager.get.shard_tables import ShardTables
from packager.paths import display_text
from packager.progress import Progress


@dataclass(frozen=True)
class ReleaseLocation:
    """Where a release is, and who must have signed it.

    source: its folder or address. key: a line or a file, the key that must have signed it; None: any or none.
    followed: the release that a mirror accepted; its documents are used, no matter who signed the one at `source`.
    """

    source: str
    key: str | None = None
    followed: TrustedRelease | None = None


def select_members(
    origin: ReleaseLocation,
    keys: Sequence[str],
    search: SearchOptions,
    *,
    remote: NetworkOptions,
    opened: ExitStack,
    progress: Progress,
) -> MemberSelection:
    """Return the members that `keys` name (ids, paths, ISRCs), or that a search selects, and how they can be fetched.

    remote: its web seeds are tried before the release's own. opened: closes what is opened here. Raises InputError if
    nothing is selected, TrustError if the release is refused.
    """
    progress.begin("Searching", None, "member")
    place = parse_release_location(origin.source, "--release")
    in_folder = "://" not in place
    if in_folder and not Path(place).is_dir():
        raise InputError(
            display_text(place), "is not the folder of a release", "name its folder or its address with --release"
        )
    release: OpenedRelease | None = None
    if search.is_given or in_folder or origin.key or origin.followed:
        trusted = open_release(
            place, origin.key, progress, followed=origin.followed, allowed=remote.hosts, seconds=remote.timeout
        )
        release = opened.enter_context(trusted)
        reader = release.reader
    else:
        reader = opened.enter_context(open_release_reader(place, seconds=remote.timeout, allowed=remote.hosts))
    scratch = Path(opened.enter_context(TemporaryDirectory(prefix="packager-", ignore_cleanup_errors=True)))
    shelf = ShardTables(reader, release, scratch)
    if search.is_given and release is not None:
        found = find_by_sql(search, release, shelf)
        magnets = {shard.name: parse_magnet(shard.magnet) for shard in release.release.shards}
        links = {name: (magnet.trackers, magnet.web_seeds) for name, magnet in magnets.items()}
        selected = [_selected(each, shelf, remote, *links[each.manifest.name]) for each in found]
    else:
        index = read_lookup(reader)
        found = find_by_keys(keys, reader, index, shelf)
        selected = [
            _selected(
                each,
                shelf,
                remote,
                index.trackers,
                [web_seed_address(seed, each.manifest.file) for seed in index.web_seeds],
            )
            for each in found
        ]
    progress.end()
    handed_out = [each for each in selected if each.withheld is None or each.withheld.partly]
    if not handed_out and selected[0].withheld is not None:
        raise InputError(selected[0].withheld.name, f"is not handed out: {selected[0].withheld.reason}")
    return MemberSelection(handed_out, reader.name, shelf.evidence, reader.cost)


def _selected(
    found: FoundMembers, shelf: ShardTables, remote: NetworkOptions, trackers: Sequence[str], theirs: Sequence[str]
) -> SelectedMembers:
    """Return members and how their tar is fetched. theirs: its addresses at the web seeds of the release."""
    manifest = found.manifest
    own = [web_seed_address(asked_seed(seed), manifest.file) for seed in remote.web_seeds]
    seeds = [seed for seed in theirs if is_asked(seed)] if not remote.no_web_seeds else []
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
