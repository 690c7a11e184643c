"""The releases made here so far, read back from the state folder."""

import os

import msgspec

from packager.core.releases import documents
from packager.core.releases.next_release import opened_phases
from packager.engine.files.limited_read import read_limited
from packager.engine.project.project import Project
from packager.errors import InputError
from packager.model import Infohash, Release, ShardName
from packager.paths import display_text


def read_last_release(project: Project) -> Release | None:
    """Return the last release made here, or None."""
    last = read_last_release_bytes(project)
    return last[0] if last else None


def read_last_release_bytes(project: Project) -> tuple[Release, bytes] | None:
    """Return the last release made here and its bytes, or None."""
    serials = sorted(int(path.stem) for path in project.releases.glob("*.json") if path.stem.isdigit())
    if not serials:
        return None
    path = project.releases / f"{serials[-1]}.json"
    data = path.read_bytes()
    return documents.from_bytes(data, Release, path), data


def check_site(project: Project) -> None:
    """Raise InputError where the site's folder shows a release that this project did not make."""
    path = project.output / "release.json"
    if not os.path.lexists(path):
        return
    body = read_limited(path, documents.LIMIT)
    try:
        made = project.releases / f"{msgspec.json.decode(body, type=_Serial).serial}.json"
        if made.read_bytes() == body:
            return
    except (msgspec.MsgspecError, FileNotFoundError):
        pass
    what = "shows a release that this project did not make"
    raise InputError(display_text(str(project.output)), what, "move that folder away, or set another release.output")


class _Serial(msgspec.Struct):
    """What of a release document says which one it is."""

    serial: int


def check_releases(project: Project) -> None:
    """Raise InputError unless every release made so far is here, since each site has them all."""
    last = read_last_release(project)
    for serial in range(1, last.serial if last else 1):
        path = project.releases / f"{serial}.json"
        if not path.is_file():
            raise InputError(path, "an earlier release is missing", "bring it back from the site's releases/")


def published_phases(project: Project) -> set[str]:
    """Return the names of the phases that the last release has published."""
    return opened_phases(read_last_release(project))


def published_shards(project: Project) -> dict[ShardName, tuple[Infohash | None, Infohash | None]]:
    """Return the infohashes, v1 and v2, of the shards that the last release lists."""
    last = read_last_release(project)
    return {shard.name: (shard.infohash_v1, shard.infohash_v2) for shard in last.shards} if last else {}
