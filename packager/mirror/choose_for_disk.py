"""Choose the shards of a mirror, by the release, the settings, the tars that are here and the free disk space."""

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
    "the source does not have its documents; a mirror keeps only those of its own shards; follow the publisher, or"
    " a mirror that has the shard"
)
_KEPT_AS_FILES = "kept as files, and a mirror keeps only tars; add its .torrent to a torrent client to fetch its files"


@dataclass(frozen=True)
class DiskChoice:
    """The chosen shards, best first, and those that were left out because the disk is full, or for another reason."""

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
    """Return the shards that fit the budget and the free disk space minus the reserve.

    chosen_before: shards of earlier runs, which stay chosen. without_documents: shards without documents at the source.
    now: RFC 3339. Raises InputError if a phase or the SQL condition is wrong.
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
    left_out = [_in_the_way(name, lying[name].size) for name in sorted(blocked)]
    if without_documents:
        left_out.append(_left_out(sorted(without_documents), _WITHOUT_DOCUMENTS))
    if folders & offered:
        left_out.append(_left_out(sorted(folders & offered), _KEPT_AS_FILES))
    return _with_room(choices, left_out, lying, free - settings.reserve)


def _with_room(
    choices: Sequence[ShardChoice], left_out: list[Issue], lying: Mapping[ShardName, LocalShard], room: int
) -> DiskChoice:
    """Return the choices that fit on the disk; a complete tar that is here needs no space."""
    chosen = []
    for choice in choices:
        here = lying.get(choice.name)
        need = choice.documents
        need += 0 if here and here.state == "complete" else max(0, choice.size - (here.allocated if here else 0))
        if need > max(0, room):
            left_out.append(Issue(where=choice.name, what="not enough free disk space beside the reserve"))
            continue
        room -= need
        chosen.append(choice)
    return DiskChoice(tuple(chosen), tuple(left_out))


def _in_the_way(name: str, size: int) -> Issue:
    """Return the issue for another file that has the name of a shard's tar."""
    what = f"another file has this name ({count_of(size, 'byte')}); move it, or run: packager repair {name}.tar"
    return Issue(where=f"{name}.tar", what=what)


def _left_out(names: Sequence[str], what: str) -> Issue:
    """Return one issue for shards that are left out for the same reason."""
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return Issue(where=f"{names[0]}{more}", what=what)


def _where(release: Release, seeds: Mapping[ShardName, int | None], where: str | None) -> set[ShardName] | None:
    """Return the shards for which the mirror's SQL condition is true; None if there is no condition.

    It can read only the table `shards`, with the columns of SHARDS. Raises InputError.
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
            found = database.execute(f"SELECT name FROM shards WHERE ({where}\n)").fetchall()  # noqa: S608 (the user's)
        except sql.SqlError as error:
            fix = f"columns are {', '.join(SHARDS.names)}"
            raise InputError("--where", sql.plain_words(str(error)), fix) from error
    return {ShardName(str(name)) for (name,) in found}
