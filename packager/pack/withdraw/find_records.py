"""Finds records in the catalogue and in all published shards: by name, path pattern or SQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from packager.core.config.option_values import SQL_MAX
from packager.core.releases.lookup_index import isrc
from packager.core.reports.reports import FoundRecord
from packager.core.shards.path_patterns import check_pattern, pattern_sql
from packager.engine.project import state_files
from packager.engine.project.project import Project
from packager.engine.published.listed_members import create_members, shards_of_files
from packager.engine.published.moved_files import finish_moved
from packager.engine.tables import phase_sql, sql
from packager.engine.tables.failing_records import condition_query, find_failure
from packager.errors import InputError
from packager.model import CATALOGUE, ReleaseShard
from packager.option_fields import PATHS, RECORDS, WHERE, option
from packager.paths import display_text

# held: indexes in a list of shards.
FOUND = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("held", pa.list_(pa.int64())),
    ]
)


# SQL expressions that a record's name is compared with, and the column of the names.
_COLUMNS = (("id", "name"), ("path", "name"), ("member", "name"), ("upper(replace(isrc, '-', ''))", "isrc"))


@dataclass(frozen=True)
class RecordFilter:
    """Selects records: by id, path or ISRC, by path pattern, or by SQL with the catalogue's columns."""

    records: tuple[str, ...] = option(RECORDS, ())
    paths: tuple[str, ...] = option(PATHS, ())
    where: str | None = option(WHERE)


def find_records(project: Project, wanted: RecordFilter) -> tuple[FoundRecord, ...]:
    """Return the selected records, by id, with the published shards that contain their files.

    Memory: the selected records. Raises InputError for an unknown id, and for a pattern or SQL without a match.
    """
    if not wanted.records and not wanted.paths and wanted.where is None:
        raise InputError("withdraw", "no record named", "name an id, path or ISRC, or use --path or --where")
    shards = shards_of_files(state_files.read_last_release(project))
    finish_moved(project)
    with _records(project, shards) as database:
        names = pa.table(
            {"name": pa.array(wanted.records, pa.string()), "isrc": [isrc(each) for each in wanted.records]}
        )
        database.register("names", names.cast(pa.schema([("name", pa.string()), ("isrc", pa.string())])))
        if wanted.where is None:
            _check_names(database)
        query = (
            "SELECT id, min(path) AS path, max(title) AS title, max(artist) AS artist,"  # noqa: S608 (checked below)
            " list_sort(list(DISTINCT held) FILTER (held IS NOT NULL)) AS held"
            f" FROM records SEMI JOIN (SELECT id FROM records WHERE {_condition(wanted)}) USING (id)"
            " GROUP BY id ORDER BY id"
        )
        try:
            found = tuple(found_record(row, shards) for row in sql.run_rows(database, query, FOUND))
        except sql.RowError as error:
            named = f"(SELECT * FROM records WHERE {_named(wanted)})"  # noqa: S608 (checked)
            raise find_failure(database, named, condition_query(wanted.where or "true"), "--where") or error from None
    if not found:
        raise InputError("withdraw", "no record matches", "see what is published in the members tables")
    return found


def found_record(row: Iterable[Any], shards: Sequence[ReleaseShard]) -> FoundRecord:
    """Return a row of FOUND for a report."""
    record, path, title, artist, held = row
    names = tuple(shards[place].name for place in held or ())
    return FoundRecord(id=record, path=path, title=title or "", artist=artist or "", shards=names)


def _condition(wanted: RecordFilter) -> str:
    """Return the condition of the selected records as SQL. Raises InputError."""
    named = _named(wanted)
    if wanted.where is None:
        return named
    if not wanted.where.strip() or len(wanted.where) > SQL_MAX or "\0" in wanted.where:
        raise InputError("--where", f"is empty, holds NUL or has more than {SQL_MAX} characters")
    phase_sql.check_condition(wanted.where, CATALOGUE, "--where")
    return f"CASE WHEN {named} THEN coalesce((\n{wanted.where}\n), false) ELSE false END"


def _named(wanted: RecordFilter) -> str:
    """Return the condition of names and patterns as SQL; true if there are none. Raises InputError."""
    parts = [f"{column} IN (SELECT {name} FROM names)" for column, name in _COLUMNS]  # noqa: S608 (ours)
    parts = [f"coalesce({part}, false)" for part in parts if wanted.records]
    for pattern in wanted.paths:
        check_pattern(pattern, "--path")
        parts.append(f"coalesce({pattern_sql(pattern, 'path')} OR {pattern_sql(pattern, 'member')}, false)")
    return f"({' OR '.join(parts)})" if parts else "true"


def _check_names(database: sql.Database) -> None:
    """Raise InputError for a name that is not the id, path or ISRC of a record."""
    unknown = " ".join(
        f"ANTI JOIN (SELECT {column} AS found FROM records WHERE {column} IS NOT NULL) ON found = names.{name}"  # noqa: S608
        for column, name in _COLUMNS
    )
    schema = pa.schema([("name", pa.string())])
    for (name,) in sql.run_rows(database, f"SELECT name FROM names {unknown}", schema):  # noqa: S608
        what = f'no record has the id, path or ISRC "{display_text(name)}"'
        raise InputError("withdraw", what, "use an id, path or ISRC from the catalogue")


@contextmanager
def _records(project: Project, shards: Sequence[ReleaseShard]) -> Iterator[sql.Database]:
    """Open all records as a view with the catalogue's columns. held: index of a row's shard, null for none."""
    parts = []
    if project.catalogue.exists():
        parts.append(f"SELECT *, NULL::BIGINT AS held FROM {sql.parquet(project.catalogue)}")  # noqa: S608
    if shards:
        same = ", ".join(name for name in CATALOGUE.names if name not in ("fault", "mtime_ns", "unread"))
        parts.append(f"SELECT {same}, no AS held FROM member")  # noqa: S608
    if not parts:
        raise InputError(project.catalogue, "no catalogue has been made yet", "run: packager scan")
    with sql.open_database(project.state) as database:
        if shards:
            create_members(database, project, shards)
        sql.execute(database, f"CREATE TEMP VIEW every AS {' UNION ALL BY NAME '.join(parts)}")
        sql.execute(database, f"CREATE TEMP VIEW records AS {phase_sql.catalogue_view('every')}")
        yield database
