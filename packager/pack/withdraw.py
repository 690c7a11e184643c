"""Taking records back, and shards whose content was wrong: what is meant, and what the next release shall say of it.

Records are looked for in the catalogue and in every published shard. Nothing changes but withdrawals.json; planning
and publishing act on that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from packager.engine import phases, releases, sql
from packager.engine.withdrawals import read_withdrawals, write_withdrawals
from packager.engine.workspace import Workspace
from packager.errors import InputError
from packager.model import (
    CATALOGUE,
    MEMBERS,
    Release,
    ReleaseShard,
    ShardName,
    SupersededShard,
    WithdrawnRecord,
)
from packager.paths import shown
from packager.reports import FoundRecord, SupersedeReport, WithdrawReport
from packager.values import SQL_MAX, nearest

_FOUND = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("held", pa.list_(pa.int64())),
    ]
)
_PATTERN_MAX = 1000  # characters


@dataclass(frozen=True)
class Wanted:
    """Which records are meant: by id, by a pattern of their path ("*" stands for any characters), by SQL."""

    ids: Sequence[str] = ()
    paths: Sequence[str] = ()
    where: str | None = None


@dataclass(frozen=True)
class How:
    """What is to be said of them. supersede: their shards are replaced. redact: no tag is told. date: RFC 3339."""

    reason: str
    date: str
    supersede: bool = False
    redact: bool = False


def withdraw(workspace: Workspace, wanted: Wanted, how: How, *, dry_run: bool = False) -> WithdrawReport:
    """Note durably that records are taken back; what was noted of them before is kept, but for `supersede`.

    Raises InputError where nothing is asked for or found, or the reason is empty.
    """
    _check_reason(how.reason)
    found = find(workspace, wanted)
    noted = read_withdrawals(workspace)
    known = {record.id: record for record in noted.records}
    last = releases.last_release(workspace)
    published = {each.id: each for each in last[0].withdrawals} if last else {}
    new = [record for record in found if record.id not in known and record.id not in published]
    for record in found:
        known[record.id] = _noted(record, how, known.get(record.id))
    if not dry_run:
        write_withdrawals(workspace, msgspec.structs.replace(noted, records=tuple(known.values())))
    return _report(last[0] if last else None, found, how, new=len(new), written=not dry_run)


def _noted(record: FoundRecord, how: How, before: WithdrawnRecord | None) -> WithdrawnRecord:
    """Return what is noted of a record."""
    if before is not None:
        return msgspec.structs.replace(before, supersede=before.supersede or how.supersede)
    return WithdrawnRecord(
        id=record.id,
        reason=how.reason,
        date=how.date,
        supersede=how.supersede,
        redact=how.redact,
        title="" if how.redact else record.title,
        artist="" if how.redact else record.artist,
    )


def undo(workspace: Workspace, wanted: Wanted, *, dry_run: bool = False) -> WithdrawReport:
    """Take back that records are taken back. Raises InputError where a release says so already, or nothing is found."""
    noted = read_withdrawals(workspace)
    last = releases.last_release(workspace)
    published = {each.id for each in last[0].withdrawals} if last else set()
    found = find(workspace, wanted)
    ids = {record.id for record in found}
    for record in found:
        if record.id in published:
            what = "is withdrawn by a release already, and every mirror remembers that"
            raise InputError(shown(record.id), what, "publish its file again under another id")
    kept = tuple(record for record in noted.records if record.id not in ids)
    if len(kept) == len(noted.records):
        raise InputError("--undo", "none of these records is withdrawn", "see withdrawals.json beside packager.toml")
    if not dry_run:
        write_withdrawals(workspace, msgspec.structs.replace(noted, records=kept))
    how = How("", "")
    return _report(last[0] if last else None, found, how, new=0, written=not dry_run)


def _check_reason(reason: str) -> None:
    """Raise InputError for a reason that no page could show."""
    if not reason.strip() or not reason.isprintable() or len(reason) > 1000:
        raise InputError(
            "--reason", f'"{shown(reason, 80)}" is not one line of text', "say why, in the release's words"
        )


def find(workspace: Workspace, wanted: Wanted) -> tuple[FoundRecord, ...]:
    """Return the records that are meant, by id, and the published shards that hold files of each.

    Memory: those records. Raises InputError for an id that no record has, a pattern or SQL that takes none.
    """
    if not wanted.ids and not wanted.paths and wanted.where is None:
        raise InputError("withdraw", "no record is named", "name them: --id, --path or --where")
    last = releases.last_release(workspace)
    shards = _shards_of_files(last[0]) if last else []
    with _records(workspace, shards) as database:
        database.register("ids", pa.table({"id": pa.array(wanted.ids, pa.string())}))
        query = (
            "SELECT id, min(path) AS path, max(title) AS title, max(artist) AS artist,"  # noqa: S608 (checked below)
            " list_sort(list(DISTINCT held) FILTER (held IS NOT NULL)) AS held"
            f" FROM records SEMI JOIN (SELECT id FROM records WHERE {_condition(wanted)}) USING (id)"
            " GROUP BY id ORDER BY id"
        )
        rows = [row for batch in sql.run_batches(database, query, _FOUND) for row in batch.to_pylist()]
    found = tuple(
        FoundRecord(
            id=row["id"],
            path=row["path"],
            title=row["title"] or "",
            artist=row["artist"] or "",
            shards=tuple(shards[at].name for at in row["held"] or ()),
        )
        for row in rows
    )
    _check_found(wanted, found)
    return found


def _condition(wanted: Wanted) -> str:
    """Return which records are meant, as SQL. Raises InputError."""
    parts = ["id IN (SELECT id FROM ids)"] if wanted.ids else []
    for pattern in wanted.paths:
        if not pattern or len(pattern) > _PATTERN_MAX or "\0" in pattern:
            raise InputError("--path", f"is empty, holds NUL or has more than {_PATTERN_MAX} characters")
        parts.append(f"coalesce(path GLOB {sql.quoted(pattern)} OR member GLOB {sql.quoted(pattern)}, false)")
    named = f"({' OR '.join(parts)})" if parts else "true"
    if wanted.where is None:
        return named
    if not wanted.where.strip() or len(wanted.where) > SQL_MAX or "\0" in wanted.where:
        raise InputError("--where", f"is empty, holds NUL or has more than {SQL_MAX} characters")
    phases.check_condition(wanted.where, CATALOGUE, "--where")
    return f"{named} AND coalesce((\n{wanted.where}\n), false)"


def _check_found(wanted: Wanted, found: Sequence[FoundRecord]) -> None:
    """Raise InputError for an id that was not found, or where nothing was."""
    ids = {record.id for record in found}
    for each in wanted.ids:
        if each not in ids and wanted.where is None:
            raise InputError("--id", f'no record has the id "{shown(each)}"', "ids are those of the catalogue")
    if not found:
        raise InputError("withdraw", "no record is meant by that", "see what is published in the members tables")


def _shards_of_files(release: Release) -> list[ReleaseShard]:
    """Return the published shards whose members are files of the collection, obsolete ones too."""
    of_files = {phase.name for phase in release.phases if phase.content == "files"}
    return [shard for shard in release.shards if shard.phase in of_files]


@contextmanager
def _records(workspace: Workspace, shards: Sequence[ReleaseShard]) -> Iterator[sql.Database]:
    """Open all records as a view of the catalogue's columns; `held`: which shard a row is of, null for the catalogue."""
    tables = [workspace.packed(shard.name) / f"{shard.name}.members.parquet" for shard in shards]
    parts = []
    if workspace.catalogue.exists():
        parts.append(f"SELECT *, NULL::BIGINT AS held FROM read_parquet({sql.quoted(str(workspace.catalogue))})")  # noqa: S608
    if tables:
        listed = ", ".join(sql.quoted(str(path)) for path in tables)
        same = ", ".join(name for name in MEMBERS.names if name in CATALOGUE.names and name != "path")
        parts.append(
            f"SELECT {same}, coalesce(source_path, path) AS path, path AS member, source_path_b64 AS path_b64,"  # noqa: S608
            f" file_index::BIGINT AS held FROM read_parquet([{listed}], union_by_name = true)"
        )
    if not parts:
        raise InputError(workspace.catalogue, "no catalogue has been made yet", "run: packager scan")
    with sql.open_database([workspace.catalogue, *tables], workspace.state / "spill") as database:
        sql.execute(database, f"CREATE VIEW every AS {' UNION ALL BY NAME '.join(parts)}")
        sql.execute(database, f"CREATE VIEW records AS {phases.view('every')}")
        yield database


