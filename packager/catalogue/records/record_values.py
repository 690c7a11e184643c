"""Checks the values of a record. Unknown columns go to `extra`. No I/O."""

import base64
import datetime as dt
import decimal
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa

from packager import paths
from packager.catalogue.records.field_rules import year_of
from packager.errors import InputError
from packager.model import KINDS, TAGS

VALUE_MAX = 1 << 20  # maximum characters of a value, and bytes of a line

# A checked record. `line` is the line in a text file, or the row in a table, from 1.
RECORDS = pa.schema(
    [
        pa.field("line", pa.int64(), nullable=False),
        ("id", pa.string()),
        ("path", pa.string()),
        ("kind", pa.string()),
        ("sha256", pa.binary(32)),
        *TAGS,
    ]
)
KNOWN = tuple(name for name in RECORDS.names if name != "line")
_ALIASES = {**{name: name for name in KNOWN}, "license": "licence"}
_SECONDS_MAX = 1e9
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


class Columns(NamedTuple):
    """The column names of a file, and the name in KNOWN for each; None for a column that goes to `extra`."""

    names: tuple[str, ...]
    known: tuple[str | None, ...]


class _BadValueError(Exception):
    """A value is not allowed in its column. Arguments: what is wrong, and the fix."""


def find_columns(names: Sequence[str], where: str) -> Columns:
    """Return the columns. Raises InputError for a column without a name and for two with the same name."""
    known = tuple(_ALIASES.get(name.strip().lower()) for name in names)
    seen: dict[str, str] = {}
    for name, ours in zip(names, known, strict=True):
        if not name.strip():
            raise InputError(where, "a column has no name", "name it, or remove it")
        if (ours or name) in seen:
            first = seen[ours or name]
            twice = f'column "{paths.display_text(first)}" exists twice' + (
                f', as "{name}" too' if name != first else ""
            )
            raise InputError(where, twice, "keep one of them")
        seen[ours or name] = name
    return Columns(tuple(names), known)


def parse_record(columns: Columns, values: Sequence[object], line: int, where: str) -> tuple[object, ...]:
    """Return a record as a row of RECORDS. Empty text becomes null. Raises InputError."""
    parsed: dict[str, object] = {}
    extra: dict[str, object] = {}
    for name, known, value in zip(columns.names, columns.known, values, strict=True):
        if value is None or value == "":
            continue
        if known is None:
            extra[name] = value
            continue
        try:
            parsed[known] = _CHECKS[known](value)
        except _BadValueError as error:
            what, fix = error.args
            raise InputError(where, f"{known} {_quoted(value)} {what}", fix) from None
    if "id" not in parsed and "path" not in parsed:
        raise InputError(where, "the record has neither an id nor a path", "add one of them")
    if "year" not in parsed and "date" in parsed:
        parsed["year"] = year_of(str(parsed["date"]))
    if extra or "extra" in parsed:
        parsed["extra"] = _extra(extra, parsed.get("extra"), where)
    return (line, *map(parsed.get, KNOWN))


def _quoted(value: object) -> str:
    """Return a value for a message."""
    if isinstance(value, (bytes, list, dict)):
        return f"of type {type(value).__name__}"
    return f'"{paths.display_text(str(value), 100)}"'


