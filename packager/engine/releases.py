"""The releases made here so far, read back from the state folder."""

from packager import documents
from packager.engine.workspace import Workspace
from packager.model import Infohash, Release, ShardName
from packager.releasing import opened_phases


def last_release(workspace: Workspace) -> tuple[Release, bytes] | None:
    """Return the last release made here and its bytes, or None."""
    serials = sorted(int(path.stem) for path in workspace.releases.glob("*.json") if path.stem.isdigit())
    if not serials:
        return None
    path = workspace.releases / f"{serials[-1]}.json"
    data = path.read_bytes()
    return documents.from_bytes(data, Release, path), data


def published_phases(workspace: Workspace) -> set[str]:
    """Return the names of the phases that the last release has published."""
    return opened_phases(last_release(workspace))


def published_shards(workspace: Workspace) -> dict[ShardName, tuple[Infohash | None, Infohash | None]]:
    """Return the infohashes, v1 and v2, of the shards that the last release lists."""
    last = last_release(workspace)
    return {shard.name: (shard.infohash_v1, shard.infohash_v2) for shard in last[0].shards} if last else {}
