"""Published members whose files moved since their shard was packed: where each is now, kept beside its documents.

The tar and records.jsonl say the old path for ever; the members tables of the next release say both.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from packager.engine.files import atomic_files
from packager.engine.project.project import Project
from packager.engine.tables import parquet
from packager.model import ShardName
from packager.paths import decode_path

# row: of the shard's members, from 0. id: the record's id now; null if that did not follow the path. path: where its
# file is now; null for an older version, whose bytes are nowhere in the collection.
_MOVED = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        ("id", pa.string()),
        ("path", pa.string()),
        ("path_b64", pa.string()),
    ]
)


class MovedFile(NamedTuple):
    """A member's record now: its id, None if that is still the tar's, and its file's path, None if it has none."""

    id: str | None
    path: str | None
    path_b64: str | None


def read_moved(project: Project, name: ShardName) -> dict[int, MovedFile]:
    """Return the members of a packed shard that moved, by row; nothing if none did. Memory: those."""
    path = project.moved(name)
    if not path.exists():
        return {}
    columns = parquet.read_rows(path, 0, parquet.count_rows(path), _MOVED).to_pydict()
    moved = map(MovedFile, columns["id"], columns["path"], columns["path_b64"])
    return dict(zip(columns["row"], moved, strict=True))


def source_paths(project: Project, name: ShardName) -> dict[int, bytes]:
    """Return where the files are now, below the source, of a packed shard's members that moved, by row."""
    moved = read_moved(project, name)
    return {row: decode_path(each.path, each.path_b64) for row, each in moved.items() if each.path is not None}


def write_moved(project: Project, moved: Iterable[tuple[ShardName, Mapping[int, MovedFile]]]) -> None:
    """Keep, durably, where the members of some shards are that moved: after a kill of all of these shards or of none.

    A record may get the name that one of another shard had, so half of it would be two records of one name.
    """
    names = []
    for name, members in moved:
        rows = [{"row": row, **members[row]._asdict()} for row in sorted(members)]
        parquet.write_rows(_next(project, name), _MOVED, pa.Table.from_pylist(rows, _MOVED).to_batches(), quick=True)
        names.append(name)
    if names:
        atomic_files.write_bytes(_journal(project), "\n".join(names).encode())
        finish_moved(project)


def finish_moved(project: Project) -> None:
    """Finish what a killed `write_moved` had written for all shards."""
    journal = _journal(project)
    if not journal.exists():
        return
    for name in map(ShardName, journal.read_text().split("\n")):
        written = _next(project, name)
        if written.exists():  # without rows, too: the last release may list files as moved that moved back since
            atomic_files.move_file(written, project.moved(name))
    atomic_files.remove_file(journal)


def _next(project: Project, name: ShardName) -> Path:
    """Return where the members of a shard that moved are before those of all shards are written."""
    return project.moved(name).with_suffix(".next")


def _journal(project: Project) -> Path:
    """Return the list of shards whose members that moved are written, and not yet in their places."""
    return project.state / "moved.txt"
