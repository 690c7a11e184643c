"""Which tars this project wrote: size and times, noted when one got its name. They show later whether it changed.

A shard's tar may be in several places (`export --to`). The note has one stamp for each of them.
A file's change time moves with every write, and no program can set it back. A tar whose times are others is not
wrong; it is only not known to be right.
"""

import os

import msgspec

from packager.core.config.store_url import StoreUrl
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import TarStamp
from packager.engine.files.limited_read import read_limited
from packager.engine.project.project import Project
from packager.engine.stores import store_at
from packager.errors import PackagerError
from packager.model import ShardName

_MOST = 1 << 20  # bytes of a note that are read


def write_tar_stamp(project: Project, name: ShardName) -> None:
    """Note durably how a tar is that was just written in its place. Raises IncompleteError."""
    place = project.shards_location
    if isinstance(place, StoreUrl):
        stat = store_at(place).stat(f"{name}.tar")
        note = TarStamp.stored(stat.stamp) if stat else None
    else:
        note = TarStamp.of(os.stat(project.tar(name)))
    if note is not None:
        notes = {**_read_notes(project, name), project.shards_key: note}
        atomic_files.write_bytes(project.tar_note(name), msgspec.json.encode(notes))


def read_tar_stamp(project: Project, name: ShardName) -> TarStamp | None:
    """Return how a tar was when this project wrote it here; None if that was not noted, or the note is damaged."""
    return _read_notes(project, name).get(project.shards_key)


def _read_notes(project: Project, name: ShardName) -> dict[str, TarStamp]:
    """Return the stamps of a shard's tars by their places; none where the note is damaged, or older than places."""
    try:
        return msgspec.json.decode(read_limited(project.tar_note(name), _MOST), type=dict[str, TarStamp])
    except (PackagerError, msgspec.MsgspecError):
        return {}
