"""Patterns of names and paths: "*" is any text, "/" included; every other character is itself. Pure.

What `--path`, `--include` and `--exclude` mean. A pattern is split at its stars once, by `_texts`; the predicate and
the SQL are two ways to look for these texts.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from packager.errors import InputError

MAX_PATTERN = 1000  # characters


def check_pattern(pattern: str, where: str) -> None:
    """Raise InputError for a pattern that no path of a catalogue can match. where: the option."""
    if not pattern:
        raise InputError(where, "the pattern is empty", 'write a path; "*" stands for any text')
    if len(pattern) > MAX_PATTERN:
        raise InputError(where, f"a pattern of {len(pattern)} characters", f"use at most {MAX_PATTERN} characters")
    if "\0" in pattern:
        raise InputError(where, "the pattern contains NUL, which no path has")
    try:
        pattern.encode()
    except UnicodeEncodeError:
        raise InputError(where, "the pattern is not UTF-8", 'write "*" for the part of the name that is not') from None


@lru_cache(256)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return the predicate for the texts that match `pattern` from start to end. Its time grows with the text alone."""
    first, *others = _texts(pattern)
    if not others:
        return lambda text: text == first
    *inner, last = others
    shortest = sum(map(len, (first, *others)))

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, stop = len(first), len(text) - len(last)
        for part in inner:
            at = text.find(part, at, stop)
            if at < 0:
                return False
            at += len(part)
        return True

    return matches


def pattern_sql(pattern: str, column: str) -> str:
    """Return the SQL condition (DuckDB) for the rows whose `column` matches; NULL where the column is NULL."""
    regex = ".*".join(map(re.escape, _texts(pattern))).replace("'", "''")
    return f"regexp_full_match({column}, '{regex}', 's')"  # s: a line break is a character like any other


def _texts(pattern: str) -> list[str]:
    """Return the texts between the stars of a pattern: one more than it has stars."""
    return pattern.split("*")


@dataclass(frozen=True)
class PatternFilter:
    """Which paths below a folder are included and which are excluded.

    A pattern with "/" before its end is matched with the path from the top, one without with the name at any depth. A
    folder that matches stands for all that is in it. With no `include` pattern, every path is included.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def includes(self, path: str) -> bool:
        """Return whether an `include` pattern matches a file or a folder above it."""
        return not self.include or any(_matches(above, each) for above in _with_parents(path) for each in self.include)

    def excludes(self, path: str) -> bool:
        """Return whether an `exclude` pattern matches a file or folder; what is in an excluded folder is not asked."""
        return any(_matches(path, each) for each in self.exclude)


def _matches(path: str, pattern: str) -> bool:
    """Return whether a pattern of a PathFilter matches this very path."""
    from_top = "/" in pattern.rstrip("/")
    return compile_pattern(pattern.strip("/"))(path if from_top else path.rpartition("/")[2])


def _with_parents(path: str) -> Iterator[str]:
    """Yield a path and the folders above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]
