"""The SQL of the phases: how queries hold it, and its check against the catalogue before a row is read.

A phase looks at one record at a time and at nothing else, so a plan is the same on every run and
machine: no sub-query, aggregate, clock, random number or setting. DuckDB parses the SQL; what stands
in its syntax tree is then compared with what is allowed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from packager.core.config.option_values import nearest
from packager.core.config.parse_config import phase_key
from packager.engine.tables.sql import Database, SqlError, open_database, plain_words
from packager.errors import InputError
from packager.model import CATALOGUE
from packager.options import Config, PhaseOptions
from packager.paths import display_text

# What a phase's SQL may name. path_b64 and member follow from path; mtime_ns and unread differ between copies.
COLUMNS = tuple(name for name in CATALOGUE.names if name not in ("path_b64", "member", "mtime_ns", "unread"))

# One record of which nothing is known: enough for DuckDB to try what the SQL computes from constants.
_EMPTY_RECORD = pa.Table.from_pylist([{}], pa.schema([field.with_nullable(True) for field in CATALOGUE]))
_CLASSES = {
    *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON"),
    *("CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR", "TYPE"),
}
_REFUSED = {
    "SUBQUERY": "a sub-query",
    "WINDOW": "a window function",
    "PARAMETER": "a parameter",
    "STAR": '"*"',
    "POSITIONAL_REFERENCE": "a column's number",
}
# Macros of DuckDB that are made of repeatable functions; the others are aggregates or look around.
_MACROS = {"array_to_string", "date_add", "days_in_month", "fdiv", "fmod", "if", "json", "nullif", "split_part"}
# DuckDB calls these consistent, but they depend on the clock, the version or the session.
_UNREPEATABLE = {"age", "current_localtime", "current_localtimestamp", "json_serialize_plan", "version"}
_CLOCK = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


def catalogue_view(relation: str) -> str:
    """Return the query that makes, of a relation of model.CATALOGUE, what phases' SQL speaks of: `extra` is JSON."""
    return f"SELECT * REPLACE (CAST(extra AS JSON) AS extra) FROM {relation}"  # noqa: S608 (relation is ours)


def where_sql(phase: PhaseOptions) -> str:
    """Return a phase's `where` as one SQL operand; where it is NULL the phase does not take the record.

    It stands on lines of its own, so that a comment in it ends before the bracket.
    """
    return f"coalesce((\n{phase.where}\n), false)"


def order_sql(phase: PhaseOptions) -> str:
    """Return a phase's `order` as a list of SQL terms on lines of its own; more may follow after a comma."""
    return f"\n{phase.order}\n"


@lru_cache  # scan, plan and release of one config ask in turn
def check_phases(config: Config, where: str = "packager.toml") -> None:
    """Raise InputError for the first phase whose `where` or `order` is not SQL that a plan can repeat."""
    with open_database(None) as database:
        database.register("records", _EMPTY_RECORD)
        database.execute(f"CREATE TEMP VIEW catalogue AS {catalogue_view('records')}")
        columns = (*COLUMNS, "mtime_ns") if config.records.file_times else COLUMNS
        check = _Check(database, columns, _functions(database))
        for index, phase in enumerate(config.phases):
            check.where(phase.where, phase_key(where, index, "where"))
            check.order(phase.order, phase_key(where, index, "order"))


@lru_cache  # the members of a release are asked shard by shard
def check_condition(sql: str, schema: pa.Schema, key: str) -> None:
    """Raise InputError if `sql` is not one condition on a row of `schema`, by the rules of a phase's `where`."""
    nothing = pa.Table.from_pylist([{}], pa.schema([field.with_nullable(True) for field in schema]))
    with open_database(None) as database:
        database.register("records", nothing)
        database.execute(f"CREATE TEMP VIEW catalogue AS {catalogue_view('records')}")
        _Check(database, tuple(schema.names), _functions(database)).where(sql, key)


_known_functions: dict[str, bool] = {}  # of this DuckDB; asking takes longer than all else of a small check


def _functions(database: Database) -> Mapping[str, bool]:
    """Return every function that DuckDB has, by name: whether a phase may call it."""
    if _known_functions:
        return _known_functions
    rows = database.execute(
        "SELECT function_name, coalesce(bool_and(stability = 'CONSISTENT') FILTER (function_type = 'scalar'), false) "
        "FROM duckdb_functions() GROUP BY ALL"
    ).fetchall()
    for name, repeatable in rows:
        _known_functions[name] = name in _MACROS or (repeatable and name not in _UNREPEATABLE)
    return _known_functions


