"""What seeders ask of the data that they have; nothing here changes it or meets the network unasked."""

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack

from packager.api.arguments import AnyPath, as_location, as_locations, as_path, as_text, as_texts
from packager.api.workers import PATIENCE, now, open_worker_pool, worker_count
from packager.check.extract import extract as extracting
from packager.check.inspect import inspect as inspecting
from packager.check.targets.find_targets import CheckAgainst, find_targets
from packager.check.verify import verify as verifying
from packager.check.verify.verify_run import RunLimits
from packager.core.reports.check_reports import ExtractReport, VerifyReport
from packager.core.reports.inspection import Inspection
from packager.core.shards.extract_paths import parse_naming
from packager.engine.published.open_release import documents_of_shards, open_release
from packager.engine.published.shareable_files import ShareableFiles
from packager.engine.stores import parse_location
from packager.errors import InputError
from packager.progress import SILENT, Progress


def inspect(file: AnyPath) -> Inspection:
    """Return what a file of a release, one made by others, or a magnet link is and says, with its faults.

    Raises InputError where it is of no kind that is known. Needs no packager.toml and takes no lock.
    """
    return inspecting.inspect(as_text(file))


def verify(
    paths: AnyPath | Sequence[AnyPath],
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    manifest: AnyPath | None = None,
    torrent: AnyPath | None = None,
    sums: AnyPath | None = None,
    quick: bool = False,
    sample: str | None = None,
    seed: int | None = None,
    state: AnyPath | None = None,
    older_than: float | None = None,
    max_time: float | None = None,
    rate: int = 0,
    processes: int | None = None,
    cluster: str | None = None,
    patience: float = PATIENCE,
    progress: Progress = SILENT,
) -> VerifyReport:
    """Compare what is at `paths` with what was published, byte for byte, and return every fault.

    paths: tars, folders of them, bags, folders of loose files; or addresses (s3://, sftp://, file://) of a tar or of
    where tars lie. release, manifest, torrent, sums: one at most says how they should be; none: what is found near
    them. release: a folder, its release.json, or the address of either (http(s) too), of which only what tells of
    `paths` is fetched. key: the publisher's, as its line or file, by which the release must be signed; None: no
    signature is looked at. quick: presence and sizes only. sample: a part of it, "2%" or a number, taken by `seed`
    (None: by chance). state: the file that remembers what was proved; older_than: seconds after which that is read
    again, None: never. max_time: seconds. rate: bytes a second that are read at most, 0: no limit. cluster: a Dask
    scheduler's "tcp://HOST:PORT" or "tls://HOST:PORT", its file, or "local:N"; then its workers read, and see `paths`
    as they stand here. patience: seconds that one of them may tell nothing before its work is given to another.
    Raises InputError and TrustError where nothing says how the data should be, or documents disagree, IncompleteError
    where an address does not answer.
    """
    key = as_text(key)
    paths = as_locations(paths)
    release = as_location(release)
    how = verifying.parse_mode(
        quick=quick,
        sample=sample,
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        state=as_path(state),
        older_than=older_than,
    )
    if rate and cluster is not None:
        raise InputError("--rate", "does not bound the workers of a cluster", "leave it out")
    with ExitStack() as opened:
        named = release is not None or key is not None
        against = CheckAgainst(
            opened.enter_context(open_release(release, key, progress)) if named else None,
            as_path(manifest),
            as_path(torrent),
            as_path(sums),
        )
        found = find_targets([parse_location(path, "PATH") for path in paths], against)
        crew = None if quick else opened.enter_context(open_worker_pool(cluster, patience, progress))
        limits = RunLimits(worker_count(processes), rate, max_time, crew)
        return verifying.verify(found, how, limits, clock=time.time, progress=progress)


def extract(
    shard: AnyPath,
    to: AnyPath | None = None,
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    manifest: AnyPath | None = None,
    ids: str | Sequence[str] = (),
    paths: str | Sequence[str] = (),
    where: str | None = None,
    layout: str | None = None,
    original_names: bool = False,
    play_order: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> ExtractReport:
    """Take members out of a shard's tar into the folder `to`, each checked before it gets its name.

    shard: a path, or the address of a tar in a store, of which only the members' bytes are read. release, key: as for
    verify. ids, paths (patterns) and where (SQL over the members table) choose; none: all. layout names files from
    tags, as "{artist}/{album}/{title}". What is bad or in the way stands in the report. Raises InputError where the
    tar, a document or a choice is wrong, IncompleteError where a file cannot be written or an address does not
    answer.
    """
    manifest = as_path(manifest)
    place = parse_location(as_location(shard), "SHARD")
    with documents_of_shards(as_location(release), as_text(key), [place], progress, beside=manifest) as opened:
        return extracting.extract(
            place,
            as_path(to),
            ShareableFiles(now),
            release=opened,
            manifest=manifest,
            wanted=extracting.MemberFilter(as_texts(ids), as_texts(paths), where),
            naming=parse_naming(layout, original=original_names, play_order=play_order),
            overwrite=overwrite,
            dry_run=dry_run,
            progress=progress,
        )
