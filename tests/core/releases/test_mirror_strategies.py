"""mirror_strategies.py: within the budget, the same for the same, apart for different mirrors, and steady."""

import hashlib
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.releases.mirror_strategies import (
    ShardChoice,
    choose_shards,
    documents_of,
    estimated,
    scores,
    uniforms,
    weights,
)
from packager.errors import InputError
from packager.model import STRATEGIES, PublishedFile, Release, ReleaseShard, Strategy
from tests.helpers.simulated_publisher import Publisher, make_shard, phase_of

DATES = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
ME = b"a mirror's id"


def bare(shard: ReleaseShard, size: int = 0) -> ReleaseShard:
    """Return a shard whose documents have this size each."""
    files = {
        name: msgspec.structs.replace(file, size=size)
        for name in shard.__struct_fields__
        if isinstance(file := getattr(shard, name), PublishedFile)
    }
    return msgspec.structs.replace(shard, **files)


def make_release(sizes: list[int], second: list[int] | None = None, obsolete: frozenset[int] = frozenset()) -> Release:
    """A release of two phases, "metadata" and "audio", whose shards have these sizes in MiB."""
    phases = {"metadata": sizes, "audio": second or []}
    shards: list[ReleaseShard] = []
    for phase, each in phases.items():
        for at, size in enumerate(each, 1):
            made = bare(make_shard("demo", phase, at, DATES[at % 2], size=size << 20))
            shards.append(msgspec.structs.replace(made, obsolete=len(shards) in obsolete))
    publisher = Publisher()
    return msgspec.structs.replace(
        publisher.next(0),
        shards=tuple(shards),
        phases=tuple(phase_of(name, [s for s in shards if s.phase == name]) for name in phases),
    )


def names(choices: list[ShardChoice], *, held: bool | None = None) -> list[str]:
    return [choice.name for choice in choices if held in (None, choice.held)]


sizes = st.lists(st.integers(1, 9), max_size=12)
strategies = st.sampled_from(STRATEGIES)
budgets = st.integers(0, 120).map(lambda mib: mib << 20)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Release, set[str], dict[str, int | None]]:
    release = make_release(draw(sizes), draw(sizes), draw(st.frozensets(st.integers(0, 20), max_size=3)))
    each = [shard.name for shard in release.shards]
    held = draw(st.sets(st.sampled_from(each), max_size=5)) if each else set()
    seeds = draw(st.dictionaries(st.sampled_from(each), st.none() | st.integers(0, 30))) if each else {}
    return release, set(held), dict(seeds)


@settings(max_examples=150)
@given(situations(), budgets, strategies)
def test_what_is_chosen_never_exceeds_the_budget_and_what_is_held_counts_first(
    situation: tuple[Release, set[str], dict[str, int | None]], budget: int, strategy: Strategy
) -> None:
    release, held, seeds = situation
    chosen = choose_shards(release, budget=budget, mirror_id=ME, held=held, strategy=strategy, seeds=seeds)
    by_name = {shard.name: shard for shard in release.shards}
    on_disk = sum(by_name[name].size for name in held)
    to_fetch = sum(choice.size for choice in chosen if not choice.held)
    assert sum(choice.size for choice in chosen) <= budget
    assert to_fetch <= max(0, budget - on_disk)
    assert len(set(names(chosen))) == len(chosen)
    assert all(choice.size == by_name[choice.name].size and choice.why for choice in chosen)
    assert all(choice.held == (choice.name in held) and not by_name[choice.name].obsolete for choice in chosen)
    if on_disk <= budget:
        assert {name for name in held if not by_name[name].obsolete} == set(names(chosen, held=True))
        room = budget - on_disk - to_fetch
        left = [shard for shard in release.shards if shard.name not in {*names(chosen), *held} and not shard.obsolete]
        assert all(shard.size > room for shard in left)


