"""`inspect`, `verify` and `extract`: they never change the data, and use the network only if you name an address."""

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack

from packager.api import verify_mirror
from packager.api.arguments import AnyPath, as_location, as_locations, as_path, as_text
from packager.api.workers import WorkerOptions, as_workers, now, open_worker_pool, worker_count
from packager.check.extract import extract as extracting
from packager.check.extract.extract import ExtractOptions
from packager.check.inspect import inspect as inspecting
from packager.check.targets.find_targets import CheckAgainst, find_targets
from packager.check.verify import verify as verifying
from packager.check.verify.verify import VerifyOptions
from packager.check.verify.verify_run import RunLimits
from packager.core.reports.check_reports import ExtractReport, VerifyReport
from packager.core.reports.inspection import Inspection
from packager.engine.project.nearest_project import own_tars
from packager.engine.published.open_release import documents_of_shards, open_release
from packager.engine.published.release_reader import MIRRORED
from packager.engine.published.shareable_files import ShareableFiles
from packager.engine.stores import parse_location
from packager.errors import InputError
from packager.progress import SILENT, Progress


def inspect(file: AnyPath) -> Inspection:
    """Return the kind, contents and faults of a file of a release, a file made by others, or a magnet link.

    Raises InputError if the kind is unknown. Needs no packager.toml and no lock.
    """
    return inspecting.inspect(as_text(file))


def verify(
    paths: AnyPath | Sequence[AnyPath] | None = None,
    options: VerifyOptions | None = None,
    *,
    workers: int | WorkerOptions | None = None,
    progress: Progress = SILENT,
) -> VerifyReport:
    """Compare every byte at `paths` with what was published, and return every fault.

    paths: tars, folders of tars, bags, folders of loose files; or addresses (s3://, sftp://, file://) of a tar or of a
    folder of tars. None: the tars of the project or mirror in the current folder. options: what to compare with; None:
    what is found near `paths`. The result for a mirror's folder is stored for `mirror_status`. workers: as for pack;
    workers of a cluster must see `paths` under the same names. Raises InputError if there is nothing to compare with,
    TrustError if documents disagree, IncompleteError if an address does not answer.
    """
    options, workers = options or VerifyOptions(), as_workers(workers)
    options.check()
    if options.read_limit and workers.cluster:
        raise InputError("", "--read-limit cannot be used with --cluster", "remove one of them")
    places = [parse_location(path, "PATH") for path in as_locations(() if paths is None else paths)]
    if paths is None and options.torrent is None and options.sums is None:
        places = [own_tars("verify", MIRRORED)]
    release, key = options.release, as_text(options.key)
    mirror = verify_mirror.find_mirror(places, options)
    if mirror is not None:
        release, key = mirror.folder, key or verify_mirror.pinned_key(mirror)
        places = verify_mirror.chosen_tars(mirror, places, progress)
    with ExitStack() as opened:
        named = release is not None or key is not None
        against = CheckAgainst(
            opened.enter_context(open_release(release, key, progress)) if named else None,
            options.manifest,
            options.torrent,
            options.sums,
        )
        found = find_targets(places, against)
        if mirror is not None:
            found = verify_mirror.without_control_files(found)
        pool = None if options.quick else opened.enter_context(open_worker_pool(workers, progress))
        limits = RunLimits(worker_count(workers.workers), options.read_limit or 0, options.stop_after, pool)
        seed = secrets.randbelow(1 << 32)
        report = verifying.verify(found, options, limits, random_seed=seed, clock=time.time, progress=progress)
    if mirror is not None:
        verify_mirror.keep_result(mirror, report, progress)
    return report


def extract(
    shard: AnyPath,
    to: AnyPath | None = None,
    options: ExtractOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> ExtractReport:
    """Write members of a shard into the folder `to`; each is checked before it gets its name.

    shard: a path, or the address of a tar in a store; only the members' bytes are read. options.paths: patterns.
    options.where: SQL over the members table. The report lists bad members and files that were not replaced. Raises
    InputError if the tar, a document or a selection is wrong, IncompleteError if a file cannot be written or an address
    does not answer.
    """
    options, place = options or ExtractOptions(), parse_location(as_location(shard), "SHARD")
    with documents_of_shards(
        options.release, as_text(options.key), [place], progress, beside=options.manifest
    ) as opened:
        return extracting.extract(place, as_path(to), ShareableFiles(now), options, release=opened, progress=progress)
