"""How anybody makes a torrent of files that lie somewhere, without a project."""

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
    """Make a .torrent of the file or folder at `path` where it lies, and return what it says.

    spec: version, pieces, links, filter and what else; None: a hybrid with nothing but the files. to: the
    .torrent, or a folder for it; None: NAME.torrent in the current folder. overwrite: replace what is there. dry_run:
    write nothing. Raises InputError if `path` gives no torrent, IncompleteError if a file cannot be read or changes
    meanwhile.
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
