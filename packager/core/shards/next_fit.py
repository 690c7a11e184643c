"""Assign members to shards: next-fit in the given order, with a maximum size of the tar.

Pure and streaming: costs come in batches of arrays, and only one open shard is in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


@dataclass
class NextFit:
    """Next-fit over batches of costs. The result does not depend on how the rows are cut into batches.

    room: bytes a shard has for members (its size less tar_layout.fixed_cost). A member that costs more
    than `room` gets a shard to itself. budget: stop before the shards' bytes, `fixed` each and their
    members' costs, exceed it; None: no end. Memory: constant.
    """

    room: int
    fixed: int = 0
    budget: int | None = None
    shard: int = field(default=-1, init=False)  # number of the open shard, from 0
    left: int = field(default=0, init=False)  # bytes of room in it
    spent: int = field(default=0, init=False)  # bytes of all shards so far
    full: bool = field(default=False, init=False)  # the budget took no more

    def place(self, costs: Int64s) -> Int64s:
        """Return the shard number of each cost (bytes, > 0), in order; shorter than `costs` once the budget is full."""
        numbers = np.empty(len(costs), np.int64)
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(costs)])
        row = 0
        while row < len(costs) and not self.full:
            stop = int(np.searchsorted(sums, sums[row] + self.left, "right")) - 1
            opens = stop <= row
            if opens:
                stop = max(int(np.searchsorted(sums, sums[row] + self.room, "right")) - 1, row + 1)
            stop = self._affordable(sums, row, stop, opens)
            if stop == row:
                break
            if opens:
                self.shard, self.left = self.shard + 1, self.room
                self.spent += self.fixed
            used = int(sums[stop] - sums[row])
            self.left, self.spent = max(0, self.left - used), self.spent + used
            numbers[row:stop] = self.shard
            row = stop
        return numbers[:row]

    def _affordable(self, sums: Int64s, row: int, stop: int, opens: bool) -> int:  # noqa: FBT001 (a fact, not a mode)
        """Return how far rows [row, stop) go within the budget, and note when it ends there."""
        if self.budget is None:
            return stop
        money = self.budget - self.spent - (self.fixed if opens else 0)
        within = min(stop, int(np.searchsorted(sums, sums[row] + money, "right")) - 1)
        self.full = within < stop
        return max(row, within)


def runs(numbers: Int64s) -> Iterator[tuple[int, int, int]]:
    """Yield (number, first, stop) for each run of equal neighbours."""
    if not len(numbers):
        return
    edges = np.flatnonzero(np.diff(numbers)) + 1
    bounds = [0, *edges.tolist(), len(numbers)]
    for first, stop in pairwise(bounds):
        yield int(numbers[first]), first, stop
