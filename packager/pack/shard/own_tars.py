"""Keeps a list of the tars that this project wrote, so that it never replaces a tar of another project.

Several projects can write to one folder. `.packager/tars/NAME.json` lists the places where this project wrote the shard
NAME. The list is written before the tar gets its final name, so that every tar is in the list even after a kill.
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


def is_own(task: "ShardTask") -> bool:
    """Return whether this project wrote the shard in the present place of its tar."""
    return is_own_shard(task.project, task.shard.name)


def is_own_shard(project: Project, name: ShardName) -> bool:
    """Return whether this project wrote the named shard in the present place for tars."""
    return project.shards_key in _places(project, name)


def is_unstamped(task: "ShardTask") -> bool:
    """Return whether this project wrote the tar and was killed before it wrote the stamp."""
    return is_own(task) and read_tar_stamp(task.project, task.shard.name) is None


def check_name(task: "ShardTask") -> None:
    """Raise InputError if the tar would replace another project's tar, or another project is writing it."""
    if not task.owner or task.is_without_tar:
        return
    advice = "set another shards.folder, or another collection.name"
    if task.size_there is not None and not is_own(task):
        what = "already exists, but this project did not write it"
        raise InputError(_shown(task), what, f"move it away, or {advice}")
    if isinstance(task.project.shards_location, StoreUrl):
        return
    for other in sorted(task.tar.parent.glob(f".{glob.escape(task.tar.name)}.*.partial")):
        if other == task.partial:
            continue
        if is_locked(other):
            raise InputError(_shown(task), "another project is writing it now", advice)
        what = f"another project has started to write it ({display_text(other.name)})"
        raise InputError(_shown(task), what, f"remove that file if its project is gone, or {advice}")


def record_own(task: "ShardTask") -> None:
    """Record durably that this project writes the shard in its place. Raises the InputError of `check_name`."""
    if not task.owner or task.is_without_tar:
        return
    check_name(task)
    places = _places(task.project, task.shard.name)
    if (place := task.project.shards_key) not in places:
        atomic_files.write_bytes(task.project.places(task.shard.name), msgspec.json.encode(sorted({*places, place})))


def _shown(task: "ShardTask") -> str:
    """Return the tar's name for messages."""
    place = task.project.shards_location
    return display_text(f"{place}/{task.shard.name}.tar" if isinstance(place, StoreUrl) else str(task.tar))


def _places(project: Project, name: ShardName) -> list[str]:
    """Return the places where the shard was written; none if the list is damaged."""
    try:
        return msgspec.json.decode(project.places(name).read_bytes(), type=list[str])
    except (OSError, msgspec.MsgspecError):
        return []
