"""The documents of shards, as the next release lists them.

The documents that packing made stay unchanged in the state folder. If a member has a newer version in another shard or
was withdrawn, a new members table is made here and named by its digest, so that the table of the last release is kept
until the new release is published.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.releases import documents
from packager.core.releases.next_release import PackedShard
from packager.core.releases.withdrawn_records import Withdrawals, in_force, to_lift
from packager.engine.files import atomic_files
from packager.engine.project.project import Project
from packager.engine.published.listed_members import opened_members, shards_of_files, withdrawn_members
from packager.engine.published.moved_files import read_moved
from packager.engine.tables import members_tsv, parquet, sql
from packager.errors import InputError, from_os_error
from packager.model import (
    MEMBERS,
    SUPERSEDED,
    FileDigest,
    Manifest,
    Plan,
    PublishedFile,
    Release,
    ReleaseShard,
    ShardName,
)
from packager.progress import Progress

_MARKS = pa.schema([("shard", pa.string()), ("id", pa.string()), ("number", pa.int32())])


@dataclass(frozen=True)
class TableChanges:
    """Changes of members tables since the last release.

    newer: by shard and record id, the shard with the newer version. withdrawn: by id, the digests of the withdrawn
    files. holding: by id, the shards that contain these files. affected: shards that need a new table.
    """

    newer: Mapping[ShardName, Mapping[str, ShardName]] = field(default_factory=dict)
    withdrawn: Mapping[str, Sequence[FileDigest]] = field(default_factory=dict)
    holding: Mapping[str, Sequence[ShardName]] = field(default_factory=dict)
    affected: Collection[ShardName] = ()


def find_changes(
    project: Project, plan: Plan, phases: Collection[str], last: Release | None, withdrawals: Withdrawals
) -> TableChanges:
    """Return the changes for the tables of published shards. phases: the published phases of the plan.

    withdrawals: the withdrawals in the project. Memory: changed and withdrawn records.
    """
    if last is None:
        return TableChanges()
    withdrawn = in_force(last, withdrawals)
    lifted = to_lift(last, withdrawals)
    shards = shards_of_files(last)
    holding: dict[str, list[ShardName]] = {}
    newer = _newer(project, plan, phases)
    if shards and (withdrawn or lifted):
        with opened_members(project, shards) as database:
            holding = withdrawn_members(database, withdrawn, shards)
            for name, marks in _versions(database, [each.id for each in lifted], shards).items():
                newer.setdefault(name, {}).update({record: new for record, new in marks.items() if record not in newer})
    known = {each.id: each.shards for each in last.in_force}
    affected = {
        *newer,
        *(name for record, names in holding.items() for name in names if name not in known.get(record, ())),
        *(name for each in lifted for name in each.shards),
        *(shard.name for shard in shards if project.moved(shard.name).exists()),
    }
    return TableChanges(newer, withdrawn, holding, affected)


def _versions(
    database: sql.Database, records: Sequence[str], shards: Sequence[ReleaseShard]
) -> dict[ShardName, dict[str, ShardName]]:
    """Return, by shard and record id, the shard with the next version."""
    database.register("versioned", pa.table({"id": pa.array(records, pa.string())}))
    by_age = sorted(range(len(shards)), key=lambda place: (shards[place].since, shards[place].name))
    age = {place: rank for rank, place in enumerate(by_age)}
    rows = sql.execute(database, "SELECT id, list(DISTINCT no) FROM member SEMI JOIN versioned USING (id) GROUP BY id")
    found: dict[ShardName, dict[str, ShardName]] = {}
    for record, places in rows:
        live = sorted((place for place in places if not shards[place].obsolete), key=age.__getitem__)
        for older, newer in pairwise(live):
            found.setdefault(shards[older].name, {})[str(record)] = shards[newer].name
    return found


def _newer(project: Project, plan: Plan, phases: Collection[str]) -> dict[ShardName, dict[str, ShardName]]:
    """Return the published records with a newer version in the plan, by the shard with the older version."""
    found: dict[ShardName, dict[str, ShardName]] = {}
    fresh = {
        project.planned(phase.name): new
        for phase in plan.phases
        if phase.name in phases
        and phase.content != "catalogue"
        and (new := [shard for shard in phase.shards if not shard.published])
    }
    if not fresh or not project.replanned.exists() or not parquet.count_rows(project.replanned):
        return found
    with closing(sql.open_database(project.state)) as database:
        for planned, shards in fresh.items():
            query = (
                f"SELECT r.shard, r.id, p.shard AS number FROM {sql.parquet(project.replanned)} r"  # noqa: S608
                f" JOIN {sql.parquet(planned)} p USING (id) WHERE NOT r.replaced ORDER BY 1, 2"
            )
            for shard, record, number in sql.run_rows(database, query, _MARKS):
                found.setdefault(ShardName(shard), {})[record] = shards[number].name
    return found


def listed_shard(
    project: Project,
    name: ShardName,
    last: ReleaseShard | None,
    changes: TableChanges,
    progress: Progress,
    *,
    obsolete: bool = False,
) -> PackedShard:
    """Return a shard's manifest and the facts of its files; make a new table and manifest if they must change.

    last: the shard in the last release. obsolete: its torrents stay as they are listed. Raises IncompleteError if a
    file is missing.
    """
    folder = project.packed(name)
    twin = folder / f"{name}.v1.torrent"
    table = project.listed_table(name, last.members_table.sha256) if last else _full_table(project, name)
    if name in changes.affected:
        table = _changed_table(project, name, table, changes)
    manifest, document = _manifest(project, name, table, last if obsolete else None)
    progress.advance(1)
    packed = PackedShard(
        manifest=manifest,
        torrent=_file(folder / f"{name}.torrent", f"torrents/{name}.torrent"),
        document=_file(document, f"manifests/{name}.manifest.json"),
        members_table=_file(table, f"manifests/{name}.members.parquet"),
        members_tsv=_file(_lines(table), f"manifests/{name}.members.tsv.zst"),
        twin_torrent=_file(twin, f"torrents/{twin.name}") if twin.exists() else None,
    )
    if last is None or not obsolete:
        return packed
    return msgspec.structs.replace(packed, torrent=last.torrent, twin_torrent=last.twin_torrent)


def _lines(table: Path) -> Path:
    """Return the path of a members table as text; write that file if it is missing."""
    path = members_tsv.members_tsv_path(table)
    return path if path.exists() or not table.exists() else members_tsv.write_members_tsv(table)


def _full_table(project: Project, name: ShardName) -> Path:
    """Return the path of the members table that packing made."""
    return project.packed(name) / f"{name}.members.parquet"


def _changed_table(project: Project, name: ShardName, old: Path, changes: TableChanges) -> Path:
    """Write the changed members table durably, and return its path. Memory: one table.

    old: the table of the last release, or of packing.
    """
    full = _full_table(project, name)
    rows = parquet.read_rows(full, 0, parquet.count_rows(full), MEMBERS)
    before = parquet.read_rows(old, 0, parquet.count_rows(old), MEMBERS)
    moved = read_moved(project, name)
    ids = [moved[row].id or record if row in moved else record for row, record in enumerate(rows["id"].to_pylist())]
    marked = dict(zip(before["path"].to_pylist(), before[SUPERSEDED.name].to_pylist(), strict=True))
    newer = changes.newer.get(name, {})
    rows = _with_column(
        rows,
        SUPERSEDED.name,
        [newer.get(record) or marked.get(path) for record, path in zip(ids, rows["path"].to_pylist(), strict=True)],
    )
    rows = _with_column(rows, "current_id", [moved[row].id if row in moved else None for row in range(len(ids))])
    rows = _with_column(rows, "current_path", [moved[row].path if row in moved else None for row in range(len(ids))])
    rows = rows.filter(pc.invert(_is_withdrawn(rows, ids, changes.withdrawn))).combine_chunks()
    if rows.equals(before):
        return old
    folder = atomic_files.make_folder(project.packed(name) / "listed")
    fresh = folder / "next.parquet"
    parquet.write_members(fresh, MEMBERS, rows.to_batches(), rows.num_rows)
    path = project.listed_table_place(name, _digest(fresh))
    atomic_files.move_file(fresh, path)
    return path


def _with_column(rows: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
    """Return a table with new values in a column."""
    return rows.set_column(rows.schema.get_field_index(name), MEMBERS.field(name), pa.array(values, pa.string()))


def _is_withdrawn(rows: pa.Table, ids: Sequence[str], withdrawn: Mapping[str, Sequence[FileDigest]]) -> pa.Array:
    """Return for each row whether its record or content is withdrawn."""
    of_record = pc.is_in(pa.array(ids, pa.string()), pa.array(list(withdrawn), pa.string()))
    digests = [bytes.fromhex(each.sha256) for files in withdrawn.values() for each in files]
    return pc.or_(of_record, pc.is_in(rows["sha256"].combine_chunks(), pa.array(digests, pa.binary(32))))


def _manifest(project: Project, name: ShardName, table: Path, last: ReleaseShard | None) -> tuple[Manifest, Path]:
    """Return the manifest for a members table, and its path. last: the listed shard, for its twin."""
    path = project.packed(name) / f"{name}.manifest.json"
    made = documents.from_bytes(path.read_bytes(), Manifest, path)
    manifest = msgspec.structs.replace(
        made,
        withdrawn=made.members - parquet.count_rows(table),
        twin_infohash=last.twin_infohash if last else made.twin_infohash,
    )
    if manifest == made:
        return manifest, path
    beside, data = path.parent / "listed" / path.name, documents.to_bytes(manifest)
    if not beside.exists() or beside.read_bytes() != data:
        atomic_files.write_bytes(beside, data)
    return manifest, beside


def _file(path: Path, published: str) -> PublishedFile:
    """Return the facts of a file. published: its path on the site."""
    try:
        return PublishedFile(path=published, size=path.stat().st_size, sha256=_digest(path))
    except OSError as error:
        raise from_os_error(error, path, "pack the shard again: packager pack") from error


def _digest(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place_documents(project: Project, release: Release, built: Path) -> Iterator[PublishedFile]:
    """Put each shard's documents into the site, as hard links if possible, and yield their facts."""
    folders = set()
    for shard in release.shards:
        for file in shard.documents:
            path = built / file.path
            folders.add(atomic_files.make_folder(path.parent))
            atomic_files.link(_place(project, shard, file), path)
            yield file
    for folder in folders:
        atomic_files.fsync_folder(folder)


def _place(project: Project, shard: ReleaseShard, file: PublishedFile) -> Path:
    """Return the local path of a document in a release."""
    if file is shard.members_table:
        return project.listed_table(shard.name, file.sha256)
    if file is shard.members_tsv:
        return members_tsv.members_tsv_path(project.listed_table(shard.name, shard.members_table.sha256))
    packed = project.packed(shard.name) / Path(file.path).name
    if file is shard.manifest:
        changed = packed.parent / "listed" / packed.name
        return changed if changed.exists() and _digest(changed) == file.sha256 else packed
    kept = project.listed_torrent_place(shard.name, file.sha256)
    if kept.exists() or not shard.obsolete or _digest(packed) == file.sha256:
        return kept if kept.exists() else packed
    what = "differs from the .torrent of the last release, but an obsolete shard must keep its .torrent"
    raise InputError(packed, what, f"copy it back from the site: {file.path}")