def _text(value: object) -> str:
    """Parse text; numbers and dates become text."""
    if type(value) is str and value.isascii() and len(value) <= VALUE_MAX:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise _BadValueError("is not text", "write it as text")
    if isinstance(value, (dt.date, dt.time)):
        value = value.isoformat()
    if isinstance(value, (int, float, decimal.Decimal)):
        value = str(value)
    if not isinstance(value, str):
        raise _BadValueError("is not text", "write it as text")
    if len(value) > VALUE_MAX:
        raise _BadValueError(f"has more than {VALUE_MAX:,} characters", "shorten it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _BadValueError("is not UTF-8", "write it as UTF-8") from None
    return value


def _id(value: object) -> str:
    """Parse an id. It must not contain control characters, because it is a field in lists and tables."""
    text = _text(value)
    if _CONTROL.search(text):
        raise _BadValueError("has a control character, such as a tab or a line break", "remove it from the id")
    return text


def _path(value: object) -> str:
    """Parse a path below the source."""
    path = _text(value)
    fix = 'write the path below the source folder: "folder/name.flac"'
    if path.startswith("/"):
        raise _BadValueError("is an absolute path", fix)
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise _BadValueError('has an empty, "." or ".." part', fix)
    return path


def _kind(value: object) -> str:
    """Parse one of KINDS."""
    kind = _text(value).strip().lower()
    if kind not in KINDS:
        raise _BadValueError("is not a kind", f"write {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return kind


def _sha256(value: object) -> bytes:
    """Parse a digest: 32 bytes, or hex."""
    if isinstance(value, bytes) and len(value) == 32:
        return value
    if isinstance(value, str) and _HEX.fullmatch(value.strip()):
        return bytes.fromhex(value.strip())
    raise _BadValueError("is not a SHA-256", "write its 64 hex digits")


def _integer(limit: int) -> Callable[[object], int]:
    """Return a parser for integers from 0 to `limit`."""

    def check(value: object) -> int:
        if type(value) is int and 0 <= value <= limit:
            return value
        text = value.strip() if isinstance(value, str) else "" if isinstance(value, (bool, bytes)) else str(value)
        number = int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else -1
        if not 0 <= number <= limit:
            raise _BadValueError(f"is not a whole number from 0 to {limit:,}", "write digits only, or leave it empty")
        return number

    return check


def _number(value: object) -> float:
    """Parse a finite number."""
    if type(value) is float and math.isfinite(value):
        return value + 0.0
    text = value.strip() if isinstance(value, str) else "" if isinstance(value, (bool, bytes)) else str(value)
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise _BadValueError("is not a number", 'write it as "12.5", or leave it empty')
    return number + 0.0  # never -0.0, because its bytes differ from 0.0


def _seconds(value: object) -> float:
    """Parse a duration in seconds, rounded to milliseconds."""
    try:
        seconds = _number(value)
    except _BadValueError:
        seconds = math.nan
    if not 0 <= seconds < _SECONDS_MAX:
        raise _BadValueError("is not a number of seconds", "write 12.5, or leave it empty")
    return round(seconds, 3)


def _object(value: object) -> dict[str, object]:
    """Parse a JSON object, from an object or text."""
    fix = 'write {"name": "value"}, or leave it empty'
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise _BadValueError("is not JSON", fix) from None
    if not isinstance(value, dict):
        raise _BadValueError("is not a JSON object", fix)
    return value


_CHECKS: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(("title", "artist", "album", "date", "isrc", "codec", "licence"), _text),
    "id": _id,
    "path": _path,
    "kind": _kind,
    "sha256": _sha256,
    "track": _integer((1 << 31) - 1),
    "year": _integer(9999),
    "duration": _seconds,
    "popularity": _number,
    "extra": _object,
}


def _extra(columns: dict[str, object], given: object, where: str) -> str | None:
    """Return the unknown columns as canonical JSON: keys sorted, no spaces, no nulls."""
    merged = {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else {}
    for name, value in columns.items():
        if name in merged:
            raise InputError(
                where, f'"{paths.display_text(name)}" is both a key of extra and a column', "keep one of them"
            )
        merged[name] = value
    if not merged:
        return None
    try:
        text = json.dumps(
            merged, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
        )
        size = len(text.encode())
    except (ValueError, TypeError, RecursionError):
        raise InputError(
            where, "JSON cannot represent a value of an extra column (NaN, or text that is not UTF-8)", "correct it"
        ) from None
    if size > VALUE_MAX:
        raise InputError(where, f"the extra columns have more than {VALUE_MAX:,} bytes", "remove some of them")
    return text


def _plain(value: object) -> object:
    """Convert a value that JSON has no type for: bytes to base64, dates and decimals to text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (dt.timedelta, decimal.Decimal)):
        return str(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError
