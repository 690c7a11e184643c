"""What each page of the site shows: a release cut into pages, one value a page. No file and no HTML here.

The fields of each class are the variables that its template gets; release_templates/README.md tells them.
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

SHARDS_ON_A_PAGE = 200  # a page stays under 200 KB where magnets have half a dozen trackers
MEMBERS_ON_A_PAGE = 200
LINKS_ON_A_PAGE = 48 << 10  # bytes of magnet links to members: the first rows have one, as far as this goes
CHANGES_ON_A_PAGE = 400
BAR = 1000  # units of length that the size bar has
_SHORTEST = 6  # units: so that the smallest phase is still seen
SERIALS = 10  # earlier releases that the front page links to

# The first `count` rows of a shard's members table, with the columns of model.MEMBERS.
ReadMembers = Callable[[ReleaseShard, int], pa.Table]


@dataclass(frozen=True)
class Totals:
    """What is published, and what the plan holds in all. Byte counts are of tars."""

    records: int  # rows of the catalogue
    files: int
    size: int
    shards: int
    planned_files: int
    planned_size: int
    planned_shards: int


@dataclass(frozen=True)
class PhaseShare:
    """A phase's part of the size bar: units from its left end, and the share of all bytes in words."""

    phase: ReleasePhase
    tone: int  # from 1 to 6: which of the style sheet's six colours
    start: int
    length: int
    percent: str
    opened: str  # date of its first shard, and of its newest; "" where none is published
    grown: str


@dataclass(frozen=True)
class Page:
    """What every template gets. `root` leads from the page's folder to the site's root: "" or "../../"."""

    template: ClassVar[str]

    path: str
    root: str
    release: Release
    totals: Totals
    signed: bool  # release.json.minisig, SHA256SUMS.minisig and minisign.pub stand at the root
    counted: Mapping[ShardName, Counted]  # the shards' seed counts, those that are known
    seeds: SeedSpread | None  # how the shards stand by them; None where nothing is known
    offered: Collection[ShardName]  # the shards whose links a page may show
    withheld: Mapping[ShardName, str]  # the shards that are not handed out, and why


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
    """What changed in one release: `serial`, this one or one before it. `date`: "" where nothing of it tells."""

    template: ClassVar[str] = "release.html"

    serial: int
    date: str
    changes: ReleaseChanges
    most: int  # shards that are listed of each kind


@dataclass(frozen=True)
class PhasePage(Page):
    """One page of a phase's shards; `numbers` maps the number of each of its pages to the page's file name."""

    template: ClassVar[str] = "phase.html"

    phase: ReleasePhase
    shards: Sequence[ReleaseShard]
    number: int
    numbers: Mapping[int, str]
    has_v1: bool


@dataclass(frozen=True)
class ShardPage(Page):
    """One shard. `before` and `after` are its neighbours in the phase; `members` its first rows.

    `links` are magnet links that name one member each, of the first of those. `metalink` is the path of its
    NAME.meta4, "" where it has none.
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
    """The fields of Page that every page has alike."""

    release: Release
    totals: Totals
    signed: bool
    counted: Mapping[ShardName, Counted]
    seeds: SeedSpread | None
    offered: Collection[ShardName]
    withheld: Mapping[ShardName, str]


def totals(release: Release) -> Totals:
    """Return the sums that the pages show."""
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
    """Return each phase's part of the size bar. The parts fill BAR units, or a little more where some are tiny.

    dates: by phase, of its first shard and of its newest.
    """
    whole = sum(phase.size for phase in phases)
    made: list[PhaseShare] = []
    start = 0
    for order, phase in enumerate(phases):
        length = max(_SHORTEST, round(BAR * phase.size / whole)) if phase.size else 0
        opened, grown = dates.get(phase.name, ("", ""))
        made.append(PhaseShare(phase, order % 6 + 1, start, length, _percent(phase.size, whole), opened, grown))
        start += length
    return tuple(made)


def _percent(size: int, whole: int) -> str:
    """Return a share in words: "0 %", "under 0.1 %", "12.5 %"."""
    if not size:
        return "0 %"
    tenths = 1000 * size // whole
    return "under 0.1 %" if not tenths else "100 %" if size == whole else f"{tenths // 10}.{tenths % 10} %"


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
    """Yield the pages one after another: the front page, then each phase's and its shards'.

    signed: whether the site has signatures. metalinks: the paths of those that it has. counted: the seed
    counts that are known. Memory: the release and one page; members are read when their shard's turn comes.
    """
    listed = _shards_by_phase(release)
    hand_out = SharingRule(release)
    shared = _Shared(
        release=release,
        totals=totals(release),
        signed=signed,
        counted=counted,
        seeds=spread(release, counted),
        offered=frozenset(shard.name for shard in hand_out.offered()),
        withheld={ShardName(each.name): each.reason for each in hand_out.all_withheld()},
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
    """Say whether any offered shard has an extra v1-only torrent."""
    return any(shard.twin_magnet is not None for shard in shards if shard.name in offered)


def _numbers(shards: int) -> dict[int, str]:
    """Return the number and file name of each page that so many shards take; one page for none."""
    count = max(1, -(-shards // SHARDS_ON_A_PAGE))
    return {number: "index.html" if number == 1 else f"page-{number}.html" for number in range(1, count + 1)}


def _release_pages(shared: _Shared) -> Iterator[ReleasePage]:
    """Yield the page of what changed in each release, the first one's first."""
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
    """Return a magnet link for each of the first members, as many as the page has room for."""
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
