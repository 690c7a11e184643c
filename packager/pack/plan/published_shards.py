"""Reads published shards for the next plan: their facts, and their rows with the source files' sizes and times.

published.parquet, beside a published shard's documents, contains its rows of PLANNED with the members' digests. If it
is missing, it is made from the members table and the times that packing saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.releases import documents
from packager.engine.project.project import Project
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.model import MEMBERS, MTIME, PLANNED, Manifest, PlannedShard, Release, ReleaseShard, TorrentVersion
from packager.pack.shard.write_documents import HashedOptions


@dataclass(frozen=True)
class PublishedShardRows:
    """A published shard that is not obsolete. order: its position among all published shards, oldest first."""

    shard: PlannedShard
    order: int
    rows: Path  # its published.parquet


def read_published_rows(project: Project, release: Release) -> list[PublishedShardRows]:
    """Return the shards of the last release that are not obsolete, and make their published.parquet if missing.

    Memory: one shard's rows. Raises InputError if a shard's documents are missing.
    """
    by_age = sorted((shard.since, shard.name) for shard in release.shards)
    order = {name: place for place, (_, name) in enumerate(by_age)}
    found = []
    for shard in release.shards:
        if shard.obsolete:
            continue
        rows = project.published_rows(shard.name)
        if not rows.exists():
            _write_rows(project, shard, order[shard.name])
        found.append(PublishedShardRows(_facts(project, shard), order[shard.name], rows))
    return found


def _facts(project: Project, shard: ReleaseShard) -> PlannedShard:
    """Return a published shard's facts for a plan."""
    manifest = read_manifest(project, shard)
    return PlannedShard(
        name=shard.name,
        phase=shard.phase,
        number=shard.number,
        first_row=0,
        rows=shard.members,
        payload=shard.payload,
        size=shard.size,
        piece_length=shard.piece_length,
        oversize=manifest.oversize,
        bag_info=manifest.bag_info,
        torrent_size=shard.torrent.size,
        fingerprint="",
        published=True,
        container=manifest.container,
    )


def read_manifest(project: Project, shard: ReleaseShard | PlannedShard) -> Manifest:
    """Return the manifest of a packed shard. Raises InputError if it is missing or broken."""
    path = project.packed(shard.name) / f"{shard.name}.manifest.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        what = "the manifest of a published shard is missing"
        raise InputError(path, what, "copy it back from the site's manifests/") from None
    return documents.from_bytes(data, Manifest, path)


def content_as_published(manifest: Manifest, wanted: HashedOptions) -> HashedOptions:
    """Return the options of a published shard: as published, except for the twin.

    A hybrid has the v1 hashes of its twin, so the twin can be made without source files.
    """
    version: TorrentVersion = "hybrid"
    if manifest.infohash_v1 is None or manifest.infohash_v2 is None:
        version = "v2" if manifest.infohash_v1 is None else "v1"
    return HashedOptions(
        collection=manifest.collection,
        version=version,
        also_v1=wanted.also_v1 if version == "hybrid" else manifest.twin_infohash is not None,
        sha256=manifest.sha256 is not None,
        mtimes=manifest.mtimes,
    )


def update_times(project: Project, published: PublishedShardRows, times: Mapping[int, int]) -> None:
    """Save durably the new times of files that were compared and have their published content.

    times: modification times in nanoseconds, by the member's row.
    """
    table = parquet.read_rows(published.rows, 0, parquet.count_rows(published.rows), PLANNED)
    before, rows = table[MTIME.name].combine_chunks(), np.fromiter(times, np.int64)
    now, unknown = before.fill_null(0).to_numpy().copy(), before.is_null().to_numpy(zero_copy_only=False).copy()
    now[rows], unknown[rows] = np.fromiter(times.values(), np.int64), False
    column = pa.array(now, MTIME.type, mask=unknown)
    if not column.null_count:
        kept = pa.table({MTIME.name: column})
        parquet.write_rows(project.source_times(published.shard.name), kept.schema, kept.to_batches())
    at = table.schema.get_field_index(MTIME.name)
    _write(published.rows, table.set_column(at, PLANNED.field(at), column))


def _write_rows(project: Project, shard: ReleaseShard, order: int) -> None:
    """Write a shard's published.parquet."""
    path = project.packed(shard.name) / f"{shard.name}.members.parquet"
    members = parquet.read_rows(path, 0, parquet.count_rows(path), MEMBERS)
    columns = {
        **{name: members[name] for name in MEMBERS.names if name in PLANNED.names},
        "shard": pa.array(np.full(members.num_rows, order), pa.int32()),
        "path": pc.coalesce(members["source_path"], members["path"]),
        "path_b64": members["source_path_b64"],
        "member": members["path"],
        MTIME.name: _times(project, shard, members.num_rows),
    }
    _write(project.published_rows(shard.name), pa.table({name: columns[name] for name in PLANNED.names}))


def _times(project: Project, shard: ReleaseShard, rows: int) -> pa.Array:
    """Return the source files' times when the shard was packed; null if unknown."""
    kept = project.source_times(shard.name)
    if kept.exists() and parquet.count_rows(kept) == rows:
        return parquet.read_rows(kept, 0, rows)[MTIME.name]
    return pa.nulls(rows, MTIME.type)


def _write(path: Path, rows: pa.Table) -> None:
    """Write rows of PLANNED durably."""
    parquet.write_rows(path, PLANNED, rows.cast(PLANNED).combine_chunks().to_batches(), quick=True)
