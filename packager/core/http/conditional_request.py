"""Evaluate conditional requests, only by the file's entity tag (RFC 9110, 13). Pure.

No file has a Last-Modified. A date in a request is ignored, as a server without a clock must do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packager.core.http import range_header
from packager.core.http.range_header import Range, UnsatisfiableError

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True)
class ResponsePlan:
    """The answer: a status, and the ranges of a 206."""

    status: int
    ranges: tuple[Range, ...] = ()


def evaluate_request(method: str, headers: Mapping[str, str], size: int, tag: str) -> ResponsePlan:
    """Return the answer to a GET or HEAD for a file of `size` bytes.

    headers: with names as in RFC 9110. tag: the file's strong entity tag, in quotes.
    """
    match = headers.get("If-Match")
    if match is not None and match.strip() != "*" and ("", tag) not in _TAG.findall(match):
        return ResponsePlan(412)
    none_match = headers.get("If-None-Match")
    if none_match is not None and (none_match.strip() == "*" or tag in [each for _, each in _TAG.findall(none_match)]):
        return ResponsePlan(304)
    asked = headers.get("Range") if method == "GET" else None
    if asked is None or headers.get("If-Range", tag).strip() != tag:
        return ResponsePlan(200)
    try:
        ranges = range_header.parse_range(asked, size)
    except UnsatisfiableError:
        return ResponsePlan(416)
    return ResponsePlan(200) if ranges is None else ResponsePlan(206, tuple(ranges))
