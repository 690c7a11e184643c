"""`serve`: a web server for the site and the shards, with or without tars."""

from pathlib import Path

from packager import units
from packager.api.arguments import AnyPath, as_path
from packager.core.http.listen_address import parse_listen
from packager.core.reports.reports import ServeReport
from packager.engine.project import load_project
from packager.errors import InputError
from packager.paths import display_text
from packager.progress import SILENT, Progress
from packager.serve.processes import ListenAddress
from packager.serve.processes import serve as run_server
from packager.serve.server import ServeOptions
from packager.serve.shard_cache import ReleaseListing
from packager.units import count_of


def serve(
    config: AnyPath,
    *,
    listen: str = "127.0.0.1:8000",
    workers: int = 1,
    check_pieces: bool = False,
    cache_size: int = 256 * units.MIB,
    log: AnyPath | None = None,
    progress: Progress = SILENT,
) -> ServeReport:
    """Serve the site and every published shard by HTTP until SIGTERM or SIGINT, and return what was sent.

    The bytes of a shard come from its tar, or from the sources if there is no tar. listen: [HOST]:PORT; port 0: any
    free one. workers: processes that share the port. check_pieces: hash each piece before it is sent. cache_size:
    maximum bytes of layouts in memory, per process. log: a file to which each request adds a line; None: stderr. Raises
    InputError if nothing is published, or if the address cannot be used.
    """
    address, port = parse_listen(listen)
    if workers < 1:
        raise InputError("--workers", f"{workers} is less than 1", "write a number from 1 on")
    options, project = load_project.load_project(as_path(config), inputs=False)

    def ready(url: str, listing: ReleaseListing) -> None:
        for each in listing.shards.values():
            if each.withheld is not None:
                what = "only in part" if each.withheld.partly else "not"
                progress.note(f"{each.name}: {what} served: {each.withheld.reason}")
        progress.note(f"serving {count_of(len(listing.shards), 'shard')} at {url}shards/NAME.tar, the site at {url}")
        source, tars = project.source_location, project.shards_location
        if isinstance(source, Path) and not source.is_dir():
            where = f"{options.source_key}: {display_text(str(source))}"
            if isinstance(tars, Path):
                gone = [each.name for each in listing.shards.values() if not project.tar(each.name).is_file()]
                for name in gone:
                    progress.note(f"{name}: not served: it has no tar, and its source files are missing")
            progress.note(f"{where}: not found; only existing tars are served")
        if not options.torrents.web_seeds:
            progress.note("no torrent has a web seed: set torrents.web_seeds to this server's public address + shards/")

    serving = ServeOptions(project, cache_size, check_pieces)
    return run_server(serving, ListenAddress(address, port, as_path(log)), processes=workers, ready=ready)
