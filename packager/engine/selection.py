"""The SQL by which phases take rows of the catalogue, in order, each record by the first that wants it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packager.engine import phases, tables
from packager.model import CATALOGUE, PLANNED
from packager.options import PhaseOptions

_HAS_FILE = "path IS NOT NULL"


@dataclass(frozen=True)
class Taken:
    """What earlier phases took, as SQL conditions on the catalogue."""

    conditions: tuple[str, ...] = ()

    def after(self, phase: PhaseOptions, planned: Path, *, cut: bool) -> "Taken":
        """Return this, and what `phase` took: all that its `where` holds for, or, cut by its budget, its rows."""
        rows = f"id IN (SELECT id FROM read_parquet({tables.quoted(str(planned))}))"  # noqa: S608 (a path of ours, quoted)
        return Taken((*self.conditions, rows if cut else phases.condition(phase)))

    @property
    def rest(self) -> str:
        """The condition that no earlier phase took the row."""
        return " AND ".join(f"NOT {condition}" for condition in self.conditions) or "true"


@contextmanager
def open_catalogue(catalogue: Path, readable: Iterable[Path], spill: Path) -> Iterator[tables.Database]:
    """Open the catalogue as the table that phases' SQL speaks of; it may read only `readable`."""
    with tables.open_database(readable, spill) as database:
        database.execute(f"CREATE VIEW catalogue AS {phases.view(f'read_parquet({tables.quoted(str(catalogue))})')}")
        yield database


def selected(phase: PhaseOptions, taken: Taken) -> str:
    """Return the query for the rows a phase takes, in its order; ties are settled by id."""
    columns = ", ".join(_plain(name) for name in PLANNED.names if name != "shard")
    return f"SELECT {columns} FROM catalogue WHERE {_wanted(phase, taken)} ORDER BY {phases.ordering(phase)}, id"  # noqa: S608 (checked by check_phases)


def exported(phase: PhaseOptions, first: int, rows: int) -> str:
    """Return the query for `rows` records of a catalogue phase from the `first` on, by id."""
    columns = ", ".join(_plain(name) for name in CATALOGUE.names)
    where = phases.condition(phase)
    return f"SELECT {columns} FROM catalogue WHERE {where} ORDER BY id LIMIT {rows} OFFSET {first}"  # noqa: S608


def _plain(name: str) -> str:
    """Return a column as the catalogue stores it; phases' SQL sees `extra` as JSON."""
    return "extra::VARCHAR AS extra" if name == "extra" else name


def _wanted(phase: PhaseOptions, taken: Taken) -> str:
    """Return the condition on the rows that a phase takes."""
    return f"{_HAS_FILE} AND {phases.condition(phase)} AND {taken.rest}"


def count_selected(database: tables.Database, phase: PhaseOptions, taken: Taken) -> int:
    """Return how many files a phase wants, before its budget."""
    return _count(database, _wanted(phase, taken))


def count_exported(database: tables.Database, phase: PhaseOptions) -> int:
    """Return how many records a catalogue phase publishes."""
    return _count(database, phases.condition(phase))


def count_files(database: tables.Database) -> int:
    """Return how many records have a file."""
    return _count(database, _HAS_FILE)


def count_left(database: tables.Database, taken: Taken) -> int:
    """Return how many files no phase took."""
    return _count(database, f"{_HAS_FILE} AND {taken.rest}")


def _count(database: tables.Database, where: str) -> int:
    """Return how many rows of the catalogue a condition holds for."""
    try:
        [(count,)] = database.execute(f"SELECT count(*) FROM catalogue WHERE {where}").fetchall()  # noqa: S608
    except tables.SqlError as error:
        raise tables.sql_error(error) from error
    return int(count)
