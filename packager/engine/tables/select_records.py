"""The SQL by which phases select rows of the catalogue, in order, each record by the first that wants it.

A database has the views `catalogue`, all records that are not withdrawn, as phases' SQL speaks of them; and `files`,
those of them that are to be planned: they have a file, and it was read. A record of `files` that is published already
has a `home`, the phase that it stays in; and a `place`, where a whole shard is replaced: those come first, in the order
that they had.

No record goes out before the phase that selected it opens: what exceeds a budget goes to the next phase that selects
it, if that does not open earlier; else it waits.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from packager.engine.tables import phase_sql, sql
from packager.model import CATALOGUE, PLANNED, OverBudget, TakenBefore
from packager.options import Config, PhaseOptions

_IS_READ = "NOT unread"  # null for a record without a file
_WITHDRAWN = pa.schema([("id", pa.string())])

# Files over the budget of `phase`, which opens at `until` (RFC 3339, "" if it is open). went: the later phase that has
# them; waits: a later phase that wants them opens earlier, or they are new versions, which stay in their phase.
_OVER_BUDGET = (
    "CREATE TEMP TABLE over_budget (id VARCHAR, size BIGINT, phase VARCHAR, until VARCHAR, went VARCHAR, waits BOOLEAN)"
)


@contextmanager
def open_catalogue(catalogue: Path, withdrawn: Sequence[str] = ()) -> Iterator[sql.Database]:
    """Open the catalogue without the records `withdrawn`; `files` has all files. It may read what is beside it.

    Rows that are put into the table `barred` (id) are in neither view from then on.
    """
    with sql.open_database(catalogue.parent) as database:
        database.register("withdrawn", pa.table([pa.array(withdrawn, pa.string())], _WITHDRAWN))
        sql.execute(database, "CREATE TEMP TABLE barred (id VARCHAR)")
        records = phase_sql.catalogue_view(f"{sql.parquet(catalogue)}")
        left = f"{records} ANTI JOIN withdrawn USING (id) ANTI JOIN barred USING (id)" if withdrawn else records
        sql.execute(database, f"CREATE TEMP VIEW catalogue AS {left}")
        unpublished = "NULL::VARCHAR AS home, NULL::BIGINT AS place"
        sql.execute(database, f"CREATE TEMP VIEW files AS SELECT *, {unpublished} FROM catalogue WHERE {_IS_READ}")  # noqa: S608
        yield database


def embargoed(config: Config, opens: Mapping[str, str], *, after: str = "") -> str:
    """Return the condition on records that a phase of files selects which opens later than `after`, RFC 3339.

    opens: when each phase that is closed opens, by name. Budgets are not looked at.
    """
    earlier: list[str] = []
    closed: list[str] = []
    for phase in config.phases:
        if phase.content == "files":
            condition = phase_sql.where_sql(phase)
            if opens.get(phase.name, "") > after:
                # A record without a file may be one on which the condition fails: it is not published then.
                closed.append(f"coalesce(TRY({' AND '.join([condition, *earlier])}), true)")
            earlier.append(f"NOT {condition}")
    return f"({' OR '.join(closed)})" if closed else "false"


class RecordSelection:
    """What the phases of files select, phase after phase: `query`, then `finish`, for each in the config's order."""

    def __init__(self, database: sql.Database, config: Config, opens: Mapping[str, str]) -> None:
        """Begin. opens: when each phase that is closed opens, RFC 3339, by name."""
        self._database, self._config, self._opens = database, config, opens
        self._earlier: list[PhaseOptions] = []
        self._is_over = False  # any file is over a budget
        sql.execute(database, _OVER_BUDGET)

    def query(self, phase: PhaseOptions, *, returning: bool) -> str:
        """Return the query for the rows a phase selects, in its order; ties are settled by id.

        returning: whether any record is published already; else `place`, which no row has, need not be sorted by.
        """
        columns = ", ".join(_plain(name) for name in PLANNED.names if name != "shard")
        order = f"{'place NULLS LAST, ' if returning else ''}{phase_sql.order_sql(phase)}, id"
        return f"SELECT {columns} FROM files WHERE {self.wanted(phase)} ORDER BY {order}"  # noqa: S608 (checked by check_phases)

    def count(self, phase: PhaseOptions) -> int:
        """Return how many files a phase selects, before its budget."""
        return sql.count_rows(self._database, "files", self.wanted(phase))

    def finish(self, phase: PhaseOptions, planned: Path, *, over: bool) -> None:
        """Note what a phase has. planned: its rows of PLANNED. over: whether it selected more than its budget holds."""
        name, opens = sql.quoted(phase.name), sql.quoted(self._opens.get(phase.name, ""))
        rows = f"(SELECT id FROM {sql.parquet(planned)})"  # noqa: S608 (a path of ours, quoted)
        if self._is_over:
            early = f"id IN (SELECT id FROM files WHERE home IS NULL AND {phase_sql.where_sql(phase)})"  # noqa: S608
            for change in (
                f"went = {name} WHERE id IN {rows}",
                f"waits = true WHERE went IS NULL AND until > {opens} AND {early}",
            ):
                sql.execute(self._database, f"UPDATE over_budget SET {change}")  # noqa: S608 (as above)
        if over:
            missed = f"{self.wanted(phase)} AND id NOT IN {rows}"
            fresh = (
                f"SELECT id, size, {name}, {opens}, NULL, home IS NOT NULL FROM files ANTI JOIN over_budget USING (id)"  # noqa: S608
            )
            for statement in (
                f"UPDATE over_budget SET until = greatest(until, {opens}) WHERE id IN"  # noqa: S608
                f" (SELECT id FROM files WHERE {missed})",
                f"INSERT INTO over_budget {fresh} WHERE {missed}",
            ):
                sql.execute(self._database, statement)
            self._is_over = True
        self._earlier.append(phase)

    def wanted(self, phase: PhaseOptions) -> str:
        """Return the condition on the rows of `files` that a phase selects."""
        fresh = self._unselected()
        if self._is_over:
            opens = sql.quoted(self._opens.get(phase.name, ""))
            over = f"SELECT id FROM over_budget WHERE went IS NULL AND NOT waits AND until <= {opens}"  # noqa: S608
            fresh = f"({fresh} OR id IN ({over}))"
        return f"(home = {sql.quoted(phase.name)} OR (home IS NULL AND {phase_sql.where_sql(phase)} AND {fresh}))"

    def _unselected(self) -> str:
        """Return the condition that none of the phases so far selects the row."""
        return " AND ".join(f"NOT {phase_sql.where_sql(phase)}" for phase in self._earlier) or "true"

    def count_left(self) -> int:
        """Return how many files no phase selects."""
        return sql.count_rows(self._database, "files", f"home IS NULL AND {self._unselected()}")

    def overflow(self) -> dict[str, tuple[OverBudget, ...]]:
        """Return where the files go that are over each phase's budget, by phase; those that wait last."""
        found: dict[str, list[OverBudget]] = {}
        rows = sql.execute(
            self._database,
            "SELECT phase, coalesce(went, '') AS target, count(*), sum(size)::BIGINT FROM over_budget"
            " GROUP BY 1, 2 ORDER BY phase, target = '', target",
        )
        for phase, target, files, payload in rows:
            opens = self._opens.get(str(target)) or None
            where = OverBudget(phase=str(target) or None, files=int(files), payload=int(payload), opens=opens)
            found.setdefault(str(phase), []).append(where)
        return {phase: tuple(each) for phase, each in found.items()}

    def open_records(self, phase: PhaseOptions, *, published: str | None) -> str:
        """Return the condition on records that a catalogue phase may publish: none of a phase that opens later.

        published: a relation of the ids of all records that are published already, which stay so.
        """
        opens = self._opens.get(phase.name, "")
        later = ", ".join(sql.quoted(name) for name, date in self._opens.items() if date > opens)
        if not later:
            return "true"
        selected = embargoed(self._config, self._opens, after=opens)
        if published:
            selected = f"({selected} AND id NOT IN (SELECT id FROM {published}))"  # noqa: S608 (a name of ours)
        over = f"SELECT id FROM over_budget WHERE until > {sql.quoted(opens)} OR went IN ({later})"  # noqa: S608
        return f"NOT ({selected} OR id IN ({over}))"


