"""`repair` a shard in place, or `rebuild` it from loose files."""

import os
from collections.abc import Sequence

from packager.api.arguments import AnyPath, as_locations, as_path, as_text
from packager.api.workers import worker_count
from packager.check.repair import rebuild as rebuilding
from packager.check.repair import repair as repairing
from packager.check.repair.bad_pieces_in_report import read_bad_pieces
from packager.check.repair.expected_shard import open_expected_shard
from packager.check.repair.rebuild import RebuildOptions
from packager.check.repair.repair import RepairOptions
from packager.core.reports.check_reports import RebuildReport, RepairReport
from packager.engine.files.shard_torrent import FolderTorrent, open_torrent
from packager.engine.hashing.file_index import default_index
from packager.engine.network.remote_readers import first_working_reader, split_sources
from packager.engine.published.open_release import documents_of_shards
from packager.engine.published.published_shard import open_published_shard
from packager.errors import InputError
from packager.progress import SILENT, Progress


def repair(
    shard: AnyPath,
    sources: AnyPath | Sequence[AnyPath] = (),
    options: RepairOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> RepairReport:
    """Repair a shard's tar in place: fetch only its bad pieces, and check each before it is written.

    sources: other tars and folders of loose files, which are read first; addresses; "swarm". The web seeds of the
    shard's torrent are also used, unless options.network excludes them. The report lists what could not be repaired.
    Raises InputError if the tar, a document or an address is wrong, TrustError if documents disagree, IncompleteError
    if the disk fails.
    """
    shard = as_path(shard)
    options = options or RepairOptions()
    manifest, torrent, report = options.manifest, options.torrent, options.report
    copies, network = split_sources(as_locations(sources), options.network.trusting(options.release))
    with documents_of_shards(
        options.release, as_text(options.key), [shard], progress, beside=manifest or torrent, allowed=network.allowed
    ) as opened:
        target = open_expected_shard(shard, release=opened, manifest=manifest, torrent=torrent)
    if report is not None and isinstance(target.file, FolderTorrent):
        what = "cannot be used with a shard that is a folder"
        raise InputError("--report", what, "leave it out: then all pieces are checked")
    return repairing.repair(
        shard,
        target,
        copies,
        network,
        only=None if report is None else read_bad_pieces(report, shard, target.pieces.count),
        workers=worker_count(options.workers),
        dry_run=options.dry_run,
        progress=progress,
    )


def rebuild(
    shard: AnyPath,
    sources: AnyPath | Sequence[AnyPath] = (),
    to: AnyPath | None = None,
    options: RebuildOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> RebuildReport:
    """Write a shard's tar again, byte for byte, from the loose files in folders.

    shard: its name, or the path of its tar or manifest. sources: folders; and addresses or "swarm" for members that no
    folder has. If a member is missing everywhere, nothing is written and the report lists it. Raises InputError,
    TrustError if its documents disagree, IncompleteError if the disk is full.
    """
    shard, to, options = as_path(shard), as_path(to), options or RebuildOptions()
    release, manifest = options.release, options.manifest
    named = shard if shard.name.endswith(".manifest.json") else manifest
    folders, network = split_sources(as_locations(sources), options.network.trusting(release))
    is_remote = bool(network.web_seeds) or network.is_swarm_asked
    asked = network if is_remote and not options.dry_run else None
    if not folders and not is_remote:
        raise InputError("", "no source is named", "add --from DIR or --from swarm")
    with documents_of_shards(
        release, as_text(options.key), [shard], progress, beside=named, allowed=network.allowed
    ) as opened:
        documents = rebuilding.documents_of(shard, opened, manifest)
        published, shared = open_published_shard(documents), open_torrent(documents.torrent)
    place = rebuilding.place_of(shard, published) if to is None else to
    with first_working_reader(shared, asked, place.with_name(f".{place.name}.swarm")) as fetch:
        return rebuilding.rebuild(
            published,
            folders,
            place,
            index=options.index or default_index(os.environ),
            workers=worker_count(options.workers),
            dry_run=options.dry_run,
            fetch=fetch,
            progress=progress,
        )
