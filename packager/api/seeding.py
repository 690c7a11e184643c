"""`seed`: share tars with their swarms."""

import time
from collections.abc import Callable, Sequence

from packager.api.arguments import AnyPath, as_paths, as_text
from packager.api.workers import now, worker_count
from packager.core.reports.reports import SeedReport
from packager.engine.clients import open_client
from packager.engine.project.nearest_project import own_folder
from packager.engine.published.open_release import documents_of_shards
from packager.engine.published.release_reader import MIRRORED
from packager.engine.published.shareable_files import ShareableFiles
from packager.progress import SILENT, Progress
from packager.share import seed as seeding
from packager.share.seed import SeedOptions
from packager.share.seed_with_client import seed_with_client
from packager.share.seedable import find_seedable, tars_of


def seed(
    paths: AnyPath | Sequence[AnyPath] | None = None,
    options: SeedOptions | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> SeedReport:
    """Share the tars at `paths` until `stop` returns True or the time is over; return what was shared.

    paths: None: the tars of the project or mirror in the current folder. A shard that a release or project around it
    withholds (core/releases/withheld_shards) is not shared, and sharing stops if it is withheld later; with
    options.allow_withdrawn, withdrawn shards are shared. options.client: read each tar that this client does not have,
    hand it over, and return. Raises InputError if there is nothing to share, IncompleteError if the client or an
    address does not answer.
    """
    options = options or SeedOptions()
    options.check()
    places = [own_folder("seed", MIRRORED)] if paths is None else as_paths(paths)
    cores = worker_count(options.workers)
    opened = open_client(options.client) if options.client is not None else None
    with documents_of_shards(
        options.release,
        as_text(options.key),
        tars_of(places),
        progress,
        beside=options.torrent,
        allowed=options.reach.allowed,
    ) as named:
        seedables = find_seedable(
            places,
            ShareableFiles(now),
            release=named,
            torrent=options.torrent,
            source=options.source,
            allow_withdrawn=options.allow_withdrawn,
        )
    if opened is not None:
        return seed_with_client(opened, seedables, workers=cores, stop=stop, clock=time.monotonic, progress=progress)
    return seeding.seed(seedables, options, workers=cores, stop=stop, clock=time.monotonic, progress=progress)
