"""The variables of each page of the site, made from a release. No I/O, no HTML.

The fields of each class are the variables of its template; release_templates/README.md describes them.
"""

import html
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, ClassVar, TypedDict

import pyarrow as pa

from packager.core.bittorrent.magnet import MagnetMember, member_field
from packager.core.releases.metalink import metalink_path
from packager.core.releases.release_changes import ReleaseChanges, changes_in, page, phase_dates
from packager.core.releases.seed_counts import Counted, SeedSpread, spread
from packager.core.releases.withheld_shards import SharingRule
from packager.model import Release, ReleasePhase, ReleaseShard, ShardName
from packager.publish.site.filters import has_page

SHARDS_ON_A_PAGE = 200  # keeps a page under 200 KB if magnet links have six trackers
MEMBERS_ON_A_PAGE = 200
LINKS_ON_A_PAGE = 48 << 10  # maximum bytes of all magnet links to members
CHANGES_ON_A_PAGE = 400
BAR = 1000  # length of the size bar, in units
_SHORTEST = 6  # units, so that the smallest phase is visible
SERIALS = 10  # earlier releases with a link on the front page

# The first `count` rows of a shard's members table, with the columns of model.MEMBERS.
ReadMembers = Callable[[ReleaseShard, int], pa.Table]


@dataclass(frozen=True)
class Totals:
    """Counts of what is published and planned. Sizes are of tars, in bytes."""

    records: int  # rows of the catalogue
    files: int
    size: int
    shards: int
    planned_files: int
    planned_size: int
    planned_shards: int


@dataclass(frozen=True)
class PhaseShare:
    """A phase's part of the size bar: position and length in units, and its share of all bytes as text."""

    phase: ReleasePhase
    tone: int  # from 1 to 6: a colour of the style sheet
    start: int
    length: int
    percent: str
    opened: str  # date of its first shard (`grown`: newest); "" if none is published
    grown: str


@dataclass(frozen=True)
class Page:
    """The variables of every template. root: relative path from the page's folder to the site: "" or "../../"."""

    template: ClassVar[str]

    path: str
    root: str
    release: Release
    totals: Totals
    signed: bool  # the site has release.json.minisig, SHA256SUMS.minisig and minisign.pub
    counted: Mapping[ShardName, Counted]  # the known seed counts of shards
    seeds: SeedSpread | None  # summary of the seed counts; None if nothing is known
    offered: Collection[ShardName]  # the shards that pages may link to
    withheld: Mapping[ShardName, str]  # the withheld shards, and why


@dataclass(frozen=True)
class IndexPage(Page):
    """The front page."""

    template: ClassVar[str] = "index.html"

    shares: Sequence[PhaseShare]
    bar: int
    has_v1: bool
    serials: Sequence[int]
    changes: ReleaseChanges


@dataclass(frozen=True)
class ReleasePage(Page):
    """The changes in release `serial`, this one or an earlier one. date: "" if it is unknown."""

    template: ClassVar[str] = "release.html"

    serial: int
    date: str
    changes: ReleaseChanges
    most: int  # maximum number of listed shards of each kind


@dataclass(frozen=True)
class PhasePage(Page):
    """One page of a phase's shards. numbers: the file name of each of the phase's pages, by page number."""

    template: ClassVar[str] = "phase.html"

    phase: ReleasePhase
    shards: Sequence[ReleaseShard]
    number: int
    numbers: Mapping[int, str]
    has_v1: bool


@dataclass(frozen=True)
class ShardPage(Page):
    """A shard's page. before, after: the neighbouring shards in the phase. members: the first rows.

    links: a magnet link for each of the first members. metalink: the path of NAME.meta4, or "".
    """

    template: ClassVar[str] = "shard.html"

    phase: ReleasePhase
    shard: ReleaseShard
    before: ReleaseShard | None
    after: ReleaseShard | None
    members: Sequence[Mapping[str, Any]]
    links: Sequence[str]
    metalink: str


class _Shared(TypedDict):
    """The fields of Page that are the same on every page."""

    release: Release
    totals: Totals
    signed: bool
    counted: Mapping[ShardName, Counted]
    seeds: SeedSpread | None
    offered: Collection[ShardName]
    withheld: Mapping[ShardName, str]


def totals(release: Release) -> Totals:
    """Return the totals of a release."""
    published = [phase for phase in release.phases if phase.state == "published"]
    return Totals(
        records=release.catalogue_records,
        files=sum(phase.files for phase in published),
        size=sum(phase.size for phase in published),
        shards=sum(phase.shards for phase in published),
        planned_files=sum(phase.files for phase in release.phases),
        planned_size=sum(phase.size for phase in release.phases),
        planned_shards=sum(phase.shards for phase in release.phases),
    )


def shares(
    phases: Sequence[ReleasePhase], dates: Mapping[str, tuple[str, str]] = MappingProxyType({})
) -> tuple[PhaseShare, ...]:
    """Return each phase's part of the size bar. The parts fill BAR units, or slightly more if some are tiny.

    dates: by phase, the dates of its first and newest shard.
    """
    total = sum(phase.size for phase in phases)
    made: list[PhaseShare] = []
    start = 0
    for order, phase in enumerate(phases):
        length = max(_SHORTEST, round(BAR * phase.size / total)) if phase.size else 0
        opened, grown = dates.get(phase.name, ("", ""))
        made.append(PhaseShare(phase, order % 6 + 1, start, length, _percent(phase.size, total), opened, grown))
        start += length
    return tuple(made)


