"""Estimate shards, torrents, site, time, disks and cost of a release, from its plan, its catalogue or two numbers.

Pure arithmetic. If there is a plan, its shards are exact; otherwise they are computed from totals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from packager.core.bittorrent.build_torrent import torrent_size
from packager.core.bittorrent.piece_length import choose_piece_length
from packager.core.shards import bag, build_tar_header, layout, tar_layout
from packager.core.shards.cut_shards import MOST_SHARDS, shard_name
from packager.errors import InputError
from packager.model import FrozenStruct, Plan
from packager.option_fields import WORKERS, option
from packager.options import ShardOptions, TorrentOptions
from packager.units import parse_count, parse_rate, parse_size

# Average bytes in releases of this tool. Tables and pages depend on the length of tags.
PATH = 40  # a member's path
LINE = 250  # a member's line in records.jsonl
TABLE_ROW = 100  # a row of a members table; 32 of them are an incompressible digest
PAGE = 26_500  # a shard's page with 200 members
LISTED = (
    3_600  # a shard in release.json (twice), torrents.json, magnets (twice), SHA256SUMS, its phase's page, manifest
)
_BAG_INFO = 300  # bag-info.txt
_LINE = 10**10 // 8  # bytes per second: 10 Gbit/s
_DISKS = 10**9

Basis: TypeAlias = Literal["plan", "catalogue", "description"]
Order: TypeAlias = Literal["earliest years first", "most popular first"]


class EstimatedStore(FrozenStruct, frozen=True, kw_only=True):
    """One way to keep all copies of a release: bytes without the collection, number of disks, price."""

    way: Literal["with tars", "without tars"]
    size: int
    disks: int
    price: float


class EstimatedFit(FrozenStruct, frozen=True, kw_only=True):
    """The part of a collection that fits a budget, in one order. until: the last year or popularity that fits."""

    order: Order
    files: int
    size: int
    until: float | None  # None: unknown for all of them
    unknown: int  # files among them without a known value; they come last


class EstimateReport(FrozenStruct, frozen=True, kw_only=True):
    """The report of `estimate`. Sizes are bytes, durations seconds, prices in the unit of the option."""

    basis: Basis
    records: int
    files: int
    payload: int
    shards: int
    size: int  # of all tars
    piece_length: int  # of the largest shard
    torrent_size: int  # of the largest shard
    torrents: int  # of all .torrents
    tables: int  # of all members tables
    pages: int  # pages, lists and documents
    site: int  # torrents, tables, pages
    rate: float  # bytes per second that one core hashes with all selected algorithms
    workers: int
    hash_seconds: float
    moved: int  # bytes that packing reads and writes; half of them for virtual shards
    line_seconds: float  # for these bytes at 10 Gbit/s
    disk_seconds: float  # for these bytes with disks that read and write 1 GB/s in total
    upload_rate: int
    copies: int
    upload_seconds: float  # of all copies
    years: float
    disk_size: int
    price: float  # of a TB for a year
    stores: tuple[EstimatedStore, ...]
    budget: int | None
    fits: tuple[EstimatedFit, ...]


@dataclass(frozen=True)
class FileTotals:
    """Totals of files that are cut into shards together: payload, paths and lines in bytes."""

    files: int
    payload: int
    paths: int
    lines: int


@dataclass(frozen=True)
class ShardTotals:
    """Totals of shards: number, bytes of all tars and .torrents, and the largest shard's piece length and .torrent."""

    shards: int
    size: int
    torrents: int
    piece_length: int
    torrent_size: int


@dataclass(frozen=True)
class EstimateOptions:
    """What is estimated, and for which line, disks and prices.

    rate: bytes per second that one core hashes; None: measured.
    """

    records: int | None = option("Number of files, such as 86M.", metavar="N", parse=parse_count)
    size: int | None = option('Their total size, such as "300 TB".', metavar="SIZE", parse=parse_size)
    shard_size: int | None = option(
        "Maximum size of a shard. Default: the project's, or 64 GiB.",
        metavar="SIZE",
        parse=partial(parse_size, least=1),
    )
    budget: int | None = option("Show how much of the catalogue fits into this size.", metavar="SIZE", parse=parse_size)
    upload_rate: int = option("Rate of the upload.", "1 Gbit/s", metavar="RATE", parse=partial(parse_rate, least=1))
    copies: int = option("Number of copies to keep and to upload.", 1, metavar="N")
    years: float = option("Number of years to keep them.", 1, metavar="N")
    disk_size: int = option("Size of a disk.", "20 TB", metavar="SIZE", parse=partial(parse_size, least=1))
    price: float = option("Price of a TB of disk for a year.", 15, metavar="N")
    workers: int | None = option(WORKERS)
    rate: float | None = None

    def check(self) -> None:
        """Raise InputError for a number out of its bounds, and if only one of records and size is given."""
        if (self.records is None) != (self.size is None):
            given, other = ("--size", "--records") if self.records is None else ("--records", "--size")
            raise InputError("", f"{given} needs {other}", f"add {other}")
        if self.upload_rate < 1:
            raise InputError("--upload-rate", f"{self.upload_rate} bytes per second is too slow", "write a higher rate")
        if not 0 <= self.price < 1e9:
            raise InputError("--price", f"{self.price:g} is not a price", "write a number from 0 to 1,000,000,000")
        if not 0 <= self.years < 1000:
            raise InputError("--years", f"{self.years:g} is not a number of years", "write a number from 0 to 1,000")
        if not 0 <= self.copies < 10**6:
            raise InputError(
                "--copies", f"{self.copies} is not a number of copies", "write a number from 0 to 1,000,000"
            )


