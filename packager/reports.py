"""What each command found or did, as frozen facts: the screen prints them, `--json` writes them.

Sizes are bytes, durations seconds. Fields are only ever added.
"""

from typing import Literal, TypeAlias

from packager.model import Plan, ReleasePhase, State, Struct, Version


class Oddity(Struct, frozen=True, kw_only=True):
    """Something about a source file or record that the archivist should know; nothing was dropped."""

    where: str  # the path or record, fit to be shown
    what: str


class ScanReport(Struct, frozen=True, kw_only=True):
    """What `scan` saw. `oddities` holds the first few; `oddity_count` counts all."""

    files: int
    bytes: int
    records: int  # rows of the catalogue, with and without a file
    metadata_only: int
    tags_read: int  # files whose tags were read now; the others were unchanged since the last scan
    kinds: dict[str, int]
    oddity_count: int
    oddities: tuple[Oddity, ...]
    changed: bool  # whether the catalogue is other than it was


class PlanReport(Struct, frozen=True, kw_only=True):
    """The plan, and whether it was made anew or still stands."""

    plan: Plan
    changed: bool


class PackReport(Struct, frozen=True, kw_only=True):
    """What `pack` did: shards packed now, and those that were whole already."""

    packed: int
    already: int
    elsewhere: int  # of those: published, and their tars are not here
    bytes: int  # read and hashed now
    seconds: float
    failed: tuple[Oddity, ...]  # shards that could not be packed, and why


class PublishReport(Struct, frozen=True, kw_only=True):
    """What `publish` put in place."""

    serial: int
    changed: bool  # False: the site already shows this
    date: str
    index: str  # the path of index.html
    phases: tuple[ReleasePhase, ...]
    shards: int
    size: int  # bytes of the published tars
    files: int  # of the site


class ReleaseReport(Struct, frozen=True, kw_only=True):
    """The four steps of `release`."""

    scan: ScanReport
    plan: PlanReport
    pack: PackReport
    publish: PublishReport


class StatusPhase(Struct, frozen=True, kw_only=True):
    """How far one phase is."""

    name: str
    title: str
    state: State
    shards: int
    packed: int
    size: int  # bytes of its tars
    left: int  # bytes still to pack


class StatusReport(Struct, frozen=True, kw_only=True):
    """What is done, what is next, and how long that may take at the rate so far."""

    scanned: bool
    records: int
    planned: bool
    phases: tuple[StatusPhase, ...]
    left: int  # bytes still to pack
    seconds_left: float | None  # None: nothing was packed yet to judge by
    serial: int | None  # of the last release
    next: str  # the command that goes on, or "" where all is done
    strangers: tuple[str, ...]  # tars in shards.directory that the plan does not know


SeedState: TypeAlias = Literal["waiting", "checking", "seeding", "incomplete", "failed"]


class SeededTorrent(Struct, frozen=True, kw_only=True):
    """One torrent as it was shared. uploaded: bytes of the file sent to peers."""

    name: str
    version: Version
    state: SeedState
    proved: bool  # read in full by us in this run, so libtorrent did not read it again
    uploaded: int
    what: str  # why it failed


class SeedReport(Struct, frozen=True, kw_only=True):
    """What `seed` shared until it ended."""

    seconds: float
    port: int  # that peers reached us at
    uploaded: int
    peers: int  # the most at once
    torrents: tuple[SeededTorrent, ...]
    refused: tuple[Oddity, ...]  # tars that were not shared, and why