def exported(phase: PhaseOptions, may_go_out: str, first: int, rows: int) -> str:
    """Return the query for `rows` records of a catalogue phase from the `first` on, by id."""
    columns = ", ".join(_plain(name) for name in CATALOGUE.names)
    where = f"{phase_sql.where_sql(phase)} AND {may_go_out}"
    return f"SELECT {columns} FROM catalogue WHERE {where} ORDER BY id LIMIT {rows} OFFSET {first}"  # noqa: S608


def _plain(name: str) -> str:
    """Return a column as the catalogue stores it; phases' SQL sees `extra` as JSON."""
    return "extra::VARCHAR AS extra" if name == "extra" else name


def count_replaced(database: sql.Database, phase: PhaseOptions) -> int:
    """Return how many files a phase must take because their shard is replaced."""
    return sql.count_rows(database, "files", f"home = {sql.quoted(phase.name)} AND place IS NOT NULL")


def count_exported(database: sql.Database, phase: PhaseOptions, may_go_out: str) -> int:
    """Return how many records a catalogue phase publishes."""
    return sql.count_rows(database, "catalogue", f"{phase_sql.where_sql(phase)} AND {may_go_out}")


def taken_before(
    database: sql.Database, config: Config, opens: Mapping[str, str], planned: Callable[[str], Path]
) -> list[TakenBefore]:
    """Return the records that phases under embargo select and earlier phases, which open sooner, have in new shards.

    opens: when each phase that is closed opens, RFC 3339, by name. planned: returns a phase's rows of PLANNED.
    """
    found = []
    every = [phase for phase in config.phases if phase.content == "files"]
    for place, phase in enumerate(every):
        for earlier in every[:place]:
            if opens.get(earlier.name, "") < opens.get(phase.name, ""):
                rows = f"files SEMI JOIN {sql.parquet(planned(earlier.name))} USING (id)"
                count = sql.count_rows(database, rows, phase_sql.where_sql(phase))
                if count:
                    sooner = opens.get(earlier.name)
                    found.append(TakenBefore(phase=phase.name, by=earlier.name, records=count, opens=sooner))
    return found


def count_selected(database: sql.Database, config: Config, names: Collection[str], catalogue: Path) -> dict[str, int]:
    """Return how many records the `where` of each of these phases selects; those that select none are left out.

    Records that are withdrawn, published or taken by another phase are counted, too; for a phase of files only
    those with a file.
    """
    found = {}
    for phase in config.phases:
        if phase.name in names:
            has_file = " AND path IS NOT NULL" if phase.content == "files" else ""
            where = f"coalesce(TRY({phase_sql.where_sql(phase)}), false){has_file}"
            found[phase.name] = sql.count_rows(database, f"({phase_sql.catalogue_view(sql.parquet(catalogue))})", where)
    return {name: count for name, count in found.items() if count}
