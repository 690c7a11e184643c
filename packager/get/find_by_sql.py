"""Find the members of a release that match patterns or SQL: its members tables are read one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from packager.core.config.option_values import nearest
from packager.core.releases.members_table import with_current_ids
from packager.engine.published.open_release import OpenedRelease
from packager.engine.tables import untrusted_parquet
from packager.engine.tables.filter_members import filter_members
from packager.errors import InputError
from packager.get.find_by_key import FoundMembers, checked_members
from packager.get.shard_tables import ShardTables
from packager.model import MEMBERS, Release, ReleaseShard
from packager.option_fields import PATHS, PHASES, WHERE, option
from packager.paths import display_text
from packager.units import count_of, format_limit, format_size, parse_size

WHERE_MOST = 100_000  # members that one command may select


@dataclass(frozen=True)
class SearchOptions:
    """Select members by patterns or SQL, in the named shards or phases; in all if none is named."""

    paths: tuple[str, ...] = option(PATHS, ())
    where: str | None = option(replace(WHERE, help=f"{WHERE.help} It reads complete members tables."))
    shards: tuple[str, ...] = option(
        "With --path or --where: only of this shard. Repeatable.", (), "--shard", metavar="NAME"
    )
    phases: tuple[str, ...] = option(
        "With --path or --where: only of this phase. Repeatable.", (), *PHASES.flags, metavar="NAME"
    )
    metadata_limit: int = option(
        "Maximum size of the members tables to fetch.", "256 MiB", metavar="SIZE", parse=parse_size
    )

    @property
    def is_given(self) -> bool:
        """Whether members are searched."""
        return self.where is not None or bool(self.paths)

    @property
    def flag(self) -> str:
        """The option that says what is searched."""
        return "--where" if self.where is not None else "--path"


def find_by_sql(search: SearchOptions, release: OpenedRelease, shelf: ShardTables) -> list[FoundMembers]:
    """Return the members that match a pattern or the SQL, or both if both are given, and that were not withdrawn.

    Memory and disk: one members table. Raises InputError if more would be fetched than the limit allows, and if nothing
    or more than WHERE_MOST members match.
    """
    searched = _searched(release.release, search.shards, search.phases)
    cost = sum(shard.members_table.size for shard in searched)
    if release.reader.folder is None and cost > search.metadata_limit:
        what = f"the members tables of {count_of(len(searched), 'shard')} are {format_size(cost)}, more than the "
        fix = "search less with --shard or --phase, or allow more with --metadata-limit"
        raise InputError(search.flag, f"{what}{format_limit(search.metadata_limit)} that may be fetched", fix)
    gone = pa.array(sorted(shelf.withdrawn), pa.string())
    found, count = [], 0
    for shard in searched:
        path = release.open_file(shard.members_table)
        members = with_current_ids(untrusted_parquet.read_untrusted_table(path, MEMBERS))
        if release.copied:
            path.unlink()  # the disk may be too small for all of them
        members = members.filter(pc.invert(pc.is_in(members["id"], gone)))
        rows = filter_members(members, records=(), paths=search.paths, where=search.where, must_match=False)
        selected = members.take(pa.array(rows, pa.int64()))
        count += selected.num_rows
        if count > WHERE_MOST:
            raise InputError(
                search.flag, f"matches more than {WHERE_MOST} members", "search for less, or fetch complete shards"
            )
        if selected.num_rows:
            found.append(FoundMembers(shelf.manifest(shard.name), checked_members(selected)))
    if not found:
        raise InputError(search.flag, f"matches no member of {count_of(len(searched), 'shard')}")
    return found


def _searched(release: Release, shards: Sequence[str], phases: Sequence[str]) -> list[ReleaseShard]:
    """Return the shards to look in. Raises InputError for a name that the release does not have."""
    offered = [shard for shard in release.shards if not shard.obsolete]
    for flag, names, known in (
        ("--shard", shards, {shard.name for shard in offered}),
        ("--phase", phases, {shard.phase for shard in offered}),
    ):
        for name in names:
            if name not in known:
                close = nearest(name, sorted(known))
                fix = f'did you mean "{display_text(close)}"?' if close else ""
                raise InputError(flag, f'the release has no "{display_text(name)}"', fix)
    return [
        shard for shard in offered if (not shards or shard.name in shards) and (not phases or shard.phase in phases)
    ]
