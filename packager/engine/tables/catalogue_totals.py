"""What a catalogue holds in all, and what of it a budget holds: years in order, popularity in order. Out of core."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packager.core.estimates.estimate import LINE, EstimatedFit, FileTotals, Order
from packager.engine.tables import sql

# What is told of an order, its column, its SQL, the aggregate of the last that fits.
_ORDERS: tuple[tuple[Order, str, str, str], ...] = (
    ("earliest years first", "year", "year", "max"),
    ("most popular first", "popularity", "popularity DESC", "min"),
)


@contextmanager
def _opened(catalogue: Path, spill: Path) -> Iterator[sql.Database]:
    with sql.open_database(catalogue.parent, spill) as database:
        sql.execute(database, f"CREATE TEMP VIEW catalogue AS FROM {sql.parquet(catalogue)}")
        yield database


def catalogue_totals(catalogue: Path, spill: Path) -> tuple[int, FileTotals]:
    """Return the records of a catalogue, and its files as a lot; a line is what its tags and paths take, and keys."""
    tags = " + ".join(f"coalesce(strlen({name}), 0)" for name in ("id", "title", "artist", "album", "isrc", "extra"))
    query = (
        "SELECT count(*), count(path), coalesce(sum(size), 0)::BIGINT, coalesce(sum(strlen(member)), 0)::BIGINT,"  # noqa: S608
        f" coalesce(sum({tags} + strlen(member)) FILTER (path IS NOT NULL), 0)::BIGINT FROM catalogue"
    )
    with _opened(catalogue, spill) as database:
        [(records, files, payload, paths, texts)] = sql.execute(database, query)
    return records, FileTotals(files, payload, paths, texts + files * _KEYS)


_KEYS = LINE - 170  # bytes of a line that are keys, quotes and numbers


def budget_fits(catalogue: Path, spill: Path, budget: int) -> list[EstimatedFit]:
    """Return what fits `budget` bytes in each order; files of which no year or popularity is known come last."""
    found: list[EstimatedFit] = []
    with _opened(catalogue, spill) as database:
        for order, column, by, last in _ORDERS:
            running = f"sum(size) OVER (ORDER BY {by} NULLS LAST, id ROWS UNBOUNDED PRECEDING)"
            query = (
                f"SELECT count(*), coalesce(sum(size), 0)::BIGINT, {last}({column}), count(*) - count({column}) FROM"  # noqa: S608
                f" (SELECT {column}, size, {running} AS total FROM catalogue WHERE path IS NOT NULL)"
                f" WHERE total <= {budget}"
            )
            [(files, size, until, unknown)] = sql.execute(database, query)
            found.append(EstimatedFit(order=order, files=files, size=size, until=until, unknown=unknown))
    return found