def _percent(size: int, total: int) -> str:
    """Return a share as text: "0 %", "under 0.1 %", "12.5 %"."""
    if not size:
        return "0 %"
    tenths = 1000 * size // total
    return "under 0.1 %" if not tenths else "100 %" if size == total else f"{tenths // 10}.{tenths % 10} %"


def count_pages(release: Release) -> int:
    """Return how many pages `pages` yields."""
    listed = _shards_by_phase(release)
    return (
        1
        + release.serial
        + len(release.shards)
        + sum(len(_numbers(len(listed[phase.name]))) for phase in release.phases if has_page(phase))
    )


def pages(
    release: Release,
    read_members: ReadMembers,
    *,
    signed: bool,
    metalinks: Collection[str] = (),
    counted: Mapping[ShardName, Counted] = MappingProxyType({}),
) -> Iterator[Page]:
    """Yield the pages: the front page, the release pages, then each phase's pages and its shards' pages.

    signed: whether the site has signatures. metalinks: the paths of its Metalink files. counted: the known seed counts.
    Memory: the release and one page; members are read one shard at a time.
    """
    listed = _shards_by_phase(release)
    rule = SharingRule(release)
    shared = _Shared(
        release=release,
        totals=totals(release),
        signed=signed,
        counted=counted,
        seeds=spread(release, counted),
        offered=frozenset(shard.name for shard in rule.offered()),
        withheld={ShardName(each.name): each.reason for each in rule.all_withheld()},
    )
    parts = shares(release.phases, phase_dates(release.shards))
    yield IndexPage(
        path="index.html",
        root="",
        **shared,
        shares=parts,
        bar=max(1, sum(part.length for part in parts)),
        has_v1=_has_v1(release.shards, shared["offered"]),
        serials=range(release.serial - 1, max(0, release.serial - 1 - SERIALS), -1),
        changes=changes_in(release, release.serial),
    )
    yield from _release_pages(shared)
    for phase in release.phases:
        if not has_page(phase):
            continue
        yield from _phase_pages(shared, phase, listed[phase.name])
        yield from _shard_pages(shared, phase, listed[phase.name], read_members, metalinks=metalinks)


def _shards_by_phase(release: Release) -> dict[str, list[ReleaseShard]]:
    """Return each phase's shards, in the release's order."""
    listed: dict[str, list[ReleaseShard]] = {phase.name: [] for phase in release.phases}
    for name, shards in groupby(release.shards, key=lambda shard: shard.phase):
        listed[name].extend(shards)
    return listed


def _has_v1(shards: Sequence[ReleaseShard], offered: Collection[ShardName]) -> bool:
    """Return whether any offered shard has an extra v1-only torrent."""
    return any(shard.twin_magnet is not None for shard in shards if shard.name in offered)


def _numbers(shards: int) -> dict[int, str]:
    """Return the number and file name of each page for `shards` shards; at least one page."""
    count = max(1, -(-shards // SHARDS_ON_A_PAGE))
    return {number: "index.html" if number == 1 else f"page-{number}.html" for number in range(1, count + 1)}


def _release_pages(shared: _Shared) -> Iterator[ReleasePage]:
    """Yield the page of each release, the first release first."""
    release = shared["release"]
    for serial in range(1, release.serial + 1):
        found = changes_in(release, serial)
        dates = [release.date] if serial == release.serial else []
        dates += [shard.added for shard in found.added] + [each.date for each in found.withdrawals]
        yield ReleasePage(
            path=page(serial),
            root="../",
            **shared,
            serial=serial,
            date=dates[0] if dates else "",
            changes=found,
            most=CHANGES_ON_A_PAGE,
        )


def _phase_pages(shared: _Shared, phase: ReleasePhase, shards: Sequence[ReleaseShard]) -> Iterator[PhasePage]:
    """Yield a phase's pages."""
    numbers = _numbers(len(shards))
    for number, name in numbers.items():
        first = (number - 1) * SHARDS_ON_A_PAGE
        yield PhasePage(
            path=f"phases/{phase.name}/{name}",
            root="../../",
            **shared,
            phase=phase,
            shards=shards[first : first + SHARDS_ON_A_PAGE],
            number=number,
            numbers=numbers,
            has_v1=_has_v1(shards, shared["offered"]),
        )


def _shard_pages(
    shared: _Shared,
    phase: ReleasePhase,
    shards: Sequence[ReleaseShard],
    read_members: ReadMembers,
    *,
    metalinks: Collection[str],
) -> Iterator[ShardPage]:
    """Yield the page of each of a phase's shards."""
    for at, shard in enumerate(shards):
        members = read_members(shard, MEMBERS_ON_A_PAGE).to_pylist()
        yield ShardPage(
            path=f"shards/{shard.name}/index.html",
            root="../../",
            **shared,
            phase=phase,
            shard=shard,
            before=shards[at - 1] if at else None,
            after=shards[at + 1] if at + 1 < len(shards) else None,
            members=members,
            links=_member_links(shard, members) if shard.name in shared["offered"] else (),
            metalink=metalink_path(shard) if metalink_path(shard) in metalinks else "",
        )


def _member_links(shard: ReleaseShard, members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a magnet link for each of the first members, at most LINKS_ON_A_PAGE bytes."""
    links: list[str] = []
    room = LINKS_ON_A_PAGE
    for row in members:
        member = MagnetMember(row["path"], row["offset"], row["size"], row["sha256"].hex())
        chosen = f"&so={row['file_number']}" if "file_number" in row else ""
        links.append(f"{shard.magnet}{chosen}&{member_field(member)}")
        room -= len(html.escape(links[-1]))
        if room < 0:
            return links[:-1]
    return links
