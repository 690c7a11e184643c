"""Phases' SQL is checked against the catalogue's columns, and only what every run repeats may pass."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.tables import sql
from packager.engine.tables.phase_sql import COLUMNS, catalogue_view, check_phases, order_sql, where_sql
from packager.errors import InputError
from packager.model import CATALOGUE
from packager.options import CollectionOptions, Config, PhaseOptions, RecordsOptions


def config(where: str = "true", order: str = "id", *, file_times: bool = False) -> Config:
    return Config(
        collection=CollectionOptions(name="songs", title="Songs", source="songs"),
        records=RecordsOptions(file_times=file_times),
        phases=(
            PhaseOptions(name="metadata", title="Metadata", content="catalogue"),
            PhaseOptions(name="audio", title="Audio", where=where, order=order),
        ),
    )


def refusal(where: str = "true", order: str = "id") -> str:
    """Return the sentence that the SQL is refused with, nothing where it passes."""
    try:
        check_phases(config(where, order))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "where",
    [
        "true",
        "kind = 'audio' AND year BETWEEN 1960 AND 1970",
        "Popularity >= 0.5 -- the popular ones",
        "title ILIKE '%live%' OR regexp_matches(album, '^Live')",
        "extra->>'label' = 'Motown'",
        "try_cast(date AS date) < date '1970-01-01'",
        "coalesce(popularity, 0) > 3 AND codec IN ('flac', 'opus')",
        "CASE WHEN fault IS NULL THEN size < 10 ELSE false END",
        "hex(sha256) LIKE 'A%' /* a comment */",
        "split_part(path, '/', 1) = 'live' AND nullif(track, 0) = 1",
        " AND ".join(["year > 1"] * 300),
    ],
)
def test_an_expression_over_the_columns_passes(where: str) -> None:
    assert refusal(where) == ""


@pytest.mark.parametrize(
    "order",
    [
        "popularity DESC NULLS LAST, path",
        "year,\n title COLLATE NOCASE -- then by title",
        "extra->>'label'",
        "hash(id)",
        "CASE WHEN isrc IS NULL THEN 1 ELSE 0 END, lower(artist)",
    ],
)
def test_a_list_of_columns_to_order_by_passes(order: str) -> None:
    assert refusal(order=order) == ""


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_for_archivists_may_be_named(column: str) -> None:
    assert refusal(f"{column} IS NULL", column) == ""


HEAD = "packager.toml: phases[1].where: "
REPEATS = (
    "is not allowed: it depends on more than the record; write SQL that gives one record the same answer on every run"
)
ALONE = "is not allowed; a phase looks at one record at a time"


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("popularty > 1", 'unknown column "popularty"; did you mean "popularity"?'),
        ("extra.label = 'x'", "unknown column \"extra.label\"; write extra->>'label'"),
        ("catalogue.title = 'x'", 'unknown column "catalogue.title"; write "title"'),
        ("lowr(title) = 'x'", 'unknown function "lowr"; did you mean "lower"?'),
        ("popularity >", '"popularity >": syntax error at its end'),
        ("kind == audio'", '"kind == audio\'": unterminated string literal'),
        ("true) OR (false", '"true) OR (false": syntax error at or near ")"'),
        ("true) FROM catalogue WHERE (true", '"true) FROM catalogue WHERE (true": syntax error at or near ")"'),
        ("true]) OR ([false", '"true]) OR ([false": syntax error at or near "]"'),
        ("true; DROP TABLE catalogue", '"true; DROP TABLE catalogue": syntax error at or near ";"'),
        ("true /* no end", '"true /* no end": unterminated /* comment at or near "/* no end'),
        ("title", '"title" gives VARCHAR, not true or false; write a condition'),
        ("year + 1", '"year + 1" gives INTEGER, not true or false; write a condition'),
        ("year = 'unknown'", "Could not convert string 'unknown' to INT32"),
        ("sum(size) > 1", f"sum() {REPEATS}"),
        ("random() < 0.5", f"random() {REPEATS}"),
        ("uuid() = id", f"uuid() {REPEATS}"),
        ("now() > date::timestamp", f"now() {REPEATS}"),
        ("today() > date::date", f"today() {REPEATS}"),
        ("ago(interval 1 year) > date::timestamp", f"ago() {REPEATS}"),
        ("age(date::timestamp) > interval 1 year", f"age() {REPEATS}"),
        ("current_setting('TimeZone') = 'UTC'", f"current_setting() {REPEATS}"),
        ("current_date > date::date", "current_date is not the same on every run; write the date itself"),
        ("id IN (SELECT id FROM read_csv('records.csv'))", f"a sub-query {ALONE}"),
        ("size > (SELECT avg(size) FROM catalogue)", f"a sub-query {ALONE}"),
        ("row_number() OVER () < 10", f"a window function {ALONE}"),
        ("read_text('/etc/hostname') = ''", f"read_text() {REPEATS}"),
        ("id = ?", f"a parameter {ALONE}"),
        ("* IS NULL", f'"*" {ALONE}'),
        (
            "mtime_ns > 0",
            "mtime_ns differs between copies of the same files, and so would the plan; "
            "set records.file_times = true if you want that",
        ),
    ],
)
def test_what_is_wrong_with_a_where_is_said_in_one_sentence(where: str, sentence: str) -> None:
    assert refusal(where) == HEAD + sentence


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ("popularty", 'unknown column "popularty"; did you mean "popularity"?'),
        ("2", '"2" orders by a constant; name a column, not its number'),
        ("random()", f"random() {REPEATS}"),
        ("id LIMIT 3", '"id LIMIT 3": syntax error at its end'),
        ("id; SELECT 1", '"id; SELECT 1" is more than one SQL expression'),
        ("id) UNION (SELECT 1", '"id) UNION (SELECT 1": syntax error at or near ")"'),
        ("(SELECT 1)", f"a sub-query {ALONE}"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_in_one_sentence(order: str, sentence: str) -> None:
    assert refusal(order=order) == f"packager.toml: phases[1].order: {sentence}"


def test_times_may_be_named_where_the_collection_keeps_them() -> None:
    check_phases(config("mtime_ns > 0", "mtime_ns", file_times=True))


@pytest.mark.parametrize("where", ["NOT " * 900 + "true", "(" * 900 + "true" + ")" * 900, "- " * 1500 + "size > 1"])
def test_deep_nesting_ends_in_a_sentence_or_passes(where: str) -> None:
    assert refusal(where).isprintable()


PIECES = """title extra year ->> -> 'a' ( ) [ ] , = AND NOT IN CASE WHEN END -- /* */ $$ " ' ; ? * #1 lambda SELECT FROM
catalogue x : 1 NULL random() ::int OVER () DESC LIMIT USING SAMPLE interval \0 é { }"""
FRAGMENTS = st.lists(st.sampled_from([*PIECES.split(), "\n"]), max_size=8).map(" ".join)
ATOMS = st.sampled_from(
    ["title", "year", "popularity", "extra->>'a'", "1", "'a)'", "NULL", "true", "lower(title)", "now()"]
)
SHAPES = [
    "({a})",
    "{a} AND {b}",
    "{a} = {b}",
    "{a} IS NULL",
    "NOT {a}",
    "{a} -- {b}",
    "{a}, {b}",
    "{a}) OR ({b}",
    "{a} DESC",
]
EXPRESSIONS = st.recursive(
    ATOMS, lambda inner: st.builds(lambda shape, a, b: shape.format(a=a, b=b), st.sampled_from(SHAPES), inner, inner)
)
SQL = FRAGMENTS | EXPRESSIONS | st.text(max_size=30)


@settings(max_examples=40)
@given(SQL)
def test_any_text_passes_and_runs_inside_a_query_or_is_refused_in_one_sentence(sql: str) -> None:
    for where, order in ((sql, "id"), ("true", sql)):
        sentence = refusal(where, order)
        assert sentence.isprintable()
        if not sentence:
            phase = PhaseOptions(name="audio", title="Audio", where=where, order=order)
            assert selected(phase, [], "true") == []


def selected(phase: PhaseOptions, rows: list[dict[str, object]], also: str) -> list[str]:
    """Return the ids of the rows that a phase takes and that `also` holds for, in the phase's order."""
    with sql.open_database(None) as database:
        database.register("records", pa.Table.from_pylist(rows, CATALOGUE))
        rows_of = f"SELECT id FROM ({catalogue_view('records')})"
        query = f"{rows_of} WHERE {also} AND {where_sql(phase)} ORDER BY {order_sql(phase)}, id"
        return [str(name) for (name,) in database.execute(query).fetchall()]


ROWS: list[dict[str, object]] = [
    {"id": "a", "kind": "audio", "popularity": 1.0, "extra": '{"label": "Motown"}'},
    {"id": "b", "kind": "audio", "popularity": 9.0, "extra": '{"label": "Stax"}'},
    {"id": "c", "kind": "audio", "popularity": None, "extra": None},
]


def test_a_phase_takes_its_rows_in_its_order_whatever_comments_it_holds() -> None:
    phase = PhaseOptions(
        name="audio", title="Audio", where="kind = 'audio' -- all", order="popularity DESC NULLS LAST -- first"
    )
    assert selected(phase, ROWS, "true") == ["b", "a", "c"]


def test_extra_fields_are_read_by_their_names() -> None:
    phase = PhaseOptions(name="audio", title="Audio", where="extra->>'label' = 'Motown'")
    assert selected(phase, ROWS, "true") == ["a"]


def test_a_record_for_which_the_condition_is_unknown_is_left_to_later_phases() -> None:
    popular = where_sql(PhaseOptions(name="popular", title="Popular", where="popularity > 5"))
    rest = PhaseOptions(name="rest", title="Rest")
    assert selected(rest, ROWS, f"NOT {popular}") == ["a", "c"]
