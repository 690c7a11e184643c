"""What listeners ask of a release: a few members, without their shards."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from packager.api.arguments import AnyPath, as_location, as_locations, as_path, as_text, as_texts
from packager.core.bittorrent.magnet import is_link
from packager.core.config.store_url import is_store_location, is_store_url
from packager.core.reports.check_reports import GetReport
from packager.core.reports.evidence import Evidence
from packager.core.shards.extract_paths import parse_naming
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import asked_seed
from packager.engine.published.release_reader import RELEASE, TransferCost, normal
from packager.errors import InputError
from packager.get.find_by_sql import SearchLimits
from packager.get.get import GetOptions, get_members
from packager.get.member_links import find_by_links
from packager.get.select_members import MemberQuery, ReleaseLocation, select_members
from packager.mirror.state import MirrorFolder
from packager.progress import SILENT, Progress


def get(
    keys: str | Sequence[str] = (),
    to: AnyPath = Path(),
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    search: SearchLimits | None = None,
    tars: AnyPath | Sequence[AnyPath] = (),
    remote: NetworkOptions | None = None,
    layout: str | None = None,
    original_names: bool = False,
    play_order: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    links: bool = False,
    progress: Progress = SILENT,
) -> GetReport:
    """Take members out of a release into the folder `to` without their shards, each checked before it gets its name.

    keys: ids, paths or ISRCs, in full; or magnet links that name members, which need no release. search: SQL over the
    members tables instead. release: its folder or address, or a mirror's folder, whose accepted release then vouches.
    key: the publisher's, as its line or file, by which the release must be signed; None: what is published is only as
    good as the way it comes. tars: folders, or addresses (s3://, sftp://), that may hold shards' tars. remote: where
    bytes may be fetched from; None: the release's web seeds. links: make magnet links that name the members, and
    fetch nothing. What is bad or in the way stands in the report. Raises InputError where a key, an address or a
    choice is wrong, TrustError where the release is refused, IncompleteError where a file cannot be written or
    nothing answers.
    """
    key = as_text(key)
    keys = as_texts(keys)
    to = as_path(to)
    release = as_location(release)
    tars = as_locations(tars)
    stores = [str(each) for each in tars if is_store_url(str(each))]
    local = [Path(each) for each in tars if not is_store_url(str(each))]
    places = _with_stores(remote or NetworkOptions(), stores)
    naming = parse_naming(layout, original=original_names, play_order=play_order)

    def request(folders: Sequence[Path]) -> GetOptions:
        return GetOptions(to, naming, places, folders, overwrite=overwrite, dry_run=dry_run or links, links=links)

    if not keys and search is None:
        raise InputError("KEY", "nothing is asked for", "give an id, a path, an ISRC or a magnet link, or --where")
    if keys and search is not None:
        raise InputError("--where", "means members by itself, and keys are given, too", "leave one of them out")
    if any(is_link(each) for each in keys):
        if release is not None or key is not None or not all(is_link(each) for each in keys):
            raise InputError("KEY", "a magnet link stands for itself", "give links alone, without --release and --key")
        meant = find_by_links(keys, naming, places)
        return get_members(
            meant,
            request(local),
            release="",
            evidence=Evidence(kind="magnet", name="magnet link"),
            cost=TransferCost(),
            progress=progress,
        )
    with ExitStack() as opened:
        origin, folders = _origin(release, key)
        places = places.trusting(origin.source)
        if is_store_location(origin.source):
            places = _with_stores(places, [os.path.join(normal(origin.source, "--release"), "shards")])
        found = select_members(origin, MemberQuery(keys, search), places, opened, progress)
        return get_members(
            found.meant,
            request([*local, *folders]),
            release=found.where,
            evidence=found.evidence,
            cost=found.cost,
            progress=progress,
        )


def _with_stores(remote: NetworkOptions, addresses: Sequence[str]) -> NetworkOptions:
    """Return where bytes may be fetched from, with places in stores that tars lie right below."""
    seeds = tuple(asked_seed(f"{address.rstrip('/')}/", "--from") for address in addresses)
    return replace(remote, web_seeds=(*seeds, *remote.web_seeds))


def _origin(release: Path | str | None, key: str | None) -> tuple[ReleaseLocation, list[Path]]:
    """Return where a release is, and the folders beside it that may hold its tars."""
    if release is None:
        here = (place for place in (Path(), Path("output")) if (place / RELEASE).is_file())
        release = next(here, None)
    if release is None:
        raise InputError("--release", "no release is named, and none is here", "name its folder or address")
    if is_store_location(str(release)):
        release = normal(str(release), "--release")  # that of file:// is a path
    if "://" in str(release):
        return ReleaseLocation(str(release), key), []
    folder = Path(release)
    folder = folder.parent if folder.name == RELEASE else folder
    mirror = MirrorFolder(folder).load()
    if mirror is not None:
        accepted = MirrorFolder(folder).trusted_release(mirror) if key is None else None
        return ReleaseLocation(mirror.settings.source, key, accepted), [folder]
    return ReleaseLocation(str(folder), key), [folder, folder / "shards", folder.absolute().parent / "shards"]
