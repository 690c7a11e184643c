"""A shard's documents as the next release lists them, and where they lie until the site has them.

What packing made stays as it is in the state folder. Where a member has a newer version elsewhere, or was withdrawn,
the site gets another members table: it is made here, under the name of its digest, so that the table that the last
release lists is still there if this one never comes to be.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from packager import documents
from packager.engine import durable, sql, tables
from packager.engine.workspace import Workspace
from packager.errors import from_os_error
from packager.model import MEMBERS, SUPERSEDED, Manifest, Plan, PublishedFile, Release, ReleaseShard, ShardName
from packager.progress import Progress
from packager.releasing import PackedShard

_MARKS = pa.schema([("shard", pa.string()), ("id", pa.string()), ("number", pa.int32())])
_HELD = pa.schema([("id", pa.string()), ("held", pa.int64())])


@dataclass(frozen=True)
class Changes:
    """What members tables must say that they did not say in the last release.

    newer: by shard and the record's id, the shard that has its newer version. withdrawn: ids of all records taken
    back; holding: the shards that hold each of those that were taken back since.
    """

    newer: Mapping[ShardName, Mapping[str, ShardName]] = field(default_factory=dict)
    withdrawn: Collection[str] = ()
    holding: Mapping[str, tuple[ShardName, ...]] = field(default_factory=dict)

    @property
    def affected(self) -> set[ShardName]:
        """The shards whose tables must be made anew."""
        return set(self.newer).union(*self.holding.values())


def find_changes(
    workspace: Workspace, plan: Plan, phases: Collection[str], last: Release | None, withdrawn: Sequence[str]
) -> Changes:
    """Return what the tables of the published shards must say now. phases: of the plan, that are published.

    withdrawn: ids of all records taken back. Memory: the records that changed, or were withdrawn since.
    """
    if last is None:
        return Changes()
    known = {withdrawal.id for withdrawal in last.withdrawals}
    since = [each for each in withdrawn if each not in known]
    return Changes(_newer(workspace, plan, phases), withdrawn, _holding(workspace, last, since))


def _newer(workspace: Workspace, plan: Plan, phases: Collection[str]) -> dict[ShardName, dict[str, ShardName]]:
    """Return the published records whose newer version the plan has, by the shard that holds the older one."""
    found: dict[ShardName, dict[str, ShardName]] = {}
    if not workspace.replanned.exists():
        return found
    for phase in plan.phases:
        fresh = [shard for shard in phase.shards if not shard.published]
        if phase.name not in phases or phase.content == "catalogue" or not fresh:
            continue
        planned = workspace.planned(phase.name)
        query = (
            f"SELECT r.shard, r.id, p.shard AS number FROM {sql.parquet(workspace.replanned)} r"  # noqa: S608
            f" JOIN {sql.parquet(planned)} p USING (id) WHERE NOT r.replaced ORDER BY 1, 2"
        )
        with closing(sql.open_database([workspace.replanned, planned], workspace.state / "spill")) as database:
            for shard, record, number in _rows(sql.run_batches(database, query, _MARKS)):
                found.setdefault(ShardName(str(shard)), {})[str(record)] = fresh[int(str(number))].name
    return found


def _holding(workspace: Workspace, last: Release, ids: Sequence[str]) -> dict[str, tuple[ShardName, ...]]:
    """Return which published shards hold each of these records, in the order of the release."""
    of_files = {phase.name for phase in last.phases if phase.content == "files"}
    shards = [shard for shard in last.shards if shard.phase in of_files]
    if not ids or not shards:
        return {}
    paths = [workspace.listed_table(shard.name, shard.members_table.sha256) for shard in shards]
    rows = f"{sql.parquet(paths)} SEMI JOIN wanted USING (id)"
    query = f"SELECT id, file_index::BIGINT AS held FROM {rows} ORDER BY id, held"  # noqa: S608 (paths of ours, quoted)
    found: dict[str, tuple[ShardName, ...]] = dict.fromkeys(ids, ())
    with closing(sql.open_database(paths, workspace.state / "spill")) as database:
        database.register("wanted", pa.table({"id": pa.array(ids, pa.string())}))
        for record, at in _rows(sql.run_batches(database, query, _HELD)):
            found[str(record)] += (shards[int(str(at))].name,)
    return found


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[object, ...]]:
    """Yield a query's rows one by one."""
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def listed_shard(
    workspace: Workspace, name: ShardName, last: ReleaseShard | None, changes: Changes, progress: Progress
) -> PackedShard:
    """Return a shard's manifest and the facts of its files as the site has them; make what must be another now.

    last: as the last release lists it. Raises IncompleteError where a file of it is missing.
    """
    folder = workspace.packed(name)
    twin = folder / f"{name}.v1.torrent"
    table = workspace.listed_table(name, last.members_table.sha256) if last else _full_table(workspace, name)
    if name in changes.affected:
        table = _changed_table(workspace, name, table, changes)
    manifest, document = _manifest(workspace, name, table)
    progress.advance(1)
    return PackedShard(
        manifest=manifest,
        torrent=_file(folder / f"{name}.torrent", f"torrents/{name}.torrent"),
        document=_file(document, f"manifests/{name}.manifest.json"),
        members_table=_file(table, f"manifests/{name}.members.parquet"),
        twin_torrent=_file(twin, f"torrents/{twin.name}") if twin.exists() else None,
    )


