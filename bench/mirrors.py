"""Simulate 24 months of mirrors that do not communicate: how well each strategy covers 300 TB (docs/explanation/).

Scores come from packager.core.releases.mirror_strategies. Prints two Markdown tables and writes the plot beside the
page that shows them. There is one random seed, so two runs print the same figures.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from packager.core.releases import mirror_strategies

SHARD = 64 << 30  # bytes
SHARDS = -(-300 * 10**12 // SHARD)
LEAST, MOST = 0.5e12, 20e12  # bytes of a mirror's budget, evenly distributed on a logarithmic scale
CHURN = 0.05  # share of mirrors that leave in a month and are replaced by new ones
MONTHS = 24
MIRRORS = (50, 100, 200, 500, 1000, 2000)
STEEP = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # mirror_strategies.STEEPNESS and others
PLOT = Path(__file__).parents[1] / "docs/explanation/choosing-shards.svg"

Floats: TypeAlias = npt.NDArray[np.float64]
# (a row of random numbers per new mirror; seed counts of a month ago) -> keys; the lowest are chosen
Way: TypeAlias = Callable[[Floats, Floats], Floats]


def spread(drawn: Floats, seeds: Floats, steepness: float = mirror_strategies.STEEPNESS) -> Floats:
    """The default: weighted rendezvous hashing."""
    return -mirror_strategies.scores(drawn, mirror_strategies.weights(seeds, steepness))


def rarest(drawn: Floats, seeds: Floats) -> Floats:
    """Fewest seeds first; ties in a random order of each mirror."""
    return seeds - drawn


def rarest_as_listed(drawn: Floats, seeds: Floats) -> Floats:
    """Fewest seeds first; ties in the order of the list."""
    return np.broadcast_to(seeds + np.arange(SHARDS) / SHARDS, drawn.shape)


def by_chance(drawn: Floats, seeds: Floats) -> Floats:
    """A random order of each mirror: what spread is without seed counts."""
    del seeds
    return -drawn


def first_listed(drawn: Floats, seeds: Floats) -> Floats:
    """In the order of the list."""
    del seeds
    return np.broadcast_to(np.arange(float(SHARDS)), drawn.shape)


WAYS: dict[str, Way] = {
    "spread": spread,
    "rarest": rarest,
    "rarest, ties as listed": rarest_as_listed,
    "random": by_chance,
    "first-listed": first_listed,
}


@dataclass(frozen=True)
class Comers:
    """The mirrors that join in one month: which mirrors they replace, how many shards fit, their random numbers."""

    places: npt.NDArray[np.int64]
    room: npt.NDArray[np.int64]
    drawn: Floats


def population(mirrors: int) -> list[Comers]:
    """Return the mirrors that join in each month: all in month 0, later those that replace others."""
    random = np.random.default_rng(mirrors)
    infohashes = [hashlib.sha256(b"shard %d" % at).digest() for at in range(SHARDS)]
    months = []
    for month in range(MONTHS + 1):
        places = np.flatnonzero(random.random(mirrors) < (CHURN if month else 1))
        budgets = LEAST * (MOST / LEAST) ** random.random(len(places))
        ids = [b"%d mirrors, month %d, place %d" % (mirrors, month, place) for place in places]
        drawn = np.array([mirror_strategies.uniforms(each, infohashes) for each in ids]).reshape(len(ids), SHARDS)
        months.append(Comers(places, (budgets // SHARD).astype(np.int64), drawn))
    return months


def simulate(months: Sequence[Comers], way: Way) -> npt.NDArray[np.int64]:
    """Return the copies of each shard at the end of each month, one row per month.

    A new mirror sees the counts of the month before, with mirrors that leave and without other new ones. Mirrors that
    stay keep their shards.
    """
    holds = np.zeros((len(months[0].places), SHARDS), dtype=np.bool_)
    copies = np.zeros((len(months) + 1, SHARDS), dtype=np.int64)
    for month, comers in enumerate(months):
        keys = way(comers.drawn, copies[month].astype(np.float64))
        change = -holds[comers.places].sum(axis=0)
        holds[comers.places] = False
        for place, room, key in zip(comers.places, comers.room, keys, strict=True):
            taken = np.argpartition(key, room)[:room] if room < SHARDS else slice(None)
            holds[place, taken] = True
        copies[month + 1] = copies[month] + change + holds[comers.places].sum(axis=0)
    return copies[1:]


def cell(copies: npt.NDArray[np.int64]) -> str:
    """Return a cell of the tables: coverage, rounded down so that 100 % means all, and copies of the rarest shard."""
    return f"{math.floor(10 * covered(copies)) / 10} %, {copies.min()}"


def covered(copies: npt.NDArray[np.int64]) -> float:
    """Return the percentage of shards with a copy."""
    return 100 * float((copies > 0).mean())


def row(mirrors: int, found: dict[str, npt.NDArray[np.int64]]) -> str:
    """Return the row of one number of mirrors: copies at the end, by strategy."""
    cells = " | ".join(cell(copies) for copies in found.values())
    return f"| {mirrors:,} | {found['spread'].mean():.1f} | {cells} |"


def steep_row(mirrors: int, months: Sequence[Comers]) -> str:
    """Return the row of one number of mirrors: spread, by steepness."""
    found = (simulate(months, partial(spread, steepness=by))[-1] for by in STEEP)
    return f"| {mirrors:,} | {' | '.join(cell(copies) for copies in found)} |"


def main(data: Path) -> None:
    """Simulate, print the tables, write the plot. `data` is not used."""
    del data
    rows, steep_rows = [], []
    rarest_copies: dict[str, list[float]] = {way: [] for way in WAYS}
    by_month: dict[str, list[float]] = {}
    for mirrors in MIRRORS:
        months = population(mirrors)
        found = {name: simulate(months, way) for name, way in WAYS.items()}
        rows.append(row(mirrors, {name: copies[-1] for name, copies in found.items()}))
        for name, copies in found.items():
            rarest_copies[name].append(float(copies[-1].min()))
        if mirrors == 100:
            by_month = {name: [covered(month) for month in copies] for name, copies in found.items()}
        if mirrors in (100, 1000):
            steep_rows.append(steep_row(mirrors, months))
    print(f"| mirrors | copies on average | {' | '.join(WAYS)} |\n| ---: | ---: |{' ---: |' * len(WAYS)}")
    print("\n".join(rows))
    print(f"\n| mirrors | {' | '.join(f'{by:.0f}' for by in STEEP)} |\n| ---: |{' ---: |' * len(STEEP)}")
    print("\n".join(steep_rows))
    left = Panel("Shards with a copy, 100 mirrors (%)", "month", list(range(MONTHS + 1)), by_month)
    right = Panel("Copies of the rarest shard after 24 months", "mirrors", [float(n) for n in MIRRORS], rarest_copies)
    PLOT.write_text(plot(left, right), encoding="utf-8")
    print(f"\nplot: {PLOT.relative_to(PLOT.parents[2])}")


@dataclass(frozen=True)
class Panel:
    """Half of the plot: lines by name over common x values."""

    title: str
    x_name: str
    x: Sequence[float]
    lines: dict[str, list[float]]


WIDTH, HEIGHT, EDGE = 400, 260, 44  # of a panel's axes, and of the margin
COLOURS = ("#0b6e4f", "#1f5fbf", "#8a5a00", "#7a7a7a", "#b3261e")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 6")  # lines differ by more than colour


def plot(*panels: Panel) -> str:
    """Return the panels side by side as SVG, with a legend below."""
    width, height = len(panels) * (WIDTH + 2 * EDGE), HEIGHT + 2 * EDGE + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for at, panel in enumerate(panels):
        parts.append(f'<g transform="translate({at * (WIDTH + 2 * EDGE) + EDGE} {EDGE})">{_panel(panel)}</g>')
    for at, name in enumerate(panels[0].lines):
        x, y = EDGE + at * (width - EDGE) // len(panels[0].lines), height - 18
        parts.append(f'<path d="M{x} {y}h34" {_stroke(at)}/><text x="{x + 40}" y="{y + 4}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> str:
    """Return one panel's axes, ticks and lines."""
    top = 4 * math.ceil(max(max(line) for line in panel.lines.values()) / 4)  # so that its quarters are integers
    parts = [f'<text x="0" y="-16" font-size="13" font-weight="bold">{panel.title}</text>']
    for step in range(5):
        y, value = HEIGHT - HEIGHT * step / 4, top * step / 4
        parts.append(f'<path d="M0 {y:.1f}h{WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in panel.x if len(panel.x) < 10 else panel.x[::6]:
        x = WIDTH * _along(panel.x, value)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 32}" text-anchor="end">{panel.x_name}</text>')
    for at, line in enumerate(panel.lines.values()):
        points = " ".join(
            f"{WIDTH * _along(panel.x, x):.1f},{HEIGHT - HEIGHT * y / top:.1f}"
            for x, y in zip(panel.x, line, strict=True)
        )
        parts.append(f'<polyline points="{points}" {_stroke(at)}/>')
    return "\n".join(parts)


def _along(values: Sequence[float], value: float) -> float:
    """Return the position of a value from 0 to 1, on a logarithmic scale if the values span decades."""
    first, last = values[0], values[-1]
    if first > 0 and last / first > 10:
        return float(np.log(value / first) / np.log(last / first))
    return (value - first) / (last - first)


def _stroke(at: int) -> str:
    """Return the look of a line."""
    return f'fill="none" stroke="{COLOURS[at]}" stroke-width="2" stroke-dasharray="{DASHES[at]}"'
