"""How seeders get right data again: in place, or whole from loose files."""

import os
from collections.abc import Sequence

from packager.api.arguments import AnyPath, as_location, as_path, as_paths, as_text
from packager.api.workers import worker_count
from packager.check.repair import rebuild as rebuilding
from packager.check.repair import repair as repairing
from packager.check.repair.bad_pieces_in_report import read_bad_pieces
from packager.check.repair.expected_shard import open_expected_shard
from packager.core.http.allowed_hosts import NO_HOSTS
from packager.core.reports.check_reports import RebuildReport, RepairReport
from packager.engine.files.shard_torrent import FolderTorrent, open_torrent
from packager.engine.hashing.file_index import default_index
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import first_working_reader
from packager.engine.published.open_release import documents_of_shards
from packager.engine.published.published_shard import open_published_shard
from packager.errors import InputError
from packager.progress import SILENT, Progress


def repair(
    shard: AnyPath,
    copies: AnyPath | Sequence[AnyPath] = (),
    remote: NetworkOptions | None = None,
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    manifest: AnyPath | None = None,
    torrent: AnyPath | None = None,
    report: AnyPath | None = None,
    processes: int | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> RepairReport:
    """Mend a shard's tar where it lies; only its bad pieces are fetched, and each is checked before it is written.

    copies: other tars, or folders of loose files, asked first. remote: what is asked then; None: the web
    seeds of its torrent. release, key: as for verify. torrent: the .torrent, where no other document is there.
    report: of `verify --json`; only the bad pieces that it names are looked at. processes: that check; None:
    one a core. What could not be mended stands in the report. Raises InputError where the tar, a document or an
    address is wrong, TrustError where documents disagree, IncompleteError where the disk fails.
    """
    shard = as_path(shard)
    release = as_location(release)
    manifest = as_path(manifest)
    torrent = as_path(torrent)
    report = as_path(report)
    remote = (remote or NetworkOptions()).trusting(release)
    with documents_of_shards(
        release, as_text(key), [shard], progress, beside=manifest or torrent, allowed=remote.allowed
    ) as opened:
        target = open_expected_shard(shard, release=opened, manifest=manifest, torrent=torrent)
    if report is not None and isinstance(target.file, FolderTorrent):
        what = "names pieces of files, and the shard is kept as files"
        raise InputError("--report", what, "leave it out: all pieces are looked at then")
    return repairing.repair(
        shard,
        target,
        as_paths(copies),
        remote,
        only=None if report is None else read_bad_pieces(report, shard, target.pieces.count),
        workers=worker_count(processes),
        dry_run=dry_run,
        progress=progress,
    )


def rebuild(
    shard: AnyPath,
    sources: AnyPath | Sequence[AnyPath],
    out: AnyPath | None = None,
    *,
    release: AnyPath | None = None,
    key: AnyPath | None = None,
    manifest: AnyPath | None = None,
    index: AnyPath | None = None,
    remote: NetworkOptions | None = None,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> RebuildReport:
    """Write a shard's tar again, byte for byte, from the loose files in the folders `sources`.

    shard: its name, its tar's path or its manifest's. release, key: as for verify. index: the file that
    remembers what was hashed; None: in the user's cache. remote: where members that no folder has are fetched
    from; None: nowhere. Members that are nowhere stand in the report, and then nothing is written. Raises
    InputError, TrustError where its documents disagree, IncompleteError where the disk is full.
    """
    shard = as_path(shard)
    out = as_path(out)
    release = as_location(release)
    manifest = as_path(manifest)
    index = as_path(index)
    told = shard if shard.name.endswith(".manifest.json") else manifest
    remote = remote.trusting(release) if remote else None
    allowed = remote.allowed if remote else NO_HOSTS
    with documents_of_shards(release, as_text(key), [shard], progress, beside=told, allowed=allowed) as opened:
        documents = rebuilding.documents_of(shard, opened, manifest)
        published, shared = open_published_shard(documents), open_torrent(documents.torrent)
    place = rebuilding.place_of(shard, published) if out is None else out
    with first_working_reader(shared, remote, place.with_name(f".{place.name}.swarm")) as fetch:
        return rebuilding.rebuild(
            published,
            as_paths(sources),
            place,
            index=default_index(os.environ) if index is None else index,
            workers=worker_count(processes),
            fetch=fetch,
            progress=progress,
        )
