"""`*` is any text in a path; every other character is itself. By the predicate and by DuckDB alike."""

import re
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packager.core.shards.path_patterns import PatternFilter, check_pattern, compile_pattern, pattern_sql
from packager.engine.tables import sql
from packager.errors import InputError

# Few letters, so that texts match by chance; and what some other kind of pattern takes for more than itself.
_TEXTS = st.text("ab*[]?{},%_\\/!-.^$()|+'\n\té", max_size=12)


@given(_TEXTS, _TEXTS)
@example("Album [FLAC]/*", "Album F/2.flac")
@example("Album [FLAC]/*", "Album [FLAC]/cd 1/2.flac")
@example("a*a", "a")
@example("*", "")
def test_the_predicate_and_the_sql_mean_what_a_regular_expression_of_the_pattern_does(pattern: str, text: str) -> None:
    expected = bool(re.fullmatch("(?s:.*)".join(map(re.escape, pattern.split("*"))), text))
    assert compile_pattern(pattern)(text) is expected
    with tempfile.TemporaryDirectory() as spill, closing(sql.open_database(None, Path(spill))) as database:
        database.register("paths", pa.table({"path": [text, None]}))
        found = sql.execute(database, f"SELECT {pattern_sql(pattern, 'path')} FROM paths")
    assert found == [(expected,), (None,)]


@given(st.lists(_TEXTS, max_size=4), st.lists(_TEXTS, max_size=3))
def test_texts_joined_by_stars_match_whatever_is_between_them(texts: list[str], between: list[str]) -> None:
    texts = [text.replace("*", "") for text in texts] + [""]
    filled = "".join(text + (between[at] if at < len(between) else "") for at, text in enumerate(texts[:-1]))
    assert compile_pattern("*".join(texts))(filled)


def test_many_stars_take_no_long_time() -> None:
    started = time.process_time()
    assert not compile_pattern("*a" * 400 + "b")("a" * 4000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("", "is empty"), ("x" * 1001, "1001 characters"), ("a\0b", "NUL"), ("\udcff*", "not UTF-8")],
)
def test_what_no_path_can_match_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        check_pattern(pattern, "--path")


def test_brackets_in_include_and_exclude_are_letters() -> None:
    chosen = PatternFilter(include=("Album [FLAC]", "cd?/*.wav"), exclude=("{x,y}", "*[!a].log"))
    assert chosen.includes("Album [FLAC]/cd 1/a.flac")
    assert not chosen.includes("Album F/a.flac")
    assert chosen.includes("cd?/1.wav")
    assert not chosen.includes("cd1/1.wav")
    assert chosen.excludes("deep/{x,y}")
    assert not chosen.excludes("x")
    assert chosen.excludes("b[!a].log")
    assert not chosen.excludes("b.log")
