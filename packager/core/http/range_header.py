"""Parse the Range header of HTTP, and write the headers of an answer with several ranges (RFC 9110, 14). Pure.

Ranges are [start, stop) in bytes of a file.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]

MOST = 64  # ranges of one request; RFC 9110 14.2 lets a server refuse many
_SPEC = re.compile(r"([0-9]*)-([0-9]*)", re.ASCII)
_DIGITS = 19  # enough for positions of 63 bits; a longer number is past the end of any file


class UnsatisfiableError(Exception):
    """The ranges are invalid, or past the end, or too many: status 416. It is always caught."""


def parse_range(header: str, size: int) -> list[Range] | None:
    """Return the ranges of a Range header for a file of `size` bytes, in its order; None: send the complete file.

    A unit other than bytes is ignored (RFC 9110 14.2), ranges past the end are left out. Raises
    UnsatisfiableError if no range is left, for an invalid range, and for more than MOST ranges or more bytes
    than the file has, so that a small request cannot cause an answer of many times the file.
    """
    unit, equals, specs = header.strip().partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    written = [spec.strip(" \t") for spec in specs.split(",")]
    found = [_parse_one(spec, size) for spec in written if spec]
    ranges = [each for each in found if each is not None]
    asked = sum(stop - start for start, stop in ranges)
    if not ranges or len(found) > MOST or (len(ranges) > 1 and asked > size):
        raise UnsatisfiableError
    return ranges


def _parse_one(spec: str, size: int) -> Range | None:
    """Return one range, cut to the file's size; None if it is past the end."""
    match = _SPEC.fullmatch(spec)
    if match is None or spec == "-":
        raise UnsatisfiableError
    first, last = (digits.lstrip("0")[: _DIGITS + 1] or digits[:1] for digits in match.groups())
    if not first:
        start, stop = max(0, size - int(last)), size
    elif last and int(last) < int(first):
        raise UnsatisfiableError
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    return (start, stop) if start < stop else None


def content_range(each: Range, size: int) -> str:
    """Return the value of Content-Range for one range."""
    return f"bytes {each[0]}-{each[1] - 1}/{size}"


def part_heads(ranges: Sequence[Range], size: int, content_type: str, boundary: str) -> list[bytes]:
    """Return the headers before each range in multipart/byteranges, and the end after the last (RFC 9110, 14.6)."""
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(each, size)}\r\n\r\n"
        for each in ranges
    ]
    return [head.encode() for head in (*heads, f"\r\n--{boundary}--\r\n")]
