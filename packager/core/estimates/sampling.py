"""Choose a seeded random sample of pieces, and compute what it proves if all of them are right. Pure.

The same seed always gives the same sample: random numbers come from SHA-256 of the seed and a counter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

import numpy as np

from packager.errors import InputError
from packager.units import count_of

CONFIDENCE = Fraction(99, 100)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", re.ASCII)
_COUNT = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class SampleSize:
    """The size of a sample: a share of all, or a number if the share is None."""

    share: Fraction | None
    count: int = 0

    def of(self, total: int) -> int:
        """Return the sample's size for `total`: at least one if total is not 0, and at most total."""
        wanted = self.count if self.share is None else -int(-self.share * total // 1)
        return min(total, max(1, wanted))


def parse_sample(text: str) -> SampleSize:
    """Return the size that "2%" or "500" means. Raises InputError."""
    if match := _SHARE.fullmatch(text.strip()):
        share = Fraction(match[1]) / 100
        if 0 < share <= 1:
            return SampleSize(share)
    elif _COUNT.fullmatch(text.strip()) and int(text):
        return SampleSize(None, int(text))
    raise InputError("--sample", f'"{text}" is not a sample', 'write it as "2%" or as a number of pieces from 1')


def sample(total: int, count: int, seed: int) -> Sequence[int]:
    """Return `count` different random numbers below `total`, ascending. Each set is equally likely.

    Robert Floyd's algorithm ("A sample of brilliance", 1987). Memory and time grow with `count`.
    """
    if count >= total:
        return range(total)
    taken: set[int] = set()
    for last in range(total - count, total):
        drawn = int.from_bytes(sha256(f"{seed}:{last}".encode()).digest(), "big") * (last + 1) >> 256
        taken.add(last if drawn in taken else drawn)
    return sorted(taken)


def bad_below(total: int, taken: int) -> int:
    """Return the smallest D so that a sample of `taken` of `total` without a bad one proves that fewer than D are bad.

    With CONFIDENCE: if D or more were bad, the chance of a sample without a bad one would be at most 1 in 100.
    That chance is hypergeometric, C(total - D, taken) / C(total, taken).
    """
    low, high = 1, total - taken + 1  # with total - taken + 1 bad ones, the sample must contain one
    limit = float(np.log(float(1 - CONFIDENCE)))
    while low < high:
        middle = (low + high) // 2
        if _log_chance_of_none(total, taken, middle) <= limit:
            high = middle
        else:
            low = middle + 1
    return low


def _log_chance_of_none(total: int, taken: int, bad: int) -> float:
    """Return the logarithm of C(total - bad, taken) / C(total, taken), as the shorter of two products."""
    few, many = sorted((taken, bad))
    return float(np.log1p(-many / (total - np.arange(few, dtype=np.float64))).sum())


def sample_conclusion(total: int, taken: int, noun: str) -> str:
    """Return in words what a sample without faults proves."""
    if taken >= total:
        return f"all {count_of(total, noun)} were read, and all are right"
    below = bad_below(total, taken)
    return (
        f"with 99 % confidence fewer than {below:,} of {count_of(total, noun)} are bad "
        f"(less than {_percent(Fraction(below, total))} %)"
    )


def _percent(share: Fraction) -> str:
    """Return a share in percent with two significant digits, rounded up so that the statement stays true."""
    percent = share * 100
    digits = 0
    while percent * 10**digits < 10 and digits < 9:
        digits += 1
    scaled = -int(-percent * 10**digits // 1)
    return f"{scaled / 10**digits:.{digits}f}"
