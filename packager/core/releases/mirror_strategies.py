"""Choose the shards that a mirror should keep within its budget. Pure: no network, no clock, no random numbers.

The default, `spread`, is weighted rendezvous hashing: each mirror computes a number for each shard from its own
id and the shard's infohash, and chooses the shards with the highest scores. Mirrors choose independently,
but together they cover the collection evenly; shards with few seeds have a higher weight.
docs/explanation/choosing-shards.md explains this, with a simulation (bench/mirrors.py).
"""

import hashlib
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from packager.core.releases.withheld_shards import SharingRule
from packager.errors import InputError
from packager.model import FrozenStruct, Release, ReleaseShard, ShardName, Strategy
from packager.units import count_of

Floats: TypeAlias = npt.NDArray[np.float64]

STEEPNESS = 8  # how steeply the weight falls with seeds; bench/mirrors.py compares other values


class ShardChoice(FrozenStruct, frozen=True, kw_only=True):
    """A shard to keep. size: bytes of its tar. documents: bytes of its other files. held: the tar is on the disk.

    why: for people.
    """

    name: ShardName
    size: int
    documents: int
    held: bool
    why: str


def choose_shards(
    release: Release,
    *,
    budget: int,
    mirror_id: bytes,
    held: Collection[str] = (),
    strategy: Strategy = "spread",
    seeds: Mapping[ShardName, int | None] | None = None,
    phases: Collection[str] | None = None,
    names: Collection[str] | None = None,
    now: str = "",
) -> list[ShardChoice]:
    """Return the shards to keep: first those on the disk, then those to fetch, best first.

    budget: bytes of tars and of their documents. mirror_id: random bytes, made once and saved. held: names of shards
    on the disk; each counts with its full size, chosen or not. seeds: number of seeds of a shard; None or left
    out: unknown.
    phases, names: choose only among these (None: all). now: RFC 3339. Obsolete and withheld shards are never chosen.
    The shards to fetch never exceed the budget minus all shards on the disk, and the chosen ones never exceed the
    budget. The user can remove a shard on the disk that is not chosen. The order of the release's shards
    does not matter. Raises InputError for a phase that the release does not have.
    """
    _check_phases(release, phases)
    wanted = [
        shard
        for shard in SharingRule(release, now=now).offered()
        if (phases is None or shard.phase in phases) and (names is None or shard.name in names)
    ]
    ranked = _ranked(release, wanted, strategy, mirror_id, seeds or {})
    on_disk = sum(shard.size + documents_of(shard) for shard in release.shards if shard.name in held)
    kept = _within(budget, ((shard, "held already") for shard, _ in ranked if shard.name in held), held=True)
    new = _within(budget - on_disk, (pair for pair in ranked if pair[0].name not in held), held=False)
    return kept + new


def _check_phases(release: Release, phases: Collection[str] | None) -> None:
    """Raise InputError for a phase that is not in the release."""
    known = [phase.name for phase in release.phases]
    for phase in phases or ():
        if phase not in known:
            raise InputError("--phase", f'no phase is named "{phase}"', f"there are: {', '.join(known)}")


def _within(budget: int, ranked: Iterable[tuple[ReleaseShard, str]], *, held: bool) -> list[ShardChoice]:
    """Return the best shards that fit; a shard that is too large for the rest is skipped."""
    chosen, left = [], budget
    for shard, why in ranked:
        documents = documents_of(shard)
        if shard.size + documents <= left:
            left -= shard.size + documents
            chosen.append(ShardChoice(name=shard.name, size=shard.size, documents=documents, held=held, why=why))
    return chosen


def documents_of(shard: ReleaseShard) -> int:
    """Return the bytes of a shard's torrents, manifest and tables, which are kept with its tar."""
    return sum(file.size for file in shard.documents)


def _ranked(
    release: Release,
    shards: Sequence[ReleaseShard],
    strategy: Strategy,
    mirror_id: bytes,
    seeds: Mapping[ShardName, int | None],
) -> list[tuple[ReleaseShard, str]]:
    """Return the shards, the best first, each with the reason for its rank."""
    if not shards:
        return []
    place = {phase.name: at for at, phase in enumerate(release.phases)}
    seen = [seeds.get(shard.name) for shard in shards]
    counts = estimated(seen)
    drawn = uniforms(mirror_id, [bytes.fromhex(shard.infohash_v2 or shard.infohash_v1 or "") for shard in shards])
    even, weighted = scores(drawn, np.ones(len(shards))), scores(drawn, weights(counts))

    def key(at: int) -> tuple[object, ...]:
        shard = shards[at]
        keys: dict[Strategy, tuple[object, ...]] = {
            "spread": (-weighted[at],),
            "rarest": (counts[at], -even[at]),
            "popular": (place[shard.phase], shard.number),
            "phase": (place[shard.phase], -weighted[at]),
            "oldest": (shard.added, -weighted[at]),
        }
        return (*keys[strategy], shard.name)

    order = sorted(range(len(shards)), key=key)
    return [
        (shards[at], _why(strategy, shards[at], seen[at], rank=rank, of=len(shards)))
        for rank, at in enumerate(order, 1)
    ]


def _why(strategy: Strategy, shard: ReleaseShard, seeds: int | None, *, rank: int, of: int) -> str:
    """Return why a shard is chosen, for people."""
    seen = "seeds unknown" if seeds is None else f"{count_of(seeds, 'seed')} seen"
    reasons: dict[Strategy, str] = {
        "spread": f"{rank:,} of {of:,} for this mirror, {seen}",
        "rarest": seen,
        "popular": f"number {shard.number:,} of {shard.phase}, in the publisher's order",
        "phase": f"of phase {shard.phase}, {seen}",
        "oldest": f"published {shard.added[:10]}, {seen}",
    }
    return reasons[strategy]


def estimated(seeds: Sequence[int | None]) -> Floats:
    """Return seed counts, with the lower median of the known ones in the place of unknown ones; 0 if none is known.

    So shards without an answer from a tracker are neither preferred nor ignored by all mirrors.
    """
    known = [count for count in seeds if count is not None]
    usual = statistics.median_low(known) if known else 0
    return np.array([usual if count is None else count for count in seeds], dtype=np.float64)


def weights(seeds: Floats, steepness: float = STEEPNESS) -> Floats:
    """Return the shards' weights by their seeds, (1 + seeds) ** -steepness.

    Only ratios count: a shard without a seed comes before one with a seed almost always, one with 20 before
    one with 21 only somewhat more often, so that mirrors with the same old counts do not all choose the same shards.
    """
    return np.asarray((1.0 + seeds) ** -steepness, dtype=np.float64)


def uniforms(mirror_id: bytes, infohashes: Sequence[bytes]) -> Floats:
    """Return a number in (0, 1) for each infohash, from SHA-256(mirror_id + infohash).

    It is the first 52 bits of the digest, and a half: never 0 or 1 in floating point.
    """
    heads = b"".join(hashlib.sha256(mirror_id + infohash).digest()[:8] for infohash in infohashes)
    bits = np.frombuffer(heads, dtype=">u8") >> np.uint64(12)
    return np.asarray((bits + 0.5) / (1 << 52), dtype=np.float64)


def scores(drawn: Floats, weight: Floats) -> Floats:
    """Return the rendezvous scores -weight / ln(u): the highest are chosen. drawn may have one row per mirror.

    So a shard is the first of all with the probability of its weight among all weights (weighted rendezvous
    hashing; Resch, "New Hashing Algorithms for Data Storage", SDC 2015).
    """
    return np.asarray(-weight / np.log(drawn), dtype=np.float64)