def _full_table(workspace: Workspace, name: ShardName) -> Path:
    """Return where the table lies that packing made."""
    return workspace.packed(name) / f"{name}.members.parquet"


def _changed_table(workspace: Workspace, name: ShardName, old: Path, changes: Changes) -> Path:
    """Write what becomes of a members table, durably, and return where it lies. Memory: one table."""
    before = rows = tables.read_rows(old, 0, tables.count_rows(old), MEMBERS)
    ids = rows["id"]
    newer = changes.newer.get(name, {})
    marks = pa.array([newer.get(each) for each in ids.to_pylist()], SUPERSEDED.type)
    marks = pc.coalesce(marks, rows[SUPERSEDED.name].combine_chunks())
    rows = rows.set_column(rows.column_names.index(SUPERSEDED.name), SUPERSEDED, marks)
    gone = pc.is_in(ids, pa.array(list(changes.withdrawn), pa.string()))
    rows = rows.filter(pc.invert(gone)).combine_chunks()
    if rows.equals(before):
        return old
    folder = durable.make_folder(workspace.packed(name) / "listed")
    fresh = folder / "next.parquet"
    tables.write_members(fresh, MEMBERS, rows.to_batches(), rows.num_rows)
    path = workspace.listed_table_place(name, _digest(fresh))
    durable.move(fresh, path)
    return path


def _manifest(workspace: Workspace, name: ShardName, table: Path) -> tuple[Manifest, Path]:
    """Return the manifest that goes with a members table, and where it lies."""
    path = workspace.packed(name) / f"{name}.manifest.json"
    manifest = documents.from_bytes(path.read_bytes(), Manifest, path)
    withdrawn = manifest.members - tables.count_rows(table)
    if not withdrawn:
        return manifest, path
    manifest = msgspec.structs.replace(manifest, withdrawn=withdrawn)
    beside, data = path.parent / "listed" / path.name, documents.to_bytes(manifest)
    if not beside.exists() or beside.read_bytes() != data:
        durable.write_bytes(beside, data)
    return manifest, beside


def _file(path: Path, published: str) -> PublishedFile:
    """Return the facts of a file that is published under the path `published`."""
    try:
        return PublishedFile(path=published, size=path.stat().st_size, sha256=_digest(path))
    except OSError as error:
        raise from_os_error(error, path, "pack the shard again: packager pack") from error


def _digest(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place_documents(workspace: Workspace, release: Release, built: Path) -> Iterator[PublishedFile]:
    """Put each shard's documents into the site, linked where the file system can, and yield their facts."""
    folders = set()
    for shard in release.shards:
        for file in shard.documents:
            path = built / file.path
            folders.add(durable.make_folder(path.parent))
            _link(_place(workspace, shard, file), path)
            yield file
    for folder in folders:
        durable.fsync_folder(folder)


def _place(workspace: Workspace, shard: ReleaseShard, file: PublishedFile) -> Path:
    """Return where a document lies that a release lists."""
    if file is shard.members_table:
        return workspace.listed_table(shard.name, file.sha256)
    folder = workspace.packed(shard.name)
    if file is shard.manifest and shard.withdrawn:
        folder /= "listed"
    return folder / Path(file.path).name


def _link(source: Path, path: Path) -> None:
    """Link a durable file to a second name, or copy it durably where that cannot be."""
    try:
        os.link(source, path)
    except OSError:
        with open(source, "rb") as whole, durable.replace(path) as file:
            shutil.copyfileobj(whole, file)
