"""Which members of a shard are meant: by id, by a pattern of their path, by SQL over the members table."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.config.option_values import SQL_MAX
from packager.core.shards.path_patterns import check_pattern, compile_pattern
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.paths import display_text

_WHERE = "--where"


def filter_members(members: pa.Table, *, ids: Sequence[str], paths: Sequence[str], where: str | None) -> list[int]:
    """Return the rows of a members table that are meant, in order; all where nothing is asked.

    A member is meant where its id or its path (or its path at the source) is one of those asked for, and
    `where` holds for it. paths: patterns (packager/core/shards/path_patterns.py). Raises InputError for an id
    or a pattern that no member has, and for SQL that is not one condition.
    """
    named = np.ones(members.num_rows, bool)
    if ids or paths:
        named = _by_id(members, ids) | _by_path(members, paths)
    if where is not None:
        named &= _by_condition(members, where)
    return [int(row) for row in np.flatnonzero(named)]


def _by_id(members: pa.Table, ids: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which rows have one of these ids."""
    there = members["id"]
    known = set(pc.unique(pc.filter(there, pc.is_in(there, pa.array(ids, pa.string())))).to_pylist())
    for wanted in ids:
        if wanted not in known:
            raise InputError("--id", f'no member has the id "{display_text(wanted)}"', "see the members with --dry-run")
    return np.asarray(pc.is_in(there, pa.array(ids, pa.string())).to_numpy(zero_copy_only=False), bool)


def _by_path(members: pa.Table, patterns: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which rows have a path, in the shard or at the source (then or now), that a pattern matches."""
    found = np.zeros(members.num_rows, bool)
    if not patterns:
        return found
    columns = (members[name].to_pylist() for name in ("path", "source_path", "current_path"))
    sides = list(zip(*columns, strict=True))
    for pattern in patterns:
        check_pattern(pattern, "--path")
        matches = compile_pattern(pattern)
        hits = [any(path is not None and matches(path) for path in paths) for paths in sides]
        if not any(hits):
            fix = 'quote a pattern so that the shell leaves it alone: --path "*.flac"'
            raise InputError("--path", f'no member matches "{display_text(pattern)}"', fix)
        found |= np.array(hits, bool)
    return found


def _by_condition(members: pa.Table, where: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return the rows for which an SQL condition is true."""
    from packager.engine.tables import (  # few ask by SQL, and DuckDB takes long to import
        failing_records,
        phase_sql,
        sql,
    )

    if not where.strip() or len(where) > SQL_MAX or "\0" in where:
        raise InputError(_WHERE, f"is empty, holds NUL or has more than {SQL_MAX} characters")
    phase_sql.check_condition(where, members.schema, _WHERE)
    rows = members.append_column("row number", pa.array(np.arange(members.num_rows)))
    found = np.zeros(members.num_rows, bool)
    with tempfile.TemporaryDirectory(prefix="packager-") as spill, sql.open_database(None, Path(spill)) as database:
        database.register("records", rows)
        query = f'SELECT "row number" FROM ({phase_sql.catalogue_view("records")}) WHERE coalesce((\n{where}\n), false)'  # noqa: S608 (checked above)
        try:
            for batch in database.sql(query).to_arrow_reader(parquet.BATCH_ROWS):
                found[batch.column(0).to_numpy()] = True
        except sql.SqlError as error:
            evaluate = failing_records.condition_query(where)
            view = f"({phase_sql.catalogue_view('records')})"
            raise failing_records.find_failure(database, view, evaluate, _WHERE) or sql.sql_error(
                error, _WHERE
            ) from None
    return found
