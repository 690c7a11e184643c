"""Sizes, durations and dates are read as people write them, refused by their value, and written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import units
from packager.errors import InputError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1048576", 1 << 20),
        ("64 GiB", 64 << 30),
        ("64gib", 64 << 30),
        (" 2 TB ", 2 * 10**12),
        ("1.5 KiB", 1536),
        ("0.5 kB", 500),
        ("2.000 MB", 2_000_000),
        ("4096 PiB", 1 << 62),
        ("7 B", 7),
        ("0", 0),
        ("0 GiB", 0),
        ("0.0 B", 0),
    ],
)
def test_a_size_is_read_in_decimal_and_binary_units_of_any_case(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "64 Gib/s", "-1", "1e3", "1,5 GB", "0x10", "6\u0664", "1 GiBB", "64 g", "9" * 19]
)
def test_what_is_no_size_is_refused_with_the_right_spelling(text: str) -> None:
    with pytest.raises(InputError) as error:
        units.parse_size(text, "packager.toml: shards.size")
    assert str(error.value) == (
        f'packager.toml: shards.size: "{text}" is not a size; write it as "64 GiB", "500 MB" or a number of bytes'
    )


@pytest.mark.parametrize("text", ["0.5", "1.5 B", "0.0001 KiB", "4097 PiB", "999999999999999999 PiB"])
def test_a_size_is_a_whole_number_of_bytes_between_bounds(text: str) -> None:
    with pytest.raises(InputError, match="is not a whole number of bytes from 0 to 4 EiB"):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        ((1 << 20) - 52, "1023.9 KiB"),
        ((1 << 30) - 1, "1.0 GiB"),
        (64 << 30, "64 GiB"),
        (1 << 40, "1 TiB"),
        (5000 << 50, "5000 PiB"),
    ],
)
def test_a_size_is_shown_as_a_short_binary_figure(size: int, text: str) -> None:
    assert units.format_size(size) == text


@given(st.integers(1, 1 << 62))
def test_a_shown_size_reads_back_within_its_rounding(size: int) -> None:
    shown = units.format_size(size)
    number, unit = shown.split()
    assert float(number) < 1024 or unit == "PiB"
    assert abs(float(number) * units.UNITS[unit] - size) <= units.UNITS[unit] * 0.0501


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 4 + 3700, "4 d 1 h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert units.format_seconds(seconds) == text


def test_a_count_goes_with_its_noun() -> None:
    assert [units.count_of(n, "shard") for n in (0, 1, 2, 1_234_567)] == [
        "0 shards",
        "1 shard",
        "2 shards",
        "1,234,567 shards",
    ]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z"),
        ("2026-11-21T09:00:00.9+02:00", "2026-11-21T07:00:00Z"),
        ("1970-01-01", "1970-01-01T00:00:00Z"),
        ("9998-12-31T23:59:59-12:00", None),
        ("1970-01-01T00:00:00+01:00", None),
        ("9998-12-31", "9998-12-31T00:00:00Z"),
        ("1969-12-31", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("9999-12-31", None),
        ("yesterday", None),
        ("2026-02-30", None),
        ("", None),
    ],
)
def test_a_date_becomes_a_utc_instant_or_is_refused(text: str, instant: str | None) -> None:
    if instant is None:
        with pytest.raises(InputError, match="is not a date"):
            units.parse_date(text)
    else:
        assert units.parse_date(text) == instant == units.parse_date(instant)


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_a_date_that_is_taken_is_in_the_form_that_is_taken_again(when: object, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{when:%Y-%m-%dT%H:%M:%S}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    try:
        instant = units.parse_date(text)
    except InputError:
        return
    assert units.parse_date(instant) == instant
    assert units.timestamp(instant) >= 0


def test_a_date_is_written_for_feeds_and_for_torrents() -> None:
    assert units.rfc822("2026-11-21T09:05:00Z") == "Sat, 21 Nov 2026 09:05:00 +0000"
    assert units.timestamp("2026-11-21T00:00:00Z") == 1795219200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90 s", 90),
        ("10 min", 600),
        ("1.5h", 5400),
        (" 6 H ", 21600),
        ("90d", 7776000),
        ("2 w", 1209600),
        ("0", 0),
        ("0 s", 0),
        ("0d", 0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert units.parse_seconds(text) == seconds


def test_what_must_not_be_nothing_has_a_minimum() -> None:
    with pytest.raises(InputError, match="from 1 to 4 EiB"):
        units.parse_size("0 B", "--disk", least=1)
    with pytest.raises(InputError, match='--patience: "0 min" is less than 1 s'):
        units.parse_seconds("0 min", "--patience", least=1)
    assert (units.parse_size("1", least=1), units.parse_seconds("1 s", least=1)) == (1, 1)


@pytest.mark.parametrize("text", ["", "-1 s", "soon", "1 year", "1e3", "9" * 12, "1h30", "٣ h"])
def test_what_is_no_duration_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration; write it as"):
        units.parse_seconds(text, "--for")
