"""Which shards this mirror is to hold: the release's list, its owner's wishes, what lies here, the disk's room."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from packager.choose import Choice, choose
from packager.engine import tables
from packager.errors import InputError, PackagerError
from packager.lists import short_infohash
from packager.mirror.holding import Lying
from packager.mirror.source import Source
from packager.mirror.state import Settings
from packager.model import Release, ShardName
from packager.paths import shown
from packager.progress import Progress
from packager.reports import Oddity

TORRENTS = "torrents.json"
LIMIT = 64 << 20  # bytes of torrents.json that are read: some 60,000 torrents
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


class _Listed(msgspec.Struct):
    """What of a line of torrents.json tells how many seeds a torrent has."""

    btih: str
    seeders: int | None = None


@dataclass(frozen=True)
class Selection:
    """Shards to hold, best first, and those that were chosen and for which the disk has no room."""

    chosen: tuple[Choice, ...]
    left_out: tuple[Oddity, ...]


def published_seeds(source: Source, release: Release, progress: Progress) -> dict[ShardName, int | None]:
    """Return the seed counts of torrents.json; none where it cannot be had or read.

    They are not signed: a liar could make us choose other shards of the release, and no worse.
    """
    try:
        listed = msgspec.json.decode(source.read(TORRENTS, LIMIT), type=list[_Listed])
    except (PackagerError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        progress.note(f"no seed counts: {shown(str(error), 200)}")
        return {}
    counts = {each.btih: each.seeders for each in listed if each.seeders is None or 0 <= each.seeders < 1 << 31}
    return {shard.name: counts.get(short_infohash(shard)) for shard in release.shards}


def select(
    release: Release,
    settings: Settings,
    seeds: Mapping[ShardName, int | None],
    *,
    lying: Mapping[ShardName, Lying],
    chosen_before: Collection[ShardName],
    free: int,
) -> Selection:
    """Return what is to be held within the budget, and within what the disk has free less the reserve.

    chosen_before: shards that are stayed with, although nothing of them may be here yet. Raises InputError
    for a phase or an SQL condition that is wrong.
    """
    blocked = {name for name, each in lying.items() if each.state == "in the way"}
    names = _where(release, seeds, settings.where)
    names = (names if names is not None else {shard.name for shard in release.shards}) - blocked
    listed = {shard.name for shard in release.shards if not shard.obsolete}
    choices = choose(
        release,
        budget=settings.budget,
        mirror_id=settings.mirror_id.encode(),
        held=(set(lying) - blocked) | (set(chosen_before) & listed & names),
        strategy=settings.strategy,
        seeds=seeds,
        phases=settings.phases,
        names=names,
    )
    odd = [_in_the_way(name, lying[name].size) for name in sorted(blocked)]
    return _with_room(choices, odd, lying, free - settings.reserve)


def _with_room(choices: Sequence[Choice], odd: list[Oddity], lying: Mapping[ShardName, Lying], room: int) -> Selection:
    """Return the choices for which there is room; what lies here in full needs none."""
    chosen = []
    for choice in choices:
        here = lying.get(choice.name)
        need = 0 if here and here.state == "whole" else max(0, choice.size - (here.allocated if here else 0))
        if need > max(0, room):
            odd.append(Oddity(where=choice.name, what="no room for it on the disk beside the reserve"))
            continue
        room -= need
        chosen.append(choice)
    return Selection(tuple(chosen), tuple(odd))


def _in_the_way(name: str, size: int) -> Oddity:
    """Return what is said of a tar that has the name of a shard and is none."""
    what = f"what lies here under its name has {size} bytes and is not it: move it away, or mend it: packager repair"
    return Oddity(where=f"{name}.tar", what=what)


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
    with tempfile.TemporaryDirectory() as spill, tables.open_database([], Path(spill)) as database:
        database.register("shards", table)
        try:
            found = database.execute(f"SELECT name FROM shards WHERE ({where}\n)").fetchall()  # noqa: S608 (his own)
        except tables.SqlError as error:
            first_line = (str(error).splitlines() or [""])[0]
            mend = f"columns are {', '.join(SHARDS.names)}"
            raise InputError("--where", shown(first_line), mend) from error
    return {ShardName(str(name)) for (name,) in found}
