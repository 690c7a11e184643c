"""Reads the published state for the next plan: the last release, and what is withdrawn from it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager.core.releases.withdrawn_records import Withdrawals, in_force
from packager.engine.files.file_stamp import FileStamp
from packager.engine.project.project import Project
from packager.engine.published.listed_members import opened_members, shards_of_files, withdrawn_members
from packager.engine.tables import parquet, sql
from packager.errors import InputError
from packager.model import PLANNED, FileDigest, PlannedPhase, PlannedShard, Release, ShardName, Superseded
from packager.options import Config
from packager.pack.content.source_hashes import SourceHashes
from packager.pack.plan import compare
from packager.pack.plan.compare import Comparison
from packager.pack.plan.published_shards import PublishedShardRows, read_published_rows, update_times
from packager.pack.shard.existing_tars import tar_names
from packager.pack.shard.pack_shard import read_packed
from packager.paths import display_text

_NOTHING = Comparison({}, 0, 0)
_WITHDRAWN = "records of it were withdrawn"


@dataclass(frozen=True)
class PublishedState:
    """The published shards, and which of them must be withdrawn or replaced.

    withdrawn: the content of each withdrawn record's files, by id. replaced: the reason for each replaced shard.
    """

    last: Release | None
    live_shards: tuple[PublishedShardRows, ...]  # shards that are not obsolete
    withdrawn: Mapping[str, tuple[FileDigest, ...]]
    replaced: dict[ShardName, str]

    def shards(self, phase: str) -> tuple[PlannedShard, ...]:
        """Return the published shards of a phase that are not obsolete, by number."""
        return tuple(each.shard for each in self.live_shards if each.shard.phase == phase)

    def last_number(self, phase: str) -> int:
        """Return the highest number of a phase's published shards, including obsolete ones; 0 if there is none."""
        listed = self.last.shards if self.last else ()
        return max((shard.number for shard in listed if shard.phase == phase), default=0)

    def ended_catalogues(self, config: Config) -> list[Superseded]:
        """Return the catalogue shards that end without a successor, because the config no longer has their phase."""
        named = {phase.name for phase in config.phases}
        own = _catalogue_phases(self.last) - named
        return [
            Superseded(name=each.shard.name, by=(), reason=self.replaced[each.shard.name])
            for each in self.live_shards
            if each.shard.phase in own and each.shard.name in self.replaced
        ]

    @property
    def of_files(self) -> tuple[PublishedShardRows, ...]:
        """The shards with files of the collection, not with the catalogue."""
        own = _catalogue_phases(self.last)
        return tuple(each for each in self.live_shards if each.shard.phase not in own)

    def removed_phases(self, config: Config, kept: dict[str, int]) -> list[PlannedPhase]:
        """Return the published phases that are no longer in the config; their shards stay. kept: records, by phase."""
        named = {phase.name for phase in config.phases}
        made = []
        for phase in self.last.phases if self.last else ():
            if phase.name in named or phase.state != "published":
                continue
            shards = tuple(shard for shard in self.shards(phase.name) if shard.name not in self.replaced)
            made.append(
                PlannedPhase(
                    name=phase.name,
                    title=phase.title,
                    content=phase.content,
                    records=phase.records if phase.content == "catalogue" else kept.get(phase.name, 0),
                    files=sum(shard.rows for shard in shards),
                    payload=sum(shard.payload for shard in shards),
                    over_budget=0,
                    shards=shards,
                )
            )
        return made


def _catalogue_phases(last: Release | None) -> frozenset[str]:
    """Return the published phases that contain the catalogue."""
    return last.catalogue_phases if last else frozenset()


def read_published_state(
    project: Project, config: Config, last: Release | None, withdrawals: Withdrawals
) -> PublishedState:
    """Return the published state. Raises InputError if the config is of another collection."""
    if last is not None:
        _check_same(config, last)
    live_shards = tuple(read_published_rows(project, last)) if last else ()
    state = PublishedState(last, live_shards, withdrawn_contents(project, last, withdrawals), {})
    live = {each.shard.name for each in live_shards}
    leaving = {record.id for record in withdrawals.records if record.supersede}
    held = _holding(project, last, {record: files for record, files in state.withdrawn.items() if record in leaving})
    notes = dict.fromkeys(sorted(held & live), _WITHDRAWN) | {
        shard.name: shard.reason for shard in withdrawals.shards if shard.name in live
    }
    state.replaced.update(notes | _old_catalogues(state, config))
    return state