@settings(max_examples=60)
@given(situations(), budgets, strategies, st.randoms(use_true_random=False))
def test_the_choice_is_the_same_whatever_the_order_of_the_shards(
    situation: tuple[Release, set[str], dict[str, int | None]],
    budget: int,
    strategy: Strategy,
    shuffle: random.Random,
) -> None:
    release, held, seeds = situation
    shards = list(release.shards)
    shuffle.shuffle(shards)
    other = msgspec.structs.replace(release, shards=tuple(shards))
    one, two = (
        choose_shards(each, budget=budget, mirror_id=ME, held=held, strategy=strategy, seeds=seeds)
        for each in (release, other)
    )
    assert one == two


@settings(max_examples=60)
@given(situations(), budgets, budgets, strategies, strategies)
def test_a_mirror_whose_budget_grows_keeps_what_it_has(
    situation: tuple[Release, set[str], dict[str, int | None]],
    budget: int,
    more: int,
    strategy: Strategy,
    later: Strategy,
) -> None:
    release, _, seeds = situation
    first = choose_shards(release, budget=budget, mirror_id=ME, strategy=strategy)
    second = choose_shards(
        release, budget=budget + more, mirror_id=ME, held=set(names(first)), strategy=later, seeds=seeds
    )
    assert set(names(first)) == set(names(second, held=True))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_shards_of_one_size_are_kept_when_the_budget_grows_even_with_nothing_held(strategy: Strategy) -> None:
    release = make_release([1] * 40, [1] * 40)
    small, large = (
        set(names(choose_shards(release, budget=mib << 20, mirror_id=ME, strategy=strategy))) for mib in (20, 30)
    )
    assert (len(small), len(large)) == (20, 30)
    assert small < large


def test_new_shards_move_few_of_those_chosen() -> None:
    before, after = make_release([1] * 200), make_release([1] * 220)
    moved = [
        len(
            set(names(choose_shards(before, budget=50 << 20, mirror_id=bytes([each]))))
            - set(names(choose_shards(after, budget=50 << 20, mirror_id=bytes([each]))))
        )
        for each in range(20)
    ]
    assert 0 < sum(moved) / len(moved) < 2 * 50 * 20 / 220


def test_mirrors_that_never_talk_cover_the_collection_evenly() -> None:
    release = make_release([1] * 100)
    copies = dict.fromkeys((shard.name for shard in release.shards), 0)
    for mirror in range(200):
        for choice in choose_shards(release, budget=20 << 20, mirror_id=b"mirror %d" % mirror):
            copies[choice.name] += 1
    assert sum(copies.values()) == 4000
    assert 20 < min(copies.values()) <= max(copies.values()) < 65  # 40 and 6 at a time by chance alone


def test_three_mirrors_that_see_each_other_cover_all_with_forty_percent_each() -> None:
    release = make_release([1] * 40)
    for run in range(50):
        seeds = dict.fromkeys((shard.name for shard in release.shards), 0)
        for mirror in range(3):
            chosen = choose_shards(release, budget=16 << 20, mirror_id=b"%d %d" % (run, mirror), seeds=seeds)
            for choice in chosen:
                seeds[choice.name] += 1
        assert min(seeds.values()) >= 1


@pytest.mark.parametrize("strategy", ["spread", "rarest"])
def test_a_shard_that_nobody_seeds_comes_first(strategy: Strategy) -> None:
    release = make_release([1] * 50)
    seeds = {shard.name: 3 for shard in release.shards}
    seeds[release.shards[17].name] = 0
    for mirror in range(20):
        chosen = choose_shards(release, budget=2 << 20, mirror_id=bytes([mirror]), strategy=strategy, seeds=seeds)
        assert chosen[0].name == release.shards[17].name
        assert "0 seeds seen" in chosen[0].why


def test_an_unknown_count_is_taken_for_the_usual_one() -> None:
    assert estimated([None, 0, 5, 9, None]).tolist() == [5, 0, 5, 9, 5]
    assert estimated([None, None]).tolist() == [0, 0]
    assert estimated([]).tolist() == []


