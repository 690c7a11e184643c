"""What each page of the site shows: a release cut into pages, one value a page. No file and no HTML here.

The fields of each class are the variables that its template gets; release_templates/README.md tells them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import pyarrow as pa

from packager.model import Release, ReleasePhase, ReleaseShard

SHARDS_ON_A_PAGE = 200  # a page stays under 200 KB where magnets have half a dozen trackers
MEMBERS_ON_A_PAGE = 200
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


@dataclass(frozen=True)
class Page:
    """What every template gets. `root` leads from the page's folder to the site's root: "" or "../../"."""

    template: ClassVar[str]

    path: str
    root: str
    release: Release
    totals: Totals
    signed: bool  # release.json.minisig, SHA256SUMS.minisig and minisign.pub stand at the root


@dataclass(frozen=True)
class IndexPage(Page):
    """The front page."""

    template: ClassVar[str] = "index.html"

    shares: Sequence[PhaseShare]
    bar: int
    has_v1: bool
    serials: Sequence[int]


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
    """One shard. `before` and `after` are its neighbours in the phase; `members` its first rows."""

    template: ClassVar[str] = "shard.html"

    phase: ReleasePhase
    shard: ReleaseShard
    before: ReleaseShard | None
    after: ReleaseShard | None
    members: Sequence[Mapping[str, object]]


def totals(release: Release) -> Totals:
    """Return the sums that the pages show."""
    published = [phase for phase in release.phases if phase.state == "published"]
    return Totals(
        records=release.catalogue_records,
        files=sum(phase.files for phase in published),
        size=sum(shard.size for shard in release.shards),
        shards=len(release.shards),
        planned_files=sum(phase.files for phase in release.phases),
        planned_size=sum(phase.size for phase in release.phases),
        planned_shards=sum(phase.shards for phase in release.phases),
    )


def shares(phases: Sequence[ReleasePhase]) -> tuple[PhaseShare, ...]:
    """Return each phase's part of the size bar. The parts fill BAR units, or a little more where some are tiny."""
    whole = sum(phase.size for phase in phases)
    made: list[PhaseShare] = []
    start = 0
    for order, phase in enumerate(phases):
        length = max(_SHORTEST, round(BAR * phase.size / whole)) if phase.size else 0
        made.append(PhaseShare(phase, order % 6 + 1, start, length, _percent(phase.size, whole)))
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
    return 1 + len(release.shards) + sum(len(_numbers(len(listed[phase.name]))) for phase in release.phases)


def pages(release: Release, read_members: ReadMembers, *, signed: bool) -> Iterator[Page]:
    """Yield the pages one after another: the front page, then each phase's and its shards'.

    signed: whether the site has signatures. Memory: the release and one page; members are read when
    their shard's turn comes.
    """
    listed = _shards_by_phase(release)
    sums = totals(release)
    parts = shares(release.phases)
    yield IndexPage(
        path="index.html",
        root="",
        release=release,
        totals=sums,
        signed=signed,
        shares=parts,
        bar=max(1, sum(part.length for part in parts)),
        has_v1=_has_v1(release.shards),
        serials=range(release.serial - 1, max(0, release.serial - 1 - SERIALS), -1),
    )
    for phase in release.phases:
        yield from _phase_pages(release, sums, phase, listed[phase.name], signed=signed)
        yield from _shard_pages(release, sums, phase, listed[phase.name], read_members, signed=signed)


def _shards_by_phase(release: Release) -> dict[str, list[ReleaseShard]]:
    """Return each phase's shards, in the release's order."""
    listed: dict[str, list[ReleaseShard]] = {phase.name: [] for phase in release.phases}
    for name, shards in groupby(release.shards, key=lambda shard: shard.phase):
        listed[name].extend(shards)
    return listed


def _has_v1(shards: Sequence[ReleaseShard]) -> bool:
    """Say whether any shard has an extra v1-only torrent."""
    return any(shard.magnet_v1 is not None for shard in shards)


def _numbers(shards: int) -> dict[int, str]:
    """Return the number and file name of each page that so many shards take; one page for none."""
    count = max(1, -(-shards // SHARDS_ON_A_PAGE))
    return {number: "index.html" if number == 1 else f"page-{number}.html" for number in range(1, count + 1)}


def _phase_pages(
    release: Release, sums: Totals, phase: ReleasePhase, shards: Sequence[ReleaseShard], *, signed: bool
) -> Iterator[PhasePage]:
    """Yield a phase's pages."""
    numbers = _numbers(len(shards))
    for number, name in numbers.items():
        first = (number - 1) * SHARDS_ON_A_PAGE
        yield PhasePage(
            path=f"phases/{phase.name}/{name}",
            root="../../",
            release=release,
            totals=sums,
            signed=signed,
            phase=phase,
            shards=shards[first : first + SHARDS_ON_A_PAGE],
            number=number,
            numbers=numbers,
            has_v1=_has_v1(shards),
        )


def _shard_pages(
    release: Release,
    sums: Totals,
    phase: ReleasePhase,
    shards: Sequence[ReleaseShard],
    read_members: ReadMembers,
    *,
    signed: bool,
) -> Iterator[ShardPage]:
    """Yield the page of each of a phase's shards."""
    for at, shard in enumerate(shards):
        yield ShardPage(
            path=f"shards/{shard.name}/index.html",
            root="../../",
            release=release,
            totals=sums,
            signed=signed,
            phase=phase,
            shard=shard,
            before=shards[at - 1] if at else None,
            after=shards[at + 1] if at + 1 < len(shards) else None,
            members=read_members(shard, MEMBERS_ON_A_PAGE).to_pylist(),
        )
