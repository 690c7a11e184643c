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
    "text", ["", "GiB", "64 Gib/s", "-1", "1e3", "1,5 GB", "0x10", "6\u0664", "1 GiBB", "64 Gigs", "9" * 19, "1\0"]
)
def test_what_is_no_size_is_refused_with_the_right_spelling(text: str) -> None:
    with pytest.raises(InputError) as error:
        units.parse_size(text, "packager.toml: shards.size")
    assert str(error.value) == (
        f'packager.toml: shards.size: "{text}" is not a size; write it as "64 GiB", "500 MB" or a number of bytes'
    )


# What --help promises for the units of each kind of number: the text, and the number or the complete error.
READINGS = [
    ("size", "64 GiB", 64 << 30),
    ("size", "500MB", 500_000_000),
    ("size", "2T", '"2T" is ambiguous; write "2 TB" or "2 TiB"'),
    ("size", "1.5 k", '"1.5 k" is ambiguous; write "1.5 kB" or "1.5 KiB"'),
    ("rate", "5 MiB/s", 5 << 20),
    ("rate", "5 mib", 5 << 20),
    ("rate", "1000", 1000),
    ("rate", "0", 0),
    ("rate", "100 Mbit/s", 12_500_000),
    ("rate", "1gbit", 125_000_000),
    ("rate", "2M", '"2M" is ambiguous; write "2 MB/s" or "2 MiB/s"'),
    ("rate", "100 Mb/s", '"100 Mb/s" is ambiguous; write "100 MB/s" or "100 Mbit/s"'),
    ("rate", "1 bit/s", '"1 bit/s" is not a whole number of bytes per second from 0'),
    ("rate", "10 Mbps", '"10 Mbps" is not a rate; write it as "5 MiB/s" or "100 Mbit/s"'),
    ("rate", "-1", '"-1" is not a rate; write it as "5 MiB/s" or "100 Mbit/s"'),
    ("seconds", "90 s", 90),
    ("seconds", "10 min", 600),
    ("seconds", "10m", 600),
    ("seconds", "1.5h", 5400),
    ("seconds", " 6 H ", 21600),
    ("seconds", "90d", 90 * 86400),
    ("seconds", "2 w", 14 * 86400),
    ("seconds", "1 y", 365 * 86400),
    ("seconds", "0", 0),
    ("seconds", "0 s", 0),
    ("seconds", "0d", 0),
    ("seconds", "90", '"90" has no unit; write "90 s", "90 min", "90 h" or "90 d"'),
    *(
        ("seconds", text, f'"{text}" is not a time; write it as "90 s", "10 min", "6 h" or "90 d"')
        for text in ("", "-1 s", "soon", "1 year", "1e3", "9" * 13 + " s", "1h30", "٣ h", "0x")
    ),
    ("count", "86000000", 86_000_000),
    ("count", "86M", 86_000_000),
    ("count", "1.5 k", 1500),
    ("count", "1,000", 1000),
    ("count", "12,345,678", 12_345_678),
    ("count", "0", 0),
    *(
        ("count", text, f'"{text}" is not a whole number from 0; write it as "86000000" or "86M"')
        for text in ("", "M", "many", "-1", "1e9", "86 TB", "9" * 20, "1,00", "1,0000", "0.5", "4.5")
    ),
]


@pytest.mark.parametrize(("kind", "text", "expected"), READINGS)
def test_numbers_are_read_with_their_units(kind: str, text: str, expected: float | str) -> None:
    parse = getattr(units, f"parse_{kind}")
    if isinstance(expected, str):
        with pytest.raises(InputError) as error:
            parse(text, "--option")
        assert str(error.value) == f"--option: {expected}"
    else:
        assert parse(text, "--option") == expected


@pytest.mark.parametrize("text", ["0 B", "500 B", "600 KiB", "2 TB", "64 GiB", "500 MB", "1 GB", "12.5 MB", "4096 PiB"])
def test_a_limit_is_shown_as_it_was_written(text: str) -> None:
    assert units.format_limit(units.parse_size(text)) == text


@given(st.integers(0, 1 << 62))
def test_a_shown_limit_is_exact(size: int) -> None:
    shown = units.format_limit(size)
    assert units.parse_size(shown) == size or units.format_size(size) == shown


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


def test_what_must_not_be_nothing_has_a_minimum() -> None:
    with pytest.raises(InputError, match="from 1 to 4 EiB"):
        units.parse_size("0 B", "--disk", least=1)
    with pytest.raises(InputError, match='--worker-timeout: "0 min" is less than 1 s'):
        units.parse_seconds("0 min", "--worker-timeout", least=1)
    assert (units.parse_size("1", least=1), units.parse_seconds("1 s", least=1)) == (1, 1)
