"""`packager estimate`."""

from packager import api
from packager.cli import output
from packager.cli.common_options import DEFAULT_CONFIG, Config, Json
from packager.cli.option_groups import with_options
from packager.core.estimates.estimate import EstimatedFit, EstimateOptions, EstimateReport
from packager.units import count_of, format_limit, format_seconds, format_size

_BASIS = {
    "plan": "from the plan",
    "catalogue": "from the catalogue; packager plan makes it exact",
    "description": "from these numbers alone, with usual names and tags",
}


@with_options(options=EstimateOptions)
def estimate(
    config: Config = DEFAULT_CONFIG,
    *,
    options: EstimateOptions,
    json: Json = False,
) -> None:
    """Estimate the size, time and cost of a release.

    The speed of hashing is measured on this machine for half a second.

    Example: packager estimate --records 86M --size "300 TB" --copies 4
    """
    report = api.estimate(config, options)
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
            f"{format_seconds(report.upload_seconds)} for {copies} at {_line(report.upload_rate)}",
        ),
    ]
    output.print_table(("what", _BASIS[report.basis]), rows)
    stores = [
        (store.way, format_size(store.size), f"{store.disks:,}", f"{store.price:,.0f}") for store in report.stores
    ]
    output.print_table(
        (f"{copies} without the collection", "size", f"disks of {format_limit(report.disk_size)}", "price"),
        stores,
        right=(1, 2, 3),
    )
    for fit in report.fits:
        output.print_message(_fit(fit, report))
    store = report.stores[0]
    years = "1 year" if report.years == 1 else f"{report.years:g} years"
    output.print_message(f"In total: {count_of(store.disks, 'disk')}, {store.price:,.0f} for {years}.")


def _line(rate: int) -> str:
    """Return the rate of a line in bits per second, as providers do."""
    mbit = rate * 8 / 10**6
    return f"{mbit / 1000:g} Gbit/s" if mbit >= 1000 else f"{mbit:g} Mbit/s"


def _fit(fit: EstimatedFit, report: EstimateReport) -> str:
    """Return a sentence about what fits into a budget."""
    word = "year" if fit.order == "earliest years first" else "popularity"
    until = f"up to {word} {fit.until:g}" if fit.until is not None else f"of no known {word}"
    more = f", and {fit.unknown:,} of none" if fit.unknown and fit.until is not None else ""
    share = f"{100 * fit.size / report.payload:.1f} %" if report.payload else "nothing"
    return (
        f"{format_limit(report.budget or 0)}, {fit.order}: {count_of(fit.files, 'file')}, {format_size(fit.size)}"
        f" ({share}), {until}{more}"
    )
