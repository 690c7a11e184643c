"""How seeders give on what they hold."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from packager.api.arguments import AnyPath, as_location, as_path, as_paths, as_text
from packager.api.workers import now, worker_count
from packager.core.reports.reports import SeedReport
from packager.engine.clients import open_client
from packager.engine.network.connection_options import PeerOptions
from packager.engine.published.open_release import documents_of_shards
from packager.engine.published.shareable_files import ShareableFiles
from packager.progress import SILENT, Progress
from packager.share import seed as seeding
from packager.share.seed_with_client import seed_with_client
from packager.share.seedable import find_seedable, tars_of


def seed(
    paths: AnyPath | Sequence[AnyPath],
    reach: PeerOptions | None = None,
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    torrent: AnyPath | None = None,
    source: AnyPath | None = None,
    allow_withdrawn: bool = False,
    client: str | None = None,
    verify: bool = False,
    processes: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
    progress: Progress = SILENT,
) -> SeedReport:
    """Share the tars at `paths` with their swarms until `stop` says so, or for `seconds`; return what was shared.

    reach: how peers are met; None: on any free port of all addresses, told to trackers alone. release, key: as
    for verify. torrent: of the one tar given; None: its release's. source: the collection's folder, in which
    members of shards that are kept as files may lie. A shard that a release or project around it withholds
    (core/releases/sharing_rule) is not shared, and sharing stops if it is withheld later; allow_withdrawn: one that was
    withdrawn is shared all the same. verify: read every tar in full first, with `processes`. client: the address of
    a program that runs and is to share them, as "transmission:URL"; each tar that it does not have is read in full,
    then given to it, and then this ends. Raises InputError where nothing can be shared, IncompleteError where the
    client or an address does not answer.
    """
    paths = as_paths(paths)
    release = as_location(release)
    torrent = as_path(torrent)
    cores = worker_count(processes)
    opened = open_client(client) if client is not None else None
    reach = reach or PeerOptions()
    reach = replace(reach, allowed=reach.allowed.with_origin(str(release)))
    with documents_of_shards(
        release, as_text(key), tars_of(paths), progress, beside=torrent, allowed=reach.allowed
    ) as named:
        seedables = find_seedable(
            paths,
            ShareableFiles(now),
            release=named,
            torrent=torrent,
            source=as_path(source),
            allow_withdrawn=allow_withdrawn,
        )
    if opened is not None:
        return seed_with_client(opened, seedables, workers=cores, stop=stop, clock=time.monotonic, progress=progress)
    return seeding.seed(
        seedables,
        reach,
        verify=verify,
        workers=cores,
        stop=stop,
        clock=time.monotonic,
        seconds=seconds,
        progress=progress,
    )
