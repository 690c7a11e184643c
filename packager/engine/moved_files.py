"""Published members whose files moved since their shard was packed: where each is now, kept beside its documents.

The tar and records.jsonl say the old path for ever; the members tables of the next release say both.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from packager.engine import durable, tables
from packager.engine.workspace import Workspace
from packager.model import ShardName
from packager.paths import decode_path

# row: of the shard's members, from 0. id: the record's id now; null where that did not follow the path. path: where its
# file is now; null for an older version, whose bytes are nowhere in the collection.
_MOVED = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        ("id", pa.string()),
        ("path", pa.string()),
        ("path_b64", pa.string()),
    ]
)


class Moved(NamedTuple):
    """A member's record now: its id, None if that is still the tar's, and its file's path, None if it has none."""

    id: str | None
    path: str | None
    path_b64: str | None


def read_moved(workspace: Workspace, name: ShardName) -> dict[int, Moved]:
    """Return the members of a packed shard that moved, by row; nothing if none did. Memory: those."""
    path = workspace.moved(name)
    if not path.exists():
        return {}
    columns = tables.read_rows(path, 0, tables.count_rows(path), _MOVED).to_pydict()
    moved = map(Moved, columns["id"], columns["path"], columns["path_b64"])
    return dict(zip(columns["row"], moved, strict=True))


def source_paths(workspace: Workspace, name: ShardName) -> dict[int, bytes]:
    """Return where the files are now, below the source, of a packed shard's members that moved, by row."""
    moved = read_moved(workspace, name)
    return {row: decode_path(each.path, each.path_b64) for row, each in moved.items() if each.path is not None}


def write_moved(workspace: Workspace, name: ShardName, moved: Mapping[int, Moved]) -> None:
    """Keep, durably, where the members of a shard are that moved."""
    path = workspace.moved(name)
    if not moved:
        path.unlink(missing_ok=True)
        durable.fsync_folder(path.parent)
        return
    rows = [{"row": row, **moved[row]._asdict()} for row in sorted(moved)]
    tables.write_table(path, _MOVED, pa.Table.from_pylist(rows, _MOVED).to_batches(), quick=True)
