"""`python -m bench.made_up packager.toml`: pack all shards of a plan whose files nobody has, in one process.

Digests are made of names and numbers; all else (layout, torrents, tables, manifests) is made as packing makes it.
"""

import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from packager import merkle
from packager.api.packing import tasks_of
from packager.engine import project
from packager.engine.hashing import Digests
from packager.engine.source import Member
from packager.layout import Layout
from packager.pack import shard
from packager.pack.plan_file import read_plan


def made_up_pass(
    layout: Layout, members: list[Member], _: object, *, piece_length: int, **__: object
) -> tuple[bytes, Digests]:
    """Return what a pass over a tar of more than one piece could, reading nothing."""
    name = layout.name.encode()
    nodes = [sha256(name + piece.to_bytes(8, "big")).digest() for piece in range(-(-layout.size // piece_length))]
    layer = b"".join(nodes)
    digests = Digests(b"".join(node[:20] for node in nodes), layer, merkle.pieces_root(layer, piece_length), None)
    return b"".join(sha256(member.path).digest() for member in members), digests


def main(config: Path) -> None:
    """Pack what is not whole; no tar is written."""
    options, workspace = project.load(config)
    for task in tasks_of(options, workspace, read_plan(workspace), virtual=True):
        if not shard.condition(task).whole:
            instead = partial(made_up_pass, piece_length=task.shard.piece_length)
            with patch.object(shard, "read_shard", instead):  # the files are not there
                shard.pack_shard(task, lambda _: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
