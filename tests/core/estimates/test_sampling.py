"""A sample is the same for the same seed, fair, and proves what exact counting says it proves."""

from collections import Counter
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.estimates.sampling import SampleSize, bad_below, parse_sample, sample, sample_conclusion
from packager.errors import InputError


@given(total=st.integers(0, 500), share=st.floats(0, 1), seed=st.integers(0, 1 << 40))
@settings(max_examples=80)
def test_a_sample_has_so_many_different_numbers_in_order(total: int, share: float, seed: int) -> None:
    count = int(total * share)
    taken = sample(total, count, seed)
    assert len(taken) == count
    assert list(taken) == sorted(set(taken))
    assert all(0 <= number < total for number in taken)
    assert sample(total, count, seed) == taken


def test_a_seed_means_the_same_sample_on_every_machine() -> None:
    assert sample(100, 5, 1) == [56, 58, 62, 66, 86]
    assert sample(10**7, 3, 2026) == [94457, 1970982, 6920535]


def test_each_pair_of_numbers_is_taken_about_as_often_as_another() -> None:
    pairs = Counter(tuple(sample(5, 2, seed)) for seed in range(5000))
    assert len(pairs) == 10
    assert all(400 < count < 600 for count in pairs.values())


@pytest.mark.parametrize("total", [1, 2, 3, 10, 37, 100])
def test_what_a_sample_proves_is_what_counting_every_case_says(total: int) -> None:
    for taken in range(1, total + 1):
        least = next(
            bad
            for bad in range(1, total + 2)
            if bad > total - taken or Fraction(comb(total - bad, taken), comb(total, taken)) <= Fraction(1, 100)
        )
        assert bad_below(total, taken) == least


def test_what_is_said_never_claims_more_than_was_proved() -> None:
    assert sample_conclusion(16384, 300, "piece") == (
        "with 99 % confidence fewer than 248 of 16,384 pieces are bad (less than 1.6 %)"
    )
    assert sample_conclusion(20_000_000, 400_000, "piece").endswith(
        "fewer than 228 of 20,000,000 pieces are bad (less than 0.0012 %)"
    )
    assert sample_conclusion(7, 7, "piece") == "all 7 pieces were read, and all are right"


def test_459_pieces_find_damage_of_one_percent() -> None:
    assert bad_below(10**9, 459) <= 10**7 < bad_below(10**9, 458)


@pytest.mark.parametrize(("text", "of"), [("2%", 20), ("0.05 %", 1), ("100%", 1000), ("7", 7), ("5000", 1000)])
def test_a_size_is_a_share_or_a_number_and_never_more_than_all(text: str, of: int) -> None:
    assert parse_sample(text).of(1000) == of


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-3", "2 percent", "1e3", "٣"])
def test_what_is_no_sample_is_refused_with_the_value(text: str) -> None:
    with pytest.raises(InputError, match="is not a sample"):
        parse_sample(text)


def test_nothing_is_taken_of_nothing() -> None:
    assert SampleSize(Fraction(1, 2)).of(0) == 0
