"""Shards that this project packed and never published, and that the plan has no more, or will not have."""

from collections.abc import Collection

import pyarrow as pa

from packager import documents
from packager.engine import sql
from packager.engine.workspace import Workspace
from packager.model import Container, Manifest, PlannedPhase, Release, ShardName
from packager.pack.places import wrote_shard
from packager.pack.plan_file import read_plan
from packager.pack.shard import read_packed


def without_plan(workspace: Workspace, release: Release | None) -> dict[ShardName, Container]:
    """Return the shards that were packed here and that neither the last release nor the plan has, by name.

    None are known without a plan. Reads two small files a shard. A shard that the plan has with other content is not
    among them: packing replaces it.
    """
    packed = workspace.state / "packed"
    if not workspace.plan.exists() or not packed.is_dir():
        return {}
    known = {shard.name for shard in release.shards} if release else set()
    known.update(shard.name for phase in read_plan(workspace).phases for shard in phase.shards)
    names = sorted({ShardName(path.name) for path in packed.iterdir()} - known)
    return {name: _container(workspace, name) for name in names if _is_ours(workspace, name)}


def emptied(workspace: Workspace, withdrawn: Collection[str]) -> dict[ShardName, Container]:
    """Return the unpublished shards of the plan for which the next plan has no record, by name.

    withdrawn: the ids of all withdrawn records. The next plan cuts the other records into the first shards of their
    phase, so the last ones are not needed: as many as have only withdrawn records. Out of core.
    """
    if not workspace.plan.exists():
        return {}
    found: dict[ShardName, Container] = {}
    for phase in read_plan(workspace).phases:
        new = [shard for shard in phase.shards if not shard.published]
        if new and phase.content == "files" and any(_is_ours(workspace, shard.name) for shard in new):
            last = new[len(new) - _without_records(workspace, phase, withdrawn) :]
            found |= {shard.name: shard.container for shard in last if _is_ours(workspace, shard.name)}
    return found


def _without_records(workspace: Workspace, phase: PlannedPhase, withdrawn: Collection[str]) -> int:
    """Return how many new shards of a phase have only withdrawn records."""
    rows = workspace.planned(phase.name)
    with sql.open_database([rows], workspace.state / "spill") as database:
        database.register("withdrawn", pa.table({"id": pa.array(list(withdrawn), pa.string())}))
        left = f"(SELECT DISTINCT shard FROM {sql.parquet(rows)} ANTI JOIN withdrawn USING (id))"  # noqa: S608
        return sum(not shard.published for shard in phase.shards) - sql.count_rows(database, left)


def _is_ours(workspace: Workspace, name: ShardName) -> bool:
    """Say whether this project packed a shard with its tar: a virtual one has a tar only if a note says so."""
    made = read_packed(workspace, name)
    return made is not None and (not made.virtual or wrote_shard(workspace, name))


def _container(workspace: Workspace, name: ShardName) -> Container:
    """Return what a packed shard is kept as, by its manifest; "tar" if that is missing."""
    path = workspace.packed(name) / f"{name}.manifest.json"
    return documents.from_bytes(path.read_bytes(), Manifest, path).container if path.exists() else "tar"