def _old_catalogues(state: PublishedState, config: Config) -> dict[ShardName, str]:
    """Return the catalogue shards of phases that are no longer in the config, if records were withdrawn since."""
    last, named = state.last, {phase.name for phase in config.phases}
    if last is None:
        return {}
    known = {each.id: each.since for each in last.in_force}
    newest = max((known.get(record, last.serial + 1) for record in state.withdrawn), default=0)
    own = last.catalogue_phases - named
    left = [shard for shard in last.shards if shard.phase in own and not shard.obsolete]
    return {shard.name: _WITHDRAWN for shard in left if shard.since < newest}


def _check_same(config: Config, last: Release) -> None:
    """Raise InputError if the config does not fit the published release."""
    if config.collection.name != last.collection.name:
        raise InputError(
            "packager.toml: collection.name",
            f'"{config.collection.name}" is not the published collection "{last.collection.name}"',
            "use a new folder and packager.toml for a new collection",
        )
    content = {phase.name: phase.content for phase in last.phases if phase.state == "published"}
    for phase in config.phases:
        if content.get(phase.name, phase.content) != phase.content:
            raise InputError(
                f"packager.toml: phases {phase.name}: content",
                f'"{phase.content}", but the phase is published with "{content[phase.name]}"',
                "choose another name for the new phase",
            )


def withdrawn_contents(
    project: Project, last: Release | None, withdrawals: Withdrawals
) -> dict[str, tuple[FileDigest, ...]]:
    """Return the content of the withdrawn records' files, by id.

    If neither the project nor the release lists the content, because it was redacted, it is read from the state folder.
    Raises InputError if it is lost.
    """
    withdrawn = in_force(last, withdrawals)
    unknown = [record for record, files in withdrawn.items() if not files]
    shards = shards_of_files(last)
    if last and unknown and shards:
        lost = {each.id for each in last.in_force if each.shards} - {record.id for record in withdrawals.records}
        with opened_members(project, shards) as database:
            database.register("unknown", pa.table({"id": pa.array(unknown, pa.string())}))
            query = "SELECT DISTINCT id, size, lower(hex(sha256)) FROM member SEMI JOIN unknown USING (id)"
            for record, size, sha256 in sql.execute(database, f"{query} ORDER BY ALL"):
                lost.discard(str(record))
                if size:
                    withdrawn[str(record)] += (FileDigest(size=int(size), sha256=str(sha256)),)
        for record in unknown:
            if record in lost:
                raise _content_lost(project, last.serial, record)
    return withdrawn


def _content_lost(project: Project, serial: int, record: str) -> InputError:
    """Return the error for a redacted withdrawal with lost content, which could be published again."""
    what = (
        f'is lost, with the state folder, so the content of "{display_text(record)}", which release {serial}'
        " withdraws without a description, would not be recognised under another name"
    )
    again = f'withdraw it again while its file is there: packager withdraw "{display_text(record)}"'
    lift = f'undo that: packager withdraw --undo "{display_text(record)}"'
    return InputError(display_text(str(project.withdrawals)), what, f"restore it from a backup, or {again}, or {lift}")


def _holding(project: Project, last: Release | None, withdrawn: Mapping[str, Sequence[FileDigest]]) -> set[ShardName]:
    """Return the shards that contain a file of these withdrawn records, or its content."""
    shards = shards_of_files(last)
    if not withdrawn or not shards:
        return set()
    with opened_members(project, shards) as database:
        found = withdrawn_members(database, withdrawn, shards)
    return {name for names in found.values() for name in names}


