"""An archivist's SQL on real rows: whether it can be evaluated, and if not, the first record on which it fails."""

from collections.abc import Callable

from packager.core.config.parse_config import phase_key
from packager.engine.tables import phase_sql, sql
from packager.errors import InputError, PackagerError
from packager.options import Config, PhaseOptions
from packager.paths import display_text


def check_conditions(database: sql.Database, config: Config) -> None:
    """Raise InputError for the first phase whose `where` fails on a row of its view, and name the record.

    Each condition is evaluated on every row, also on those that an earlier phase selects: which of several conditions
    DuckDB evaluates first depends on time, so that otherwise one plan would fail and the next would not.
    """
    for view, content in (("catalogue", "catalogue"), ("files", "files")):
        asked = [phase for phase in config.phases if phase.content == content and phase.where.strip() != "true"]
        if not asked:
            continue
        counts = ", ".join(f"count(*) FILTER ({phase_sql.where_sql(phase)})" for phase in asked)
        try:
            sql.execute(database, f"SELECT {counts} FROM {view}")  # noqa: S608 (checked by check_phases)
        except sql.RowError as error:
            for phase in asked:
                key = phase_key("packager.toml", config.phases.index(phase), "where")
                if found := find_failure(database, view, condition_query(phase.where), key):
                    raise found from error
            raise


def order_failure(database: sql.Database, config: Config, phase: PhaseOptions, condition: str) -> PackagerError | None:
    """Return the error of a phase whose `order` fails on a row of `files` for which the SQL `condition` is true."""
    key = phase_key("packager.toml", config.phases.index(phase), "order")

    def query(rows: str) -> str:
        return f"SELECT id FROM {rows} ORDER BY {phase_sql.order_sql(phase)}, id"  # noqa: S608 (checked by check_phases)

    return find_failure(database, f"(SELECT * FROM files WHERE {condition})", query, key)  # noqa: S608 (likewise)


def condition_query(where: str) -> Callable[[str], str]:
    """Return what makes, of a relation, the query that evaluates a condition on each of its rows."""
    return lambda rows: f"SELECT count(value) FROM (SELECT (\n{where}\n) AS value FROM {rows})"  # noqa: S608


def find_failure(database: sql.Database, rows: str, query: Callable[[str], str], key: str) -> PackagerError | None:
    """Return the error of SQL that fails on a row of the relation `rows`, by id the first; None if it does not fail.

    rows: has a column `id`. query: makes, of a relation, the query that evaluates the SQL. key: whose SQL it is. The
    ids are halved until one is left, which takes about as long as four queries of all rows.
    """

    def failure(part: str) -> PackagerError | None:
        try:
            for _ in database.sql(query(part)).to_arrow_reader():
                pass
        except sql.SqlError as error:
            return sql.sql_error(error, key)
        return None

    part, found = rows, failure(rows)
    if not isinstance(found, InputError):  # memory or disk ran out
        return found
    [(count,)] = sql.execute(database, f"SELECT count(DISTINCT id) FROM {part}")  # noqa: S608 (a relation of ours)
    while count > 1:
        half = count // 2
        ids = f"SELECT DISTINCT id FROM {part} ORDER BY id LIMIT 1 OFFSET {half}"  # noqa: S608
        [(middle,)] = sql.execute(database, ids)
        lower = f"(SELECT * FROM {part} WHERE id < {sql.quoted(middle)})"  # noqa: S608
        if failed := failure(lower):
            part, count, found = lower, half, failed
        else:
            part, count = f"(SELECT * FROM {part} WHERE id >= {sql.quoted(middle)})", count - half  # noqa: S608
    found = failure(part) or found
    [(record,)] = sql.execute(database, f"SELECT any_value(id) FROM {part}")  # noqa: S608
    return InputError(key, f"{found.what} (record {display_text(record)})", found.fix)