def _report(
    last: Release | None, found: tuple[FoundRecord, ...], how: How, *, new: int, written: bool
) -> WithdrawReport:
    """Return what was done. The shards that hold the records are those that are not obsolete."""
    live = {shard.name: shard for shard in last.shards if not shard.obsolete} if last else {}
    holding = sorted({name for record in found for name in record.shards if name in live})
    return WithdrawReport(
        records=found,
        new=new,
        shards=tuple(holding),
        size=sum(live[ShardName(name)].size for name in holding),
        supersede=how.supersede,
        written=written,
    )


def supersede(
    workspace: Workspace, names: Sequence[str], *, reason: str, date: str, dry_run: bool = False
) -> SupersedeReport:
    """Note durably that shards are to be replaced by new ones, made of the catalogue as it is then.

    date: RFC 3339. Raises InputError for a name that is of no published shard, or of an obsolete one.
    """
    _check_reason(reason)
    shards = _published(workspace, names)
    noted = read_withdrawals(workspace)
    fresh = {shard.name: SupersededShard(name=shard.name, reason=reason, date=date) for shard in shards}
    kept = tuple(each for each in noted.shards if each.name not in fresh)
    if not dry_run:
        write_withdrawals(workspace, msgspec.structs.replace(noted, shards=(*kept, *fresh.values())))
    return _superseded(shards, written=not dry_run)