def compare_catalogue(hashes: SourceHashes, config: Config, state: PublishedState, closed: str) -> Comparison:
    """Split the catalogue into published records and records to plan, and return the counts.

    closed: the SQL condition of records under embargo.
    """
    if not state.of_files:
        hashes.project.replanned.unlink(missing_ok=True)
        return _NOTHING
    phases = [phase.name for phase in config.phases if phase.content == "files"]
    return compare.compare_records(hashes, state.of_files, replaced=state.replaced, phases=phases, closed=closed)


def has_same_catalogue(state: PublishedState, phase: str, rows: pa.Table) -> bool:
    """Return whether the published shards of a catalogue phase contain exactly the exported files.

    rows: of PLANNED, one row for each file.
    """
    shards = [each for each in state.live_shards if each.shard.phase == phase]
    if not shards or any(each.shard.name in state.replaced for each in shards):
        return False
    published: list[tuple[object, ...]] = []
    for each in shards:
        table = parquet.read_rows(each.rows, 0, parquet.count_rows(each.rows), PLANNED)
        published += _files_of(table)
    return published == _files_of(rows)


def _files_of(rows: pa.Table) -> list[tuple[object, ...]]:
    """Return the name, size and SHA-256 of each file."""
    return list(zip(*(rows[name].to_pylist() for name in ("member", "size", "sha256")), strict=True))


def keep_times(project: Project, state: PublishedState, phase: str, folder: Path) -> None:
    """Save durably the times of the files in `folder`, which belong to a published catalogue phase."""
    for each in state.live_shards:
        if each.shard.phase == phase:
            names = parquet.read_rows(each.rows, 0, parquet.count_rows(each.rows), PLANNED)["member"].to_pylist()
            stamps = [FileStamp.of((folder / name).stat()) for name in names]
            update_times(project, each, {row: stamp.mtime_ns or 0 for row, stamp in enumerate(stamps)})


def successors(
    database: sql.Database, state: PublishedState, planned: Iterable[tuple[Path, Sequence[PlannedShard]]]
) -> list[Superseded]:
    """Return the replaced shards of files, and the new shards with their members.

    planned: each phase's table of PLANNED, and its new shards. Call this after `compare_catalogue`.
    """
    by: dict[str, list[ShardName]] = {each.shard.name: [] for each in state.of_files}
    for path, shards in planned if state.of_files else ():
        query = (
            f"SELECT DISTINCT r.shard, p.shard FROM {sql.parquet(path)} p"  # noqa: S608
            " JOIN returned r USING (id) WHERE r.replaced ORDER BY 1, 2"
        )
        for name, number in sql.execute(database, query):
            by[str(name)].append(shards[number].name)
    return [
        Superseded(name=ShardName(name), by=tuple(names), reason=state.replaced[ShardName(name)])
        for name, names in by.items()
        if name in state.replaced
    ]


def keeping_old_versions(
    database: sql.Database, state: PublishedState, planned: Sequence[tuple[Path, Sequence[PlannedShard]]]
) -> dict[str, int]:
    """Return, by phase, how many published records keep their old version, because no new shard has the new one.

    planned: see `successors`. Call this after `compare_catalogue`.
    """
    if not state.of_files or not planned:
        return {}
    found = sql.execute(
        database,
        "SELECT phase, count(*) FROM returned JOIN listed USING (no) WHERE NOT returned.replaced"  # noqa: S608
        f" AND id NOT IN (SELECT id FROM {sql.parquet(path for path, _ in planned)}) GROUP BY phase",
    )
    return {str(phase): int(count) for phase, count in found}


def sources_gone(
    project: Project, state: PublishedState, stale: Collection[str], *, virtual: bool
) -> tuple[ShardName, ...]:
    """Return which of the shards `stale` have no tar and can no longer be made from the source files.

    virtual: shards have no tars, so a shard without a tar was virtual, even if the lost state folder does not show it.
    """
    tars = frozenset(tar_names(project) if stale else ())  # lists a store

    def is_virtual(shard: PlannedShard) -> bool:
        made = read_packed(project, shard.name)
        return shard.container == "folder" or (made is not None and (made.virtual or virtual))

    return tuple(
        each.shard.name
        for each in state.live_shards
        if each.shard.name in stale and f"{each.shard.name}.tar" not in tars and is_virtual(each.shard)
    )
