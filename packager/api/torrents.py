"""`torrent`: a .torrent of any file or folder, without a project."""

from packager.api.arguments import AnyPath, as_path
from packager.api.workers import worker_count
from packager.core.reports.reports import TorrentReport
from packager.progress import SILENT, Progress
from packager.share import make_torrent as torrents
from packager.share.make_torrent import TorrentSpec


def torrent(
    path: AnyPath,
    spec: TorrentSpec | None = None,
    *,
    to: AnyPath | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> TorrentReport:
    """Make a .torrent of the file or folder at `path`, and return its contents.

    spec: version, pieces, links, filter and others; None: a hybrid of all files, without links. to: the .torrent, or a
    folder for it; None: NAME.torrent in the current folder. overwrite: replace an existing file. dry_run: write
    nothing. Raises InputError if no torrent can be made of `path`, IncompleteError if a file cannot be read or changes
    during the run.
    """
    return torrents.make_torrent(
        as_path(path),
        spec or TorrentSpec(),
        to=as_path(to),
        overwrite=overwrite,
        dry_run=dry_run,
        processes=worker_count(workers),
        progress=progress,
    )
