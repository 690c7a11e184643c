"""The SQL by which phases take rows of the catalogue, in order, each record by the first that wants it.

A database has the views `catalogue`, all records that are not withdrawn, as phases' SQL speaks of them; and `files`,
those of them that are to be planned: they have a file, and it was read. A record of `files` that is published already
has a `home`, the phase that it stays in; and a `place`, where a whole shard is replaced: those come first, in the order
that they had.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager.engine import phases, sql
from packager.model import CATALOGUE, PLANNED
from packager.options import PhaseOptions

_IS_READ = "NOT unread"  # null for a record without a file
_WITHDRAWN = pa.schema([("id", pa.string())])


@dataclass(frozen=True)
class Taken:
    """What earlier phases took, as SQL conditions on the catalogue."""

    conditions: tuple[str, ...] = ()

    def after(self, phase: PhaseOptions, planned: Path, *, cut: bool) -> "Taken":
        """Return this, and what `phase` took: all that its `where` holds for, or, cut by its budget, its rows."""
        rows = f"id IN (SELECT id FROM {sql.parquet(planned)})"  # noqa: S608 (a path of ours, quoted)
        return Taken((*self.conditions, rows if cut else phases.condition(phase)))

    @property
    def rest(self) -> str:
        """The condition that no earlier phase took the row."""
        return " AND ".join(f"NOT {condition}" for condition in self.conditions) or "true"


@contextmanager
def open_catalogue(
    catalogue: Path, readable: Iterable[Path], spill: Path, withdrawn: Sequence[str] = ()
) -> Iterator[sql.Database]:
    """Open the catalogue without the records `withdrawn`; `files` has all files. It may read only `readable`."""
    with sql.open_database(readable, spill) as database:
        database.register("withdrawn", pa.table([pa.array(withdrawn, pa.string())], _WITHDRAWN))
        records = phases.view(sql.parquet(catalogue))
        left = f"{records} ANTI JOIN withdrawn USING (id)" if withdrawn else records
        sql.execute(database, f"CREATE VIEW catalogue AS {left}")
        unpublished = "NULL::VARCHAR AS home, NULL::BIGINT AS place"
        sql.execute(database, f"CREATE VIEW files AS SELECT *, {unpublished} FROM catalogue WHERE {_IS_READ}")  # noqa: S608
        yield database


def selected(phase: PhaseOptions, taken: Taken, *, returning: bool) -> str:
    """Return the query for the rows a phase takes, in its order; ties are settled by id.

    returning: whether any record is published already; else `place`, which no row has, need not be sorted by.
    """
    columns = ", ".join(_plain(name) for name in PLANNED.names if name != "shard")
    order = f"{'place NULLS LAST, ' if returning else ''}{phases.ordering(phase)}, id"
    return f"SELECT {columns} FROM files WHERE {wanted(phase, taken)} ORDER BY {order}"  # noqa: S608 (checked by check_phases)


def exported(phase: PhaseOptions, first: int, rows: int) -> str:
    """Return the query for `rows` records of a catalogue phase from the `first` on, by id."""
    columns = ", ".join(_plain(name) for name in CATALOGUE.names)
    where = phases.condition(phase)
    return f"SELECT {columns} FROM catalogue WHERE {where} ORDER BY id LIMIT {rows} OFFSET {first}"  # noqa: S608


def _plain(name: str) -> str:
    """Return a column as the catalogue stores it; phases' SQL sees `extra` as JSON."""
    return "extra::VARCHAR AS extra" if name == "extra" else name


def wanted(phase: PhaseOptions, taken: Taken) -> str:
    """Return the condition on the rows that a phase takes."""
    fresh = f"home IS NULL AND {phases.condition(phase)} AND {taken.rest}"
    return f"(home = {sql.quoted(phase.name)} OR ({fresh}))"


def count_selected(database: sql.Database, phase: PhaseOptions, taken: Taken) -> int:
    """Return how many files a phase wants, before its budget."""
    return _count(database, "files", wanted(phase, taken))


def count_replaced(database: sql.Database, phase: PhaseOptions) -> int:
    """Return how many files a phase must take because their shard is replaced."""
    return _count(database, "files", f"home = {sql.quoted(phase.name)} AND place IS NOT NULL")


def count_exported(database: sql.Database, phase: PhaseOptions) -> int:
    """Return how many records a catalogue phase publishes."""
    return _count(database, "catalogue", phases.condition(phase))


def count_records(database: sql.Database) -> int:
    """Return how many records the catalogue has, without those that are withdrawn."""
    return _count(database, "catalogue", "true")


def count_files(database: sql.Database) -> int:
    """Return how many files are to be planned."""
    return _count(database, "files", "true")


def count_left(database: sql.Database, taken: Taken) -> int:
    """Return how many files no phase took."""
    return _count(database, "files", f"home IS NULL AND {taken.rest}")


def _count(database: sql.Database, view: str, where: str) -> int:
    """Return how many rows of a view a condition holds for."""
    [(count,)] = sql.execute(database, f"SELECT count(*) FROM {view} WHERE {where}")  # noqa: S608
    return int(count)