def described(files: int, payload: int) -> FileTotals:
    """Return totals if only the number and size of the files are known."""
    return FileTotals(files, payload, files * PATH, files * LINE)


def cut(lot: FileTotals, prefix: tuple[str, str], shards: ShardOptions, torrents: TorrentOptions) -> ShardTotals:
    """Return the shards that next-fit makes of these totals; the number may be off by one.

    prefix: names of the collection and the phase. Each member adds a header, half a block of padding and its lines;
    each shard but the last leaves half a member's size unused.
    """
    name = shard_name(*prefix, MOST_SHARDS)
    fixed = tar_layout.fixed_cost(name, _BAG_INFO)
    if not lot.files:
        return ShardTotals(0, 0, 0, 0, 0)
    manifest = lot.paths + lot.files * bag.manifest_line_size(len(layout.PAYLOAD))
    bytes_ = lot.payload + lot.files * (build_tar_header.BLOCK + build_tar_header.BLOCK // 2) + lot.lines + manifest
    room = shards.size - fixed - bytes_ // lot.files // 2
    count = max(1, math.ceil(bytes_ / room)) if room > 0 else lot.files
    size = bytes_ + count * fixed
    each = -(-size // count) if count < 2 else min(shards.size, -(-size // max(1, count - 1)))
    piece_length = torrents.piece_length or choose_piece_length(each, torrents.format)
    one = torrent_size(f"{name}.tar", each, piece_length, torrents)
    last = torrent_size(f"{name}.tar", max(1, size - (count - 1) * each), piece_length, torrents)
    return ShardTotals(count, size, (count - 1) * one + last, piece_length, one)


def planned(plan: Plan) -> ShardTotals:
    """Return the totals of a plan's shards, which are exact."""
    every = [shard for phase in plan.phases for shard in phase.shards]
    largest = max(every, key=lambda shard: shard.size)
    return ShardTotals(
        shards=len(every),
        size=sum(shard.size for shard in every),
        torrents=sum(shard.torrent_size for shard in every),
        piece_length=largest.piece_length,
        torrent_size=largest.torrent_size,
    )


def estimate(
    basis: Basis,
    *,
    records: int,
    lot: FileTotals,
    shards: ShardTotals,
    rate: float,
    workers: int,
    options: EstimateOptions,
    fits: Sequence[EstimatedFit] = (),
) -> EstimateReport:
    """Return the report for shards and options. rate: bytes per second that one worker hashes."""
    tables = lot.files * TABLE_ROW
    pages = shards.shards * (PAGE + LISTED)
    site = shards.torrents + tables + pages
    return EstimateReport(
        basis=basis,
        records=records,
        files=lot.files,
        payload=lot.payload,
        shards=shards.shards,
        size=shards.size,
        piece_length=shards.piece_length,
        torrent_size=shards.torrent_size,
        torrents=shards.torrents,
        tables=tables,
        pages=pages,
        site=site,
        rate=rate,
        workers=workers,
        hash_seconds=shards.size / rate / workers,
        moved=2 * shards.size,
        line_seconds=2 * shards.size / _LINE,
        disk_seconds=2 * shards.size / _DISKS,
        upload_rate=options.upload_rate,
        copies=options.copies,
        upload_seconds=shards.size * options.copies / options.upload_rate,
        years=options.years,
        disk_size=options.disk_size,
        price=options.price,
        stores=(_store("with tars", shards.size + site, options), _store("without tars", site, options)),
        budget=options.budget,
        fits=tuple(fits),
    )


def _store(way: Literal["with tars", "without tars"], size: int, options: EstimateOptions) -> EstimatedStore:
    """Return disks and price for all copies of `size` bytes. The price is for the bytes, not for complete disks."""
    disks = -(-size // options.disk_size) * options.copies
    price = round(size / 10**12 * options.price * options.copies * options.years, 2)
    return EstimatedStore(way=way, size=size * options.copies, disks=disks, price=price)
