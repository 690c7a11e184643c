"""Which shards this mirror is to hold: the release's list, its owner's wishes, what lies here, the disk's room."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager.core.releases.mirror_strategies import ShardChoice, choose_shards
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.issues import Issue
from packager.engine.tables import sql
from packager.errors import InputError
from packager.mirror.local_shards import LocalShard
from packager.mirror.mirror_settings import Settings
from packager.model import Release, ShardName
from packager.units import count_of

SHARDS = pa.schema(
    [
        ("name", pa.string()),
        ("phase", pa.string()),
        ("size", pa.int64()),
        ("members", pa.int64()),
        ("added", pa.string()),
        ("seeders", pa.int64()),
    ]
)
_WITHOUT_DOCUMENTS = (
    "the source does not have its documents: a mirror keeps those of its own shards only; follow the publisher, or a"
    " mirror that has it"
)
_KEPT_AS_FILES = (
    "kept as files, and a mirror holds tars: give the .torrent to a torrent client, which picks any of its files"
)


@dataclass(frozen=True)
class DiskChoice:
    """Shards to hold, best first, and those that were chosen and for which the disk has no room."""

    chosen: tuple[ShardChoice, ...]
    left_out: tuple[Issue, ...]


def choose_for_disk(
    release: Release,
    settings: Settings,
    seeds: Mapping[ShardName, int | None],
    *,
    lying: Mapping[ShardName, LocalShard],
    chosen_before: Collection[ShardName],
    free: int,
    now: str,
    without_documents: Collection[ShardName] = (),
) -> DiskChoice:
    """Return what is to be held within the budget, and within what the disk has free less the reserve.

    chosen_before: shards that are stayed with, although nothing of them may be here yet. without_documents: shards of
    which the source lacks a document. now: RFC 3339. Raises
    InputError for a phase or an SQL condition that is wrong.
    """
    blocked = {name for name, each in lying.items() if each.state == "blocked"}
    names = _where(release, seeds, settings.where)
    folders = {shard.name for shard in release.shards if shard.container == "folder"}
    names = (names if names is not None else {shard.name for shard in release.shards}) - blocked - folders
    names -= set(without_documents)
    offered = {shard.name for shard in SharingRule(release, now=now).offered()}
    choices = choose_shards(
        release,
        budget=settings.budget,
        mirror_id=settings.mirror_id.encode(),
        held=(set(lying) - blocked) | (set(chosen_before) & offered & names),
        strategy=settings.strategy,
        seeds=seeds,
        phases=settings.phases,
        names=names,
        now=now,
    )
    odd = [_in_the_way(name, lying[name].size) for name in sorted(blocked)]
    if without_documents:
        odd.append(_left_out(sorted(without_documents), _WITHOUT_DOCUMENTS))
    if folders & offered:
        odd.append(_left_out(sorted(folders & offered), _KEPT_AS_FILES))
    return _with_room(choices, odd, lying, free - settings.reserve)


def _with_room(
    choices: Sequence[ShardChoice], odd: list[Issue], lying: Mapping[ShardName, LocalShard], room: int
) -> DiskChoice:
    """Return the choices for which there is room; what lies here in full needs none."""
    chosen = []
    for choice in choices:
        here = lying.get(choice.name)
        need = choice.documents
        need += 0 if here and here.state == "complete" else max(0, choice.size - (here.allocated if here else 0))
        if need > max(0, room):
            odd.append(Issue(where=choice.name, what="no room for it on the disk beside the reserve"))
            continue
        room -= need
        chosen.append(choice)
    return DiskChoice(tuple(chosen), tuple(odd))


def _in_the_way(name: str, size: int) -> Issue:
    """Return what is said of a tar that has the name of a shard and is none."""
    what = f"another file has this name ({count_of(size, 'byte')}); move it, or run: packager repair {name}.tar"
    return Issue(where=f"{name}.tar", what=what)


def _left_out(names: Sequence[str], what: str) -> Issue:
    """Return what is said of shards that are left out for the same reason."""
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return Issue(where=f"{names[0]}{more}", what=what)


def _where(release: Release, seeds: Mapping[ShardName, int | None], where: str | None) -> set[ShardName] | None:
    """Return the shards for which an SQL condition of the mirror's owner holds; None where there is none.

    It sees the table `shards` of SHARDS, and no file. Raises InputError.
    """
    if where is None:
        return None
    rows = [
        (each.name, each.phase, each.size, each.members, each.added, seeds.get(each.name)) for each in release.shards
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(SHARDS)
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, SHARDS, strict=True)], SHARDS)
    with tempfile.TemporaryDirectory() as spill, sql.open_database(None, Path(spill)) as database:
        database.register("shards", table)
        try:
            found = database.execute(f"SELECT name FROM shards WHERE ({where}\n)").fetchall()  # noqa: S608 (his own)
        except sql.SqlError as error:
            fix = f"columns are {', '.join(SHARDS.names)}"
            raise InputError("--where", sql.plain_words(str(error)), fix) from error
    return {ShardName(str(name)) for (name,) in found}