def undo_supersede(workspace: Workspace, names: Sequence[str], *, dry_run: bool = False) -> SupersedeReport:
    """Take back that shards are to be replaced. Raises InputError where that was not noted, or is published."""
    shards = _published(workspace, names)
    noted = read_withdrawals(workspace)
    gone = {shard.name for shard in shards}
    for name in gone - {each.name for each in noted.shards}:
        raise InputError(name, "is not noted to be replaced", "see withdrawals.json beside packager.toml")
    if not dry_run:
        kept = tuple(each for each in noted.shards if each.name not in gone)
        write_withdrawals(workspace, msgspec.structs.replace(noted, shards=kept))
    return _superseded(shards, written=not dry_run)


def _superseded(shards: Sequence[ReleaseShard], *, written: bool) -> SupersedeReport:
    """Return what was done."""
    return SupersedeReport(
        shards=tuple(shard.name for shard in shards),
        members=sum(shard.members for shard in shards),
        size=sum(shard.size for shard in shards),
        written=written,
    )


def _published(workspace: Workspace, names: Sequence[str]) -> list[ReleaseShard]:
    """Return published shards that are not obsolete, by their names or their tars'. Raises InputError."""
    last = releases.last_release(workspace)
    listed = {str(shard.name): shard for shard in last[0].shards} if last else {}
    found = []
    for written in names:
        name = written.removesuffix(".tar")
        if name not in listed:
            close = nearest(name, listed)
            raise InputError(shown(written), "is no published shard", f'did you mean "{close}"?' if close else "")
        if listed[name].obsolete:
            by = ", ".join(listed[name].superseded_by[:3]) or "nothing"
            raise InputError(name, f"is obsolete already; in its place stands {by}")
        found.append(listed[name])
    return found
