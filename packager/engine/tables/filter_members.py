"""Which members of a shard are meant: by id, path or ISRC, by a pattern of their path, by SQL over the table."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.config.option_values import SQL_MAX
from packager.core.releases.lookup_index import isrc
from packager.core.shards.path_patterns import check_pattern, compile_pattern
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.paths import display_text

_WHERE = "--where"


def filter_members(
    members: pa.Table, *, records: Sequence[str], paths: Sequence[str], where: str | None, must_match: bool = True
) -> list[int]:
    """Return the rows of a members table that are meant, in order; all if nothing is asked.

    records: exact ids, paths (in the shard or at the source) or ISRCs. paths: patterns of paths
    (packager/core/shards/path_patterns.py). where: SQL that must be true, too. must_match: raise InputError for a
    pattern that no member has. Raises InputError for such a record, and for SQL that is not one condition.
    """
    named = np.ones(members.num_rows, bool)
    if records or paths:
        named = _by_name(members, records) | _by_path(members, paths, must_match=must_match)
    if where is not None:
        named &= _by_condition(members, where)
    return [int(row) for row in np.flatnonzero(named)]


def _by_name(members: pa.Table, records: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which rows have one of these ids, paths or ISRCs. Raises InputError for one that no row has."""
    found = np.zeros(members.num_rows, bool)
    known: set[str] = set()
    for name in ("id", "path", "source_path", "current_path", "isrc"):
        wanted = records if name != "isrc" else [code for each in records if (code := isrc(each))]
        column = members[name] if name != "isrc" else pc.utf8_upper(pc.replace_substring(members[name], "-", ""))
        hits = pc.is_in(column, pa.array(wanted, pa.string()))
        known.update(pc.unique(pc.filter(column, hits)).to_pylist())
        found |= np.asarray(hits.to_numpy(zero_copy_only=False), bool)
    for each in records:
        if each not in known and isrc(each) not in known:
            what = f'no file has the id, path or ISRC "{display_text(each)}"'
            raise InputError("", what, "see the files with --dry-run")
    return found


def _by_path(
    members: pa.Table, patterns: Sequence[str], *, must_match: bool
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
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
        if must_match and not any(hits):
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
