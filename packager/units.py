"""Sizes, rates, times, counts and dates: from what people write, and back. No clock is read here."""

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
_READINGS = {p: (f"{p if p == 'k' else p.upper()}B", f"{p.upper()}iB") for p in "kmgtp"}  # of a letter alone
_BITS = {"bit": 1, "kbit": 1000, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_COUNTS = {"": 1, "k": 1000, "m": 10**6, "g": 10**9}
_NUMBER = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*(.*?)\s*", re.ASCII | re.DOTALL)
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", re.ASCII)
_YEAR_9999 = 253370764800  # Unix seconds; datetime ends with that year
_MOST = 1 << 62


def parse_size(text: str, where: str = "size", *, least: int = 0) -> int:
    """Return the bytes that `text` ("64 GiB", "2 TB", "1048576") means.

    Decimal (kB, MB, GB, TB, PB) and binary (KiB ... PiB) units, in any case; a number without a unit is bytes. Raises
    InputError if it is not a size, could mean two sizes ("2T"), or is not a whole number of bytes from `least`.
    """
    number, unit = _parts(text)
    _refuse_two_readings(number, unit, "", text, where)
    factor = _FOLDED.get(unit.lower() or "b")
    if not number or factor is None:
        raise InputError(where, f'"{text}" is not a size', 'write it as "64 GiB", "500 MB" or a number of bytes')
    size = _whole(number, factor)
    if size is None or not least <= size <= _MOST:
        raise InputError(where, f'"{text}" is not a whole number of bytes from {least} to 4 EiB')
    return size


def parse_rate(text: str, where: str = "rate", *, least: int = 0) -> int:
    """Return the bytes per second that `text` ("5 MiB/s", "5 MiB", "100 Mbit/s") means.

    Raises InputError like `parse_size`, and for "100 Mb/s", which could mean bits or bytes.
    """
    number, unit = _parts(text)
    unit = unit.removesuffix("/s").rstrip()
    _refuse_two_readings(number, unit, "/s", text, where)
    bits, factor = _BITS.get(unit.lower()), _FOLDED.get(unit.lower() or "b")
    if number and factor and unit[-1:] == "b" and unit != unit.lower():
        name = next(each for each in UNITS if each.lower() == unit.lower())
        fix = f'write "{number} {name}/s" or "{number} {name[0]}bit/s"'
        raise InputError(where, f'"{text}" is ambiguous', fix)
    if not number or (factor is None and bits is None):
        raise InputError(where, f'"{text}" is not a rate', 'write it as "5 MiB/s" or "100 Mbit/s"')
    rate = _whole(number, factor) if factor else _whole(number, bits or 0, 8)
    if rate is None or not least <= rate <= _MOST:
        raise InputError(where, f'"{text}" is not a whole number of bytes per second from {least}')
    return rate


def _parts(text: str) -> tuple[str, str]:
    """Return the number and the unit of a text; an empty number if it does not begin with one."""
    match = _NUMBER.fullmatch(text)
    return (match[1], match[2]) if match else ("", text)


def _whole(number: str, factor: int, divisor: int = 1) -> int | None:
    """Return a written number times a factor, divided by `divisor`; None if that is not a whole number."""
    whole, _, part = number.partition(".")
    product, rest = divmod(int(whole + part) * factor, 10 ** len(part) * divisor)
    return None if rest else product


def _refuse_two_readings(number: str, unit: str, per: str, text: str, where: str) -> None:
    """Raise InputError for a unit that is only a letter, as in "2T"."""
    if number and unit.lower() in _READINGS:
        decimal, binary = _READINGS[unit.lower()]
        fix = f'write "{number} {decimal}{per}" or "{number} {binary}{per}"'
        raise InputError(where, f'"{text}" is ambiguous', fix)


def parse_count(text: str, where: str = "number", *, least: int = 0) -> int:
    """Return the number that "86000000", "86M" or "256k" means. Raises InputError.

    Commas between thousands are allowed.
    """
    number, unit = _parts(_THOUSANDS.sub("", text))
    factor = _COUNTS.get(unit.lower())
    count = _whole(number, factor) if number and factor else None
    if count is None or not least <= count <= _MOST:
        raise InputError(where, f'"{text}" is not a whole number from {least}', 'write it as "86000000" or "86M"')
    return count


def format_size(size: float) -> str:
    """Return bytes as a short binary figure: "0 B", "1.5 KiB", "64 GiB", "1 TiB"."""
    value, unit = float(size), "B"
    for step in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(round(value, 1)) < 1024:
            break
        value, unit = value / 1024, step
    return f"{value:.0f} {unit}" if unit == "B" or value == int(value) else f"{value:.1f} {unit}"


def format_limit(size: int) -> str:
    """Return a limit as its user wrote it: "2 TB" and not "1.8 TiB". It is the shortest text that is exact."""
    exact = [f"{size / factor:.3f}".rstrip("0").rstrip(".") + f" {unit}" for unit, factor in UNITS.items()]
    same = [text for text in exact if float(text.split()[0]) >= 1 and _whole(*_factors(text)) == size]
    return min(same, key=lambda text: (len(text), "i" not in text), default=format_size(size))


def _factors(text: str) -> tuple[str, int]:
    """Return the number of a formatted size, and the bytes of its unit."""
    number, unit = text.split()
    return number, UNITS[unit]


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


def parse_seconds(text: str, where: str = "time", *, least: float = 0) -> float:
    """Return the seconds that `text` ("90 s", "10 min", "6h", "90 d", "1 y") means; "m" is minutes.

    least: the minimum. Raises InputError, also for a number other than 0 without a unit.
    """
    number, unit = _parts(text)
    factor = _SECONDS.get(unit.lower() or "s")
    if number and not unit and float(number):
        raise InputError(
            where, f'"{text}" has no unit', f'write "{number} s", "{number} min", "{number} h" or "{number} d"'
        )
    if not number or factor is None or len(number) > 12:
        raise InputError(where, f'"{text}" is not a time', 'write it as "90 s", "10 min", "6 h" or "90 d"')
    seconds = float(number) * factor
    if seconds < least:
        raise InputError(where, f'"{text}" is less than {least:g} s', "write a longer time")
    return seconds


def count_of(number: int, noun: str) -> str:
    """Return "1 shard", "2 shards": a count with its noun, and commas between thousands."""
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