def test_each_strategy_has_its_order_and_says_why() -> None:
    release = make_release([1] * 3, [1] * 4)
    seeds = {shard.name: at for at, shard in enumerate(reversed(release.shards))}

    def all_by(strategy: Strategy) -> list[ShardChoice]:
        return choose_shards(release, budget=7 << 20, mirror_id=ME, strategy=strategy, seeds=seeds)

    assert names(all_by("popular")) == [shard.name for shard in release.shards]
    assert all_by("popular")[4].why == "number 2 of audio, in the publisher's order"
    assert names(all_by("rarest")) == [shard.name for shard in reversed(release.shards)]
    assert all_by("rarest")[1].why == "1 seed seen"
    assert [name.split("-")[1] for name in names(all_by("phase"))] == ["metadata"] * 3 + ["audio"] * 4
    assert all_by("phase")[0].why.startswith("of phase metadata, ")
    assert [name[-1] for name in names(all_by("oldest"))][:3] in (["2", "2", "4"], ["2", "4", "2"], ["4", "2", "2"])
    assert all_by("oldest")[0].why.startswith("published 2026-01-01, ")
    assert all_by("spread")[0].why.startswith("1 of 7 for this mirror, 0 seeds seen")


def test_phases_and_names_narrow_the_choice_and_what_is_held_still_counts() -> None:
    release = make_release([1] * 3, [1] * 4)
    audio = [shard.name for shard in release.shards if shard.phase == "audio"]
    assert set(names(choose_shards(release, budget=9 << 20, mirror_id=ME, phases={"audio"}))) == set(audio)
    assert names(choose_shards(release, budget=9 << 20, mirror_id=ME, names=audio[:1])) == audio[:1]
    held = {"demo-metadata-00001"}
    assert len(choose_shards(release, budget=3 << 20, mirror_id=ME, phases={"audio"}, held=held)) == 2


def test_a_phase_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match='no phase is named "vidoe"; there are: metadata, audio'):
        choose_shards(make_release([1]), budget=1, mirror_id=ME, phases={"vidoe"})


def test_too_small_a_budget_keeps_the_best_of_what_is_held_and_fetches_nothing() -> None:
    release = make_release([1] * 6)
    held = set(names(choose_shards(release, budget=4 << 20, mirror_id=ME)))
    chosen = choose_shards(release, budget=2 << 20, mirror_id=ME, held=held)
    assert names(chosen) == names(choose_shards(release, budget=2 << 20, mirror_id=ME))
    assert all(choice.held for choice in chosen)


def test_the_numbers_drawn_are_those_of_the_written_formula() -> None:
    infohash = bytes(range(32))
    head = int.from_bytes(hashlib.sha256(ME + infohash).digest()[:8], "big") >> 12
    assert uniforms(ME, [infohash])[0] == (head + 0.5) / 2**52
    assert uniforms(ME, []).shape == (0,)
    drawn = uniforms(ME, [bytes([at]) for at in range(100)])
    rows = scores(np.stack([drawn, drawn]), weights(np.arange(100.0)))
    one = [float(scores(drawn[at : at + 1], weights(np.array([float(at)])))[0]) for at in range(100)]
    assert rows[0].tolist() == rows[1].tolist() == pytest.approx(one, rel=1e-12)


def test_documents_count_in_the_budget_as_tars_do() -> None:
    release = make_release([1, 1, 1], [])
    large = msgspec.structs.replace(release, shards=tuple(bare(shard, 10 << 20) for shard in release.shards))
    each = documents_of(large.shards[0])
    assert each == len(large.shards[0].documents) * (10 << 20)
    for budget, count in ((1 << 20, 0), ((1 << 20) + each - 1, 0), ((1 << 20) + each, 1), (2 * (each + (1 << 20)), 2)):
        chosen = choose_shards(large, budget=budget, mirror_id=b"x")
        assert [choice.documents for choice in chosen] == [each] * count
    held = choose_shards(large, budget=2 * (each + (1 << 20)) - 1, mirror_id=b"x", held={large.shards[0].name})
    assert [choice.name for choice in held] == [large.shards[0].name]
