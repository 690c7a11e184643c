"""`packager torrent`."""

import os
from pathlib import Path
from typing import Annotated, cast

import typer

from packager import api, units
from packager.cli import output, progress_bars
from packager.cli.common_options import Json, Workers, processes
from packager.core.bittorrent import magnet
from packager.core.config import option_values, url_values
from packager.core.reports.reports import TorrentReport
from packager.core.shards.path_patterns import PatternFilter
from packager.errors import InputError
from packager.model import Infohash, Version
from packager.share.make_torrent import TorrentSpec
from packager.units import count_of, format_seconds, format_size

_WEB_SEED = "A folder on the web that holds the file or folder, or the file itself (BEP 19); may be given again."
_DATE = "Its date, as 2026-11-21. Default: that of SOURCE_DATE_EPOCH, else none: equal files give an equal .torrent."


def torrent(
    path: Annotated[Path, typer.Argument(help="The file or folder, which is read where it lies.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The .torrent, or a folder for it. Default: NAME.torrent here.", metavar="PATH"
        ),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="hybrid (v1 and v2 at once), v1 or v2.", metavar="FORMAT")
    ] = "hybrid",
    piece_length: Annotated[
        str, typer.Option(help='A power of two from 16 KiB to 16 MiB, as "1 MiB", or auto.', metavar="SIZE")
    ] = "auto",
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker", "-t", help="A tier of trackers, with commas between; may be given again.", metavar="URL"
        ),
    ] = None,
    web_seed: Annotated[list[str] | None, typer.Option("--web-seed", help=_WEB_SEED, metavar="URL")] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            "-i",
            help='Include only names like this, as "*.flac" or "cd1/*". Repeatable.',
            metavar="PATTERN",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-x", help="Exclude names like this. Repeatable.", metavar="PATTERN"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The torrent's name. Default: that of PATH.")] = None,
    comment: Annotated[str, typer.Option(help="A text for people, outside the infohash.", metavar="TEXT")] = "",
    source: Annotated[
        str,
        typer.Option(help="A text inside the infohash, which tells it from the same files elsewhere.", metavar="TEXT"),
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Peers from its trackers alone (BEP 27).")] = False,
    similar: Annotated[
        list[str] | None,
        typer.Option(help="v1 infohash of a torrent that shares files (BEP 38); again.", metavar="INFOHASH"),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="A name that torrents with shared files have (BEP 38); again.", metavar="NAME"),
    ] = None,
    creation_date: Annotated[str | None, typer.Option(help=_DATE, metavar="DATE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a .torrent that is there.")] = False,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Make a .torrent of a file or folder where it lies.

    No shard, no tar, nothing copied; each byte is read once, by all cores.

    Example: packager torrent music/ --tracker udp://tracker.example:1337/announce
    """
    wanted = TorrentSpec(
        version=cast(Version, option_values.one_of("hybrid", "v1", "v2")(format_, "--format")),
        name=name,
        piece_length=option_values.piece_length(piece_length, "--piece-length"),
        trackers=url_values.trackers([tier.split(",") for tier in tracker or ()], "--tracker"),
        web_seeds=tuple(url_values.url(url, "--web-seed", url_values.WEB) for url in web_seed or ()),
        comment=option_values.text(comment, "--comment"),
        source=option_values.line(source, "--source"),
        private=private,
        similar=tuple(_infohash(text) for text in similar or ()),
        collections=tuple(option_values.title(each, "--collection") for each in collection or ()),
        creation_date=_date(creation_date),
        filter=PatternFilter(include or (), exclude or ()),
    )
    with progress_bars.show_progress(json=json) as progress:
        report = api.torrent(path, wanted, out=out, force=force, processes=processes(workers), progress=progress)
    output.show(report, show, json=json)


def _infohash(text: str) -> Infohash:
    """Return a v1 infohash in hex."""
    found = magnet.parse_magnet(f"{magnet.SCHEME}xt=urn:btih:{text}", "--similar").infohash_v1
    assert found is not None
    return found


def _date(written: str | None) -> str | None:
    """Return the creation date: as given, else that of SOURCE_DATE_EPOCH, else none."""
    if written is not None:
        return units.parse_date(written, "--creation-date")
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return None
    if not epoch.isascii() or not epoch.isdigit() or len(epoch) > 11:
        raise InputError("SOURCE_DATE_EPOCH", f'"{epoch}" is no number of seconds')
    return units.date_of(int(epoch))


def show(report: TorrentReport) -> None:
    """Print what was made; the magnet link stands last, alone on its line."""
    for oddity in report.left_out:
        output.stderr_console(f"packager: left out: {oddity.where}: {oddity.what}")
    files = count_of(report.files, "file")
    pieces = f"{count_of(report.pieces, 'piece')} of {format_size(report.piece_length)}"
    rate = f", {format_size(round(report.size / report.seconds))}/s" if report.seconds else ""
    output.print_message(f"{report.torrent}: {report.version}, {files}, {format_size(report.size)} in {pieces}")
    output.print_message(
        f"hashed in {format_seconds(report.seconds)}{rate}; the .torrent has {format_size(report.torrent_size)}"
    )
    for version, infohash in (("v1", report.infohash_v1), ("v2", report.infohash_v2)):
        if infohash:
            output.print_message(f"infohash {version}: {infohash}")
    output.print_message(report.magnet)
