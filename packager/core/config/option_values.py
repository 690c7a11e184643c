"""One value of packager.toml, as TOML gives it -> the checked value of an option.

Every reader gets the value and its place, and raises InputError with the value and the most similar correct
spelling. Nothing here knows which key it reads.
"""

import datetime as dt
import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable

from packager import units
from packager.errors import InputError
from packager.paths import display_text
from packager.slug import SLUG_RULE, is_slug, slug
from packager.units import KIB, MIB

Reader = Callable[[object, str], object]

SHARD_MIN = 64 * KIB  # a bag's own files take some KiB
PIECE_MIN, PIECE_MAX = 16 * KIB, 16 * MIB  # BEP 52's least; what every client still takes
SQL_MAX = 4000  # characters
_SIZE = re.compile(r"\s*([0-9.]+)\s*([A-Za-z]+)\s*")


def type_error(value: object) -> str:
    """Return a TOML value as a message shows it."""
    if isinstance(value, str):
        return f'"{display_text(value, 80)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > 1 << 64:
        return "a number that large"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return str(value)


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `words` that is spelled most like `word`, if any is."""
    return next(iter(difflib.get_close_matches(word[:80].lower(), tuple(words), 1, cutoff)), None)


def parse_string(value: object, where: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        scalar = not isinstance(value, list | dict)
        raise InputError(
            where,
            f"{type_error(value)} is not a string",
            f'write it in quotes: "{type_error(value)}"' if scalar else "",
        )
    return value


def _clean(value: object, where: str, allowed: str) -> str:
    """Return a string that holds no control character and no line separator but those allowed."""
    text = parse_string(value, where)
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char not in allowed:
            what = "a line break" if char in "\r\n\u2028\u2029" else f"the control character {display_text(char)}"
            raise InputError(where, f"{type_error(text)} contains {what}", "remove it")
    return text


def line(value: object, where: str) -> str:
    """Return one line of text; it may be empty."""
    return _clean(value, where, "")


def title(value: object, where: str) -> str:
    """Return one line of text that is not blank."""
    text = line(value, where)
    if not text.strip():
        raise InputError(where, f"{type_error(text)} is empty", "write the title that people will see")
    return text


def text(value: object, where: str) -> str:
    """Return text of any number of lines."""
    return _clean(value, where, "\n\r\t")


def records_files(value: object, where: str) -> tuple[str, ...]:
    """Return the paths of the records files; there can be one today."""
    if not isinstance(value, list):
        fix = f"write [{type_error(value)}]" if isinstance(value, str) else 'write ["records.csv"]'
        raise InputError(where, f"{type_error(value)} is not a list", fix)
    if len(value) > 1:
        raise InputError(where, f"{len(value)} records files; there can be only one", "join them into one file")
    return tuple(path(each, f"{where}[{index}]") for index, each in enumerate(value))


def path(value: object, where: str) -> str:
    """Return a path as it is written; the loader checks that it exists."""
    written = parse_string(value, where)
    if not written or "\0" in written:
        raise InputError(where, f"{type_error(written)} is not a path", "write the path")
    return written


def name(value: object, where: str) -> str:
    """Return a slug."""
    written = parse_string(value, where)
    if not is_slug(written):
        raise InputError(
            where, f"{type_error(written)} is not a name ({SLUG_RULE})", f'did you mean "{slug(written)}"?'
        )
    return written


def flag(value: object, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InputError(where, f"{type_error(value)} is not true or false", "write true or false, without quotes")
    return value


def one_of(*words: str) -> Reader:
    """Return a reader that takes one of `words`."""

    def read(value: object, where: str) -> str:
        if isinstance(value, str) and value in words:
            return value
        close = nearest(value, words, 0.4) if isinstance(value, str) else None
        listed = ", ".join(f'"{word}"' for word in words)
        raise InputError(
            where, f"{type_error(value)} is not one of {listed}", f'did you mean "{close}"?' if close else ""
        )

    return read


def size(value: object, where: str) -> int:
    """Return bytes, from "64 GiB" or a number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= 1 << 62:
            raise InputError(where, f"{type_error(value)} is not a number of bytes from 0 to 4 EiB")
        return value
    if not isinstance(value, str):
        raise InputError(
            where, f"{type_error(value)} is not a size", 'write it as "64 GiB", "500 MB" or a number of bytes'
        )
    try:
        return units.parse_size(value, where)
    except InputError as error:
        close = _nearest_size(value)
        wrong = error.what.replace(f'"{value}"', type_error(value))
        raise InputError(where, wrong, f'did you mean "{close}"?' if close else error.fix) from None


def _nearest_size(written: str) -> str | None:
    """Return the size with the unit that is spelled most like the one written."""
    match = _SIZE.fullmatch(written[:80])
    folded = {unit.lower(): unit for unit in units.UNITS}
    if match is None or len(match[2]) == 1 or match[2].lower() in folded:  # a letter can mean two units
        return None
    close = nearest(match[2], folded, 0.5)
    return f"{match[1]} {folded[close]}" if close else None


def shard_size(value: object, where: str) -> int:
    """Return the bound of a shard in bytes."""
    bound = size(value, where)
    if bound < SHARD_MIN:
        raise InputError(where, f"{type_error(value)} is less than the minimum, 64 KiB", 'try "64 GiB"')
    return bound


def piece_length(value: object, where: str) -> int | None:
    """Return the piece length in bytes, None for "auto"."""
    if value == "auto":
        return None
    if isinstance(value, str) and not any(char.isdigit() for char in value):
        raise InputError(where, f"{type_error(value)} is not a piece length", 'write "auto", or a size as "4 MiB"')
    length = size(value, where)
    if length & (length - 1) or not PIECE_MIN <= length <= PIECE_MAX:
        close = min(max(1 << round(math.log2(max(length, 1))), PIECE_MIN), PIECE_MAX)
        raise InputError(
            where,
            f"{type_error(value)} is not a power of two from 16 KiB to 16 MiB",
            f'did you mean "{units.format_size(close)}"?',
        )
    return length


def date(value: object, where: str) -> str:
    """Return a date as RFC 3339 in UTC, from a string or TOML's own date."""
    if isinstance(value, dt.date):  # dt.datetime is one too
        value = value.isoformat()
    if not isinstance(value, str):
        raise InputError(where, f"{type_error(value)} is not a date", 'write it as "2026-11-21"')
    try:
        return units.parse_date(value, where)
    except InputError as error:
        raise InputError(where, f"{type_error(value)} is not a date", error.fix) from None


def sql(value: object, where: str) -> str:
    """Return SQL that is neither blank nor too long; what it says is checked against the catalogue later."""
    written = text(value, where)
    if not written.strip():
        raise InputError(
            where, f"{type_error(written)} is empty", "remove the line, or write SQL over the catalogue's columns"
        )
    if len(written) > SQL_MAX:
        raise InputError(where, f"{len(written)} characters are more than the {SQL_MAX} it may have")
    return written
