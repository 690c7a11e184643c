"""Byte counts, durations and dates, as people write them and back. No clock is read here."""

import datetime as dt
import re

from packager.errors import InputError

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
UNITS: dict[str, int] = {
    "B": 1,
    **{f"{p}B": 1000**i for i, p in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{f"{p}iB": 1024**i for i, p in enumerate(("K", "M", "G", "T", "P"), 1)},
}
_FOLDED: dict[str, int] = {unit.lower(): factor for unit, factor in UNITS.items()}
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]*)\s*", re.ASCII)
_YEAR_9999 = 253370764800  # Unix seconds; datetime ends with that year
_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_size(text: str, where: str = "size", *, least: int = 0) -> int:
    """Return the bytes that `text` ("64 GiB", "2 TB", "1048576") means.

    Decimal (kB, MB, GB, TB, PB) and binary (KiB ... PiB) units, in any case; a bare number is bytes.
    Raises InputError when it is not a size, or not a whole number of bytes from `least` on.
    """
    match = _SIZE.fullmatch(text)
    factor = _FOLDED.get(match[2].lower() or "b") if match else None
    if match is None or factor is None:
        raise InputError(where, f'"{text}" is not a size', 'write it as "64 GiB", "500 MB" or a number of bytes')
    whole, _, part = match[1].partition(".")
    scale: int = 10 ** len(part)
    size, rest = divmod(int(whole + part) * factor, scale)
    if rest or size < least or size > 1 << 62:
        raise InputError(where, f'"{text}" is not a whole number of bytes from {least} to 4 EiB')
    return size


def format_size(size: float) -> str:
    """Return bytes as a short binary figure: "0 B", "1.5 KiB", "64 GiB", "1 TiB"."""
    value, unit = float(size), "B"
    for step in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(round(value, 1)) < 1024:
            break
        value, unit = value / 1024, step
    return f"{value:.0f} {unit}" if unit == "B" or value == int(value) else f"{value:.1f} {unit}"


def format_seconds(seconds: float) -> str:
    """Return a duration as its two largest units: "45 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    raise AssertionError("unreachable: whole >= 60")


def parse_seconds(text: str, where: str = "duration", *, least: float = 0) -> float:
    """Return the seconds that `text` ("90 s", "10 min", "6h", "90d") means. Raises InputError; `least`: the minimum."""
    match = _DURATION.fullmatch(text.lower())
    factor = _SECONDS.get(match[2] or "s") if match else None
    if match is None or factor is None:
        raise InputError(where, f'"{text}" is not a duration', 'write it as "90 s", "10 min", "6 h" or "90 d"')
    seconds = float(match[1]) * factor
    if seconds < least:
        raise InputError(where, f'"{text}" is less than {least:g} s', "write a longer time")
    return seconds


def count_of(number: int, noun: str) -> str:
    """Return "1 shard", "2 shards": a count with its noun, thousands parted by commas."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def parse_date(text: str, where: str = "date") -> str:
    """Return `text` as an RFC 3339 UTC instant, "2026-11-21T00:00:00Z".

    Takes a date (midnight UTC is meant) or an instant with its offset. Raises InputError otherwise.
    """
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is not None and value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
    if value is None or not 0 <= value.timestamp() < _YEAR_9999:
        raise InputError(where, f'"{text}" is not a date', 'write it as "2026-11-21" or "2026-11-21T09:00:00Z"')
    return value.astimezone(dt.UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def date_of(seconds: int) -> str:
    """Return Unix seconds as `parse_date` writes a date. Raises InputError for those past the year 9999."""
    if not 0 <= seconds < _YEAR_9999:
        raise InputError("date", f"{seconds} seconds are past the year 9999")
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(date: str) -> int:
    """Return the Unix seconds of a date that `parse_date` wrote."""
    return int(dt.datetime.fromisoformat(date).timestamp())


def rfc822(date: str) -> str:
    """Return a date that `parse_date` wrote in RSS 2.0's form (RFC 822)."""
    value = dt.datetime.fromisoformat(date)
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{days[value.weekday()]}, {value.day:02d} {months[value.month - 1]} {value.year} {value:%H:%M:%S} +0000"
