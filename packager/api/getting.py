"""`get`: members of a release, without their shards."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from packager.api.arguments import AnyPath, as_path, as_text, as_texts
from packager.core.bittorrent.magnet import is_link
from packager.core.config.store_url import is_store_location
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.reports.check_reports import GetReport
from packager.engine.network.remote_readers import split_sources
from packager.engine.project.nearest_project import project_of_tars
from packager.engine.published.release_reader import RELEASE, parse_release_location
from packager.errors import InputError
from packager.get.get import GetOptions, get_members
from packager.get.member_links import find_by_links
from packager.get.select_members import ReleaseLocation, select_members
from packager.mirror.state import MirrorFolder
from packager.progress import SILENT, Progress


def get(
    records: str | Sequence[str] = (),
    to: AnyPath = Path(),
    options: GetOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> GetReport:
    """Fetch members of a release into the folder `to`, without their shards; each is checked before it gets its name.

    records: exact ids, paths or ISRCs; or magnet links of members, which need no release. If empty, options.search
    selects the members. With options.links, magnet links of the members are made and nothing is fetched. The report
    lists bad members and files that were not replaced. Raises InputError if a key, an address or a selection is wrong,
    TrustError if the release is refused, IncompleteError if a file cannot be written or no source answers.
    """
    records, to, options = as_texts(records), as_path(to), options or GetOptions()
    search, naming = options.search, options.naming
    allowed_hosts(options.network.allow_hosts)  # to refuse wrong ones first
    local, network = split_sources(options.sources, options.network)
    options = replace(options, network=network)
    if not search.is_given and (search.shards or search.phases):
        given = "--shard" if search.shards else "--phase"
        raise InputError("", f"{given} needs --path or --where", "add one of them")
    if not records and not search.is_given:
        raise InputError("get", "no record named", "name an id, path, ISRC or magnet link, or use --path or --where")
    if records and search.is_given:
        given = "--path" if search.paths else "--where"
        raise InputError("", f"{given} cannot be used with RECORD", "remove one of them")
    if any(is_link(each) for each in records):
        if options.release is not None or options.key is not None or not all(is_link(each) for each in records):
            raise InputError("get", "a magnet link needs no release and no key", "name only magnet links")
        found = find_by_links(records, naming, options.network)
        return get_members(found, to, options, folders=local, progress=progress)
    with ExitStack() as opened:
        origin, folders = _origin(options.release, as_text(options.key))
        network = options.network.trusting(origin.source)
        if is_store_location(origin.source):
            tars = os.path.join(parse_release_location(origin.source, "--release"), "shards")
            _, network = split_sources([tars], network)
        found = select_members(origin, records, search, remote=network, opened=opened, progress=progress)
        options = replace(options, network=network)
        return get_members(found, to, options, folders=[*local, *folders], progress=progress)


def _origin(release: Path | str | None, key: str | None) -> tuple[ReleaseLocation, list[Path]]:
    """Return the location of the release, and folders that may contain its tars."""
    if release is None:
        project = project_of_tars(Path())
        places = (Path(), Path("site"), *([project.site] if project else []))
        release = next((place for place in places if (place / RELEASE).is_file()), None)
    if release is None:
        raise InputError("--release", "no release is named, and none is here", "name its folder or address")
    if is_store_location(str(release)):
        release = parse_release_location(str(release), "--release")  # a path if the scheme is file
    if "://" in str(release):
        return ReleaseLocation(str(release), key), []
    folder = Path(release)
    folder = folder.parent if folder.name == RELEASE else folder
    mirror = MirrorFolder(folder).load()
    if mirror is not None:
        accepted = MirrorFolder(folder).trusted_release(mirror) if key is None else None
        return ReleaseLocation(mirror.settings.source, key, accepted), [folder]
    return ReleaseLocation(str(folder), key), [folder, folder / "shards", folder.absolute().parent / "shards"]
