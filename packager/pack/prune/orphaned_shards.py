"""Finds unpublished shards of this project that are no longer in the plan, or will not be in the next one."""

from collections.abc import Collection

import pyarrow as pa

from packager.core.releases import documents
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_plan
from packager.engine.tables import sql
from packager.model import Container, Manifest, Release, ShardName
from packager.pack.shard.own_tars import is_own_shard
from packager.pack.shard.pack_shard import read_packed


def unplanned_shards(project: Project, release: Release | None) -> dict[ShardName, Container]:
    """Return the packed shards that are neither in the last release nor in the plan, by name.

    Without a plan, the result is empty. Reads two small files for each shard. A shard that is in the plan with other
    content is not included, because packing replaces it.
    """
    packed = project.state / "packed"
    if not project.plan.exists() or not packed.is_dir():
        return {}
    known = {shard.name for shard in release.shards} if release else set()
    known.update(shard.name for phase in read_plan(project).phases for shard in phase.shards)
    names = sorted({ShardName(path.name) for path in packed.iterdir()} - known)
    return {name: _container(project, name) for name in names if _is_ours(project, name)}


def unneeded_shards(project: Project, withdrawn: Collection[str]) -> dict[ShardName, Container]:
    """Return the unpublished shards of the plan that the next plan will not need, by name.

    withdrawn: the ids of all withdrawn records. The next plan puts the other records into the first shards of their
    phase. So it does not need the last ones: as many as have only withdrawn records.
    """
    if not project.plan.exists():
        return {}
    new = {
        phase.name: [shard for shard in phase.shards if not shard.published]
        for phase in read_plan(project).phases
        if phase.content == "files"
    }
    ours = {shard.name for shards in new.values() for shard in shards if _is_ours(project, shard.name)}
    rows = {name: project.planned(name) for name, shards in new.items() if ours.intersection(s.name for s in shards)}
    found: dict[ShardName, Container] = {}
    if not rows:
        return found
    with sql.open_database(project.state) as database:
        database.register("withdrawn", pa.table({"id": pa.array(list(withdrawn), pa.string())}))
        for name, path in rows.items():
            left = f"(SELECT DISTINCT shard FROM {sql.parquet(path)} ANTI JOIN withdrawn USING (id))"  # noqa: S608
            needless = new[name][sql.count_rows(database, left) :]
            found |= {shard.name: shard.container for shard in needless if shard.name in ours}
    return found


def _is_ours(project: Project, name: ShardName) -> bool:
    """Return whether this project packed the shard with a tar. A virtual shard has a tar only if its stamp exists."""
    made = read_packed(project, name)
    return made is not None and (not made.virtual or is_own_shard(project, name))


def _container(project: Project, name: ShardName) -> Container:
    """Return a packed shard's container from its manifest; "tar" if the manifest is missing."""
    path = project.packed(name) / f"{name}.manifest.json"
    return documents.from_bytes(path.read_bytes(), Manifest, path).container if path.exists() else "tar"
