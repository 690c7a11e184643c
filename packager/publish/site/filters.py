"""The filters for templates: they make plain text and checked URLs, never HTML.

release_templates/README.md describes them.
"""

import datetime as dt
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Mapping
from types import MappingProxyType

from packager import paths, units
from packager.core.releases import release_lists
from packager.model import ReleasePhase

_JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji; harmless
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_PARAGRAPHS, _PARAGRAPH = 20, 3000  # limits of a description: paragraphs, characters in each
_MAX_MARKS = 4  # combining marks on one letter; more would reach the line above


def one_line(value: object, limit: int = 300) -> str:
    """Return a text as one line, with visible control characters, at most `limit` characters; "" for None."""
    text = "" if value is None else str(value)
    if not text.isprintable():
        text = "".join(char if char in _JOINERS else paths.display_text(char) for char in _one_line(text, limit))
    if not text.isascii():
        text = _limit_marks(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _one_line(text: str, limit: int) -> str:
    """Return text with single spaces for white space. Text far beyond the limit is ignored."""
    return " ".join(text[: 4 * limit].split()) + ("…" if len(text) > 4 * limit else "")


def _limit_marks(text: str) -> str:
    """Return text with at most _MAX_MARKS combining marks in a row, so that they do not cover other lines."""
    if not any(map(unicodedata.combining, text)):
        return text
    kept: list[str] = []
    stacked = 0
    for char in text:
        stacked = stacked + 1 if unicodedata.combining(char) else 0
        if stacked <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def paragraphs(text: str) -> list[str]:
    """Return a description's paragraphs, which blank lines separate, each as one line."""
    parts = [part for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()) if part.strip()]
    return [one_line(part, _PARAGRAPH) for part in parts[:_PARAGRAPHS]]


def count(number: int) -> str:
    """Return a number with thousands separators: "1,234,567"."""
    return f"{number:,}"


def day(date: str) -> str:
    """Return an RFC 3339 instant as a day: "21 November 2026"."""
    value = dt.datetime.fromisoformat(date)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def moment(date: str) -> str:
    """Return an RFC 3339 instant in UTC as "21 November 2026, 09:05 UTC"."""
    return f"{day(date)}, {dt.datetime.fromisoformat(date):%H:%M} UTC"


def known(number: int | None) -> str:
    """Return a count like `count`; a dash if it is unknown."""
    return "–" if number is None else count(number)


def clock(seconds: float | None) -> str:
    """Return a recording's length: "3:05", "1:02:03"; "" if it is unknown."""
    if seconds is None or not 0 <= seconds < 1e9:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def short(digest: str) -> str:
    """Return the first 12 characters of a digest."""
    return digest[:12]


def web_url(text: str) -> str:
    """Return an http or https URL unchanged; "" for anything else, which must be shown as text."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return ""
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return text if is_web and text.isprintable() and " " not in text else ""


def magnet_url(text: str) -> str:
    """Return a magnet link unchanged; "" for anything else."""
    return text if text.startswith("magnet:?") and text.isprintable() else ""


def file_url(path: str) -> str:
    """Return a path of the site as a relative URL; "" for a path outside the site."""
    return urllib.parse.quote(path) if paths.is_safe_path(path) else ""


def has_page(phase: ReleasePhase) -> bool:
    """Return whether a phase has pages: it has shards or was published."""
    return phase.shards > 0 or phase.state == "published"


FILTERS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {
        "shown": one_line,
        "paragraphs": paragraphs,
        "count": count,
        "size": units.format_size,
        "day": day,
        "moment": moment,
        "known": known,
        "clock": clock,
        "hex": bytes.hex,
        "short": short,
        "infohash": release_lists.short_infohash,
        "web_url": web_url,
        "magnet_url": magnet_url,
        "file_url": file_url,
        "has_page": has_page,
    }
)
