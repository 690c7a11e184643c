"""`packager estimate`."""

from typing import Annotated

import typer

from packager import api
from packager.cli import output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json, Workers, processes
from packager.core.estimates.estimate import EstimatedFit, EstimateReport, parse_count
from packager.errors import InputError
from packager.units import count_of, format_seconds, format_size, parse_size

_TB = 10**12
_BASIS = {
    "plan": "from the plan",
    "catalogue": "from the catalogue; packager plan makes it exact",
    "description": "from these numbers alone, with usual names and tags",
}


def estimate(
    config: Config = DEFAULT_CONFIG,
    *,
    records: Annotated[
        str | None, typer.Option(help="How many files, where there is no project yet: 86M.", metavar="N")
    ] = None,
    bytes_: Annotated[str | None, typer.Option("--bytes", help="Their bytes together: 300TB.", metavar="SIZE")] = None,
    shard_size: Annotated[
        str | None, typer.Option(help="A bound on shards other than the project's.", metavar="SIZE")
    ] = None,
    upload: Annotated[float, typer.Option(help="Mbit a second that can be sent.", metavar="MBIT")] = 1000,
    copies: Annotated[int, typer.Option(help="How often all is sent until others send it on.", metavar="N")] = 1,
    disk: Annotated[str, typer.Option(help="What a disk holds.", metavar="SIZE")] = "20TB",
    price: Annotated[float, typer.Option(help="What a TB of disk costs.", metavar="MONEY")] = 15,
    budget: Annotated[str | None, typer.Option(help="Say how much of the catalogue fits here.", metavar="SIZE")] = None,
    workers: Workers = "auto",
    json: Json = False,
) -> None:
    """Say what a release will take: shards, torrents, time, disks.

    Hashing is measured on this machine, in half a second.

    Example: packager estimate --records 86M --bytes 300TB --copies 4
    """
    if (records is None) != (bytes_ is None):
        raise InputError("--records" if records is None else "--bytes", "is missing", "give both, or neither")
    if not 0 < upload < 1e9:
        raise InputError("--upload", f"{upload:g} is not a rate", "write Mbit a second, more than 0")
    if not 0 <= price < 1e9:
        raise InputError("--price", f"{price:g} is not a price", "write a number from 0 to 1,000,000,000")
    if not 0 <= copies < 10**6:
        raise InputError("--copies", f"{copies} is not a number of copies", "write a number from 0 to 1,000,000")
    report = api.estimate(
        config,
        described=None
        if records is None or bytes_ is None
        else (parse_count(records, "--records"), parse_size(bytes_, "--bytes")),
        shard_size=parse_size(shard_size, "--shard-size", least=1) if shard_size is not None else None,
        upload_mbit=upload,
        copies=copies,
        disk=parse_size(disk, "--disk", least=1),
        price=price,
        budget=parse_size(budget, "--budget") if budget is not None else None,
        processes=processes(workers),
    )
    output.show(report, show, json=json)


def show(report: EstimateReport) -> None:
    """Print an estimate as tables."""
    cores = "one core" if report.workers == 1 else f"{report.workers} cores"
    copies = "one copy" if report.copies == 1 else f"{report.copies:,} copies"
    rows = [
        ("records", f"{report.records:,}"),
        ("files", f"{report.files:,}, {format_size(report.payload)}"),
        ("shards", f"{report.shards:,}, {format_size(report.size)} of tars"),
        (".torrents", f"{format_size(report.torrents)}; the largest {format_size(report.torrent_size)}"),
        ("pieces", format_size(report.piece_length)),
        (
            "site",
            f"{format_size(report.site)}: members tables {format_size(report.tables)}, "
            f"pages {format_size(report.pages)}",
        ),
        ("hashing", f"{format_seconds(report.hash_seconds)} on {cores} at {format_size(round(report.rate))}/s each"),
        (
            "read, written",
            f"{format_size(report.moved)}: {format_seconds(report.line_seconds)} through 10 Gbit/s,"
            f" {format_seconds(report.disk_seconds)} by disks of 1 GB/s together",
        ),
        (
            "upload",
            f"{format_seconds(report.upload_seconds)} for {copies} at {report.upload_mbit:g} Mbit/s",
        ),
    ]
    output.print_table(("what", _BASIS[report.basis]), rows)
    stores = [
        (f"kept {store.way}", format_size(store.size), f"{store.disks:,}", f"{store.price:,.0f}")
        for store in report.stores
    ]
    output.print_table(
        ("beside the collection", "bytes", f"disks of {report.disk / _TB:g} TB", f"money at {report.price:g} a TB"),
        stores,
        right=(1, 2, 3),
    )
    for fit in report.fits:
        output.print_message(_fit(fit, report))


def _fit(fit: EstimatedFit, report: EstimateReport) -> str:
    """Return what of the catalogue a budget holds, in a sentence."""
    word = "year" if fit.order == "earliest years first" else "popularity"
    until = f"up to {word} {fit.until:g}" if fit.until is not None else f"of no known {word}"
    more = f", and {fit.unknown:,} of none" if fit.unknown and fit.until is not None else ""
    share = f"{100 * fit.size / report.payload:.1f} %" if report.payload else "nothing"
    return (
        f"{format_size(report.budget or 0)}, {fit.order}: {count_of(fit.files, 'file')}, {format_size(fit.size)}"
        f" ({share}), {until}{more}"
    )
