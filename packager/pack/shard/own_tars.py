"""Which tars this project wrote, and where. It replaces no other tar, and never shares a shard's name with a project.

Several projects may write to one folder. `.packager/tars/NAME.json` lists the places where this project wrote the
shard NAME; it is written before the tar gets its name there, so that a kill leaves no tar that nobody knows.
"""

import glob
from typing import TYPE_CHECKING

import msgspec

from packager.core.config.store_url import StoreUrl
from packager.engine.files import atomic_files
from packager.engine.files.locked_file import is_locked
from packager.engine.project.project import Project
from packager.engine.project.tar_stamps import read_tar_stamp
from packager.errors import InputError
from packager.model import ShardName
from packager.paths import display_text

if TYPE_CHECKING:
    from packager.pack.shard.pack_shard import ShardTask


def wrote(task: "ShardTask") -> bool:
    """Say whether this project wrote the shard in the place where its tar goes now."""
    return wrote_shard(task.project, task.shard.name)


def wrote_shard(project: Project, name: ShardName) -> bool:
    """Say whether this project wrote the shard with this name in the place where tars go now."""
    return project.shards_key in _places(project, name)


def is_unstamped(task: "ShardTask") -> bool:
    """Return whether this project wrote the tar and was killed before it wrote the stamp."""
    return wrote(task) and read_tar_stamp(task.project, task.shard.name) is None


def check_name(task: "ShardTask") -> None:
    """Raise InputError where the tar would replace one that is not this project's, or another project writes it."""
    if not task.owner or task.is_without_tar:
        return
    advice = "set another shards.folder, or another collection.name"
    if task.size_there is not None and not wrote(task):
        what = "is there, and this project did not write it"
        raise InputError(_shown(task), what, f"move it away, or {advice}")
    if isinstance(task.project.shards_location, StoreUrl):
        return
    for other in sorted(task.tar.parent.glob(f".{glob.escape(task.tar.name)}.*.partial")):
        if other == task.partial:
            continue
        if is_locked(other):
            raise InputError(_shown(task), "another project writes it at this moment", advice)
        what = f"another project has begun to write it ({display_text(other.name)})"
        raise InputError(_shown(task), what, f"remove that file if its project is gone, or {advice}")


def claim(task: "ShardTask") -> None:
    """Note durably that this project writes the shard in its place. Raises InputError as `check_name`."""
    if not task.owner or task.is_without_tar:
        return
    check_name(task)
    places = _places(task.project, task.shard.name)
    if (place := task.project.shards_key) not in places:
        atomic_files.write_bytes(task.project.places(task.shard.name), msgspec.json.encode(sorted({*places, place})))


def _shown(task: "ShardTask") -> str:
    """Return how a message names the tar."""
    place = task.project.shards_location
    return display_text(f"{place}/{task.shard.name}.tar" if isinstance(place, StoreUrl) else str(task.tar))


def _places(project: Project, name: ShardName) -> list[str]:
    """Return the places where the shard was written; none where the list is damaged."""
    try:
        return msgspec.json.decode(project.places(name).read_bytes(), type=list[str])
    except (OSError, msgspec.MsgspecError):
        return []
