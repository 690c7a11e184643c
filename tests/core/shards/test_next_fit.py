"""Next-fit keeps its bound, its order and its result for any batching."""

from itertools import chain, groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.core.shards.next_fit import NextFit, runs

COSTS = st.lists(st.integers(1, 10_000), max_size=60)
ROOM = st.integers(1, 10_000)


def grouped(costs: list[int], numbers: list[int]) -> list[list[int]]:
    """Return the costs of each shard in order."""
    pairs = zip(costs, numbers, strict=True)
    return [[cost for cost, _ in group] for _, group in groupby(pairs, key=lambda pair: pair[1])]


@given(COSTS, ROOM)
def test_no_shard_exceeds_its_room_unless_it_holds_one_member(costs: list[int], room: int) -> None:
    shards = grouped(costs, NextFit(room).place(np.array(costs, np.int64)).tolist())
    assert list(chain.from_iterable(shards)) == costs
    assert all(sum(shard) <= room or len(shard) == 1 for shard in shards)
    assert all(sum(shard) + following[0] > room for shard, following in pairwise(shards))


@pytest.mark.parametrize("costs", [[10], [3, 7], [1, 2, 3, 4], [1] * 10])
def test_a_shard_is_filled_to_its_last_byte_and_not_one_further(costs: list[int]) -> None:
    assert NextFit(10).place(np.array(costs)).tolist() == [0] * len(costs)
    assert NextFit(10).place(np.array([*costs, 1])).tolist() == [0] * len(costs) + [1]
    if len(costs) > 1:
        assert NextFit(9).place(np.array(costs)).tolist() == [0] * (len(costs) - 1) + [1]
    batches = NextFit(10)  # the room that is left counts for the next batch in the same way
    assert [batches.place(np.array([cost])).tolist() for cost in (4, 6, 1)] == [[0], [0], [1]]
    for budget, taken in ((110, len(costs)), (109, len(costs) - 1)):
        assert len(NextFit(10, 100, budget).place(np.array(costs))) == taken


@given(COSTS, ROOM, st.lists(st.integers(0, 60), max_size=5), st.none() | st.integers(0, 300_000))
def test_the_cut_does_not_hang_on_the_batches(costs: list[int], room: int, cuts: list[int], budget: int | None) -> None:
    whole = NextFit(room, 100, budget).place(np.array(costs, np.int64)).tolist()
    bounds = [0, *sorted(cut for cut in cuts if cut < len(costs)), len(costs)]
    packer, placed = NextFit(room, 100, budget), []
    for start, stop in pairwise(bounds):
        placed += packer.place(np.array(costs[start:stop], np.int64)).tolist()
    assert placed == whole


@given(COSTS, ROOM, st.integers(0, 200_000))
def test_a_budget_takes_the_longest_run_of_members_that_it_can_pay(costs: list[int], room: int, budget: int) -> None:
    packer = NextFit(room, 100, budget)
    taken = packer.place(np.array(costs, np.int64)).tolist()
    everything = NextFit(room, 100).place(np.array(costs, np.int64)).tolist()
    assert taken == everything[: len(taken)]
    assert packer.spent == sum(costs[: len(taken)]) + 100 * len(set(taken)) <= budget or not taken
    if len(taken) < len(costs):
        opened = everything[len(taken)] not in taken
        assert packer.full
        assert packer.spent + costs[len(taken)] + 100 * opened > budget


def test_runs_are_the_shards_in_order() -> None:
    assert list(runs(np.array([0, 0, 1, 2, 2, 2]))) == [(0, 0, 2), (1, 2, 3), (2, 3, 6)]
    assert list(runs(np.array([], np.int64))) == []