@dataclass(frozen=True)
class _Check:
    """One database with an empty catalogue, the columns that may be named, the functions there are."""

    database: Database
    columns: tuple[str, ...]
    functions: Mapping[str, bool]

    def where(self, sql: str, key: str) -> None:
        """Raise InputError if `sql` is not one true-or-false expression.

        It is parsed between two kinds of bracket: what closes the one is a syntax error in the other.
        """
        node = self._parse("SELECT (", sql, ")", key)
        self._parse("SELECT [", sql, "]", key)
        self._look(node["select_list"], key)
        kind = self._bind(f"SELECT (\n{sql}\n) FROM catalogue", key)  # noqa: S608 (checked above)
        if kind != "BOOLEAN":
            raise InputError(key, f"{_quoted(sql)} gives {display_text(kind)}, not true or false", "write a condition")

    def order(self, sql: str, key: str) -> None:
        """Raise InputError if `sql` is not a list of ORDER BY terms."""
        node = self._parse("SELECT 1 ORDER BY", sql, ", id", key)
        modifiers = node["modifiers"]
        terms = modifiers[0].get("orders", []) if isinstance(modifiers, list) and len(modifiers) == 1 else []
        if not terms:
            raise InputError(key, f"{_quoted(sql)} is not a list of columns to order by")
        for term in terms:
            if term["expression"]["class"] == "CONSTANT":
                raise InputError(key, f"{_quoted(sql)} orders by a constant", "name a column, not its number")
        self._look(terms, key)
        self._bind(f"SELECT id FROM catalogue ORDER BY\n{sql}\n, id", key)  # noqa: S608 (checked above)

    def _parse(self, head: str, sql: str, tail: str, key: str) -> dict[str, object]:
        """Return the syntax tree of the one SELECT that holds `sql` on lines of its own."""
        [(tree,)] = self.database.execute("SELECT json_serialize_sql(?)", [f"{head}\n{sql}\n{tail}"]).fetchall()
        try:
            parsed = json.loads(tree)
        except RecursionError:
            raise InputError(key, f"{_quoted(sql)} is nested too deep") from None
        if parsed.get("error"):
            at_end = int(parsed.get("position") or 0) > len(f"{head}\n{sql}".encode())
            message = "syntax error at its end" if at_end else plain_words(parsed["error_message"])
            raise InputError(key, f"{_quoted(sql)}: {message}")
        if len(parsed["statements"]) != 1:
            raise InputError(key, f"{_quoted(sql)} is more than one SQL expression")
        node: dict[str, object] = parsed["statements"][0]["node"]
        return node

    def _look(self, tree: object, key: str) -> None:
        """Raise InputError for the first node of a syntax tree that a phase may not have."""
        try:
            for node in _nodes(tree):
                if node["class"] not in _CLASSES:
                    what = _REFUSED.get(str(node["class"]), str(node["class"]).lower())
                    raise InputError(key, f"{what} is not allowed", "a phase looks at one record at a time")
                if node["class"] == "COLUMN_REF":
                    self._look_at_column(node["column_names"], key)
                if node["class"] == "FUNCTION" and not node["is_operator"]:
                    self._look_at_function(str(node["function_name"]), key)
        except RecursionError:
            raise InputError(key, "nested too deep") from None

    def _look_at_column(self, names: object, key: str) -> None:
        """Raise InputError if a name is not a column that phases may use."""
        assert isinstance(names, list)
        name = ".".join(names)
        if len(names) == 1 and name.lower() in self.columns:
            return
        if name.lower() in _CLOCK:
            raise InputError(key, f"{name} is not the same on every run", "write the date itself")
        if name.lower() == "mtime_ns":
            raise InputError(
                key,
                "mtime_ns differs between copies of the same files, and so would the plan",
                "set records.file_times = true if you want that",
            )
        if len(names) > 1:
            field = display_text(names[-1]).replace("'", "''")
            fix = f"write extra->>'{field}'" if names[0].lower() == "extra" else f'write "{display_text(names[-1])}"'
            raise InputError(key, f'unknown column "{display_text(name)}"', fix)
        close = nearest(name, self.columns)
        fix = f'did you mean "{close}"?' if close else f"columns: {', '.join(self.columns)}; or extra->>'FIELD'"
        raise InputError(key, f'unknown column "{display_text(name)}"', fix)

    def _look_at_function(self, name: str, key: str) -> None:
        """Raise InputError if a function is unknown or cannot be repeated."""
        allowed = self.functions.get(name.lower())
        if allowed is None:
            close = nearest(name, (each for each, good in self.functions.items() if good))
            raise InputError(
                key, f'unknown function "{display_text(name)}"', f'did you mean "{close}"?' if close else ""
            )
        if not allowed:
            raise InputError(
                key,
                f"{display_text(name)}() is not allowed: it depends on more than the record",
                "write SQL that gives one record the same answer on every run",
            )

    def _bind(self, query: str, key: str) -> str:
        """Run a query over the one empty record and return the type of its first column."""
        try:
            result = self.database.sql(query)
            kind = str(result.types[0])
            result.fetchall()
        except SqlError as error:
            raise InputError(key, plain_words(str(error))) from None
        return kind


def _nodes(tree: object) -> Iterator[dict[str, object]]:
    """Yield the expressions of a syntax tree, outermost first."""
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _quoted(sql: str) -> str:
    """Return SQL as a message shows it."""
    return f'"{display_text(sql, 120)}"'
