"""`python -m bench.made_up packager.toml`: pack all shards of a plan without files, in one process.

Digests are made of names and numbers. Everything else (layout, torrents, tables, manifests) is made as by `pack`.
"""

import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from packager.api.packing import tasks_of
from packager.core.bittorrent import merkle
from packager.core.shards.layout import Layout
from packager.engine.files.source_files import SourceFile
from packager.engine.hashing.stream_hasher import Digests
from packager.engine.project import load_project
from packager.engine.project.state_files import read_plan
from packager.pack.shard import pack_shard


def made_up_pass(
    layout: Layout, members: list[SourceFile], _: object, *, piece_length: int, **__: object
) -> tuple[bytes, Digests]:
    """Return a result like that of a pass over a tar with several pieces, without reading."""
    name = layout.name.encode()
    nodes = [sha256(name + piece.to_bytes(8, "big")).digest() for piece in range(-(-layout.size // piece_length))]
    layer = b"".join(nodes)
    digests = Digests(b"".join(node[:20] for node in nodes), layer, merkle.pieces_root(layer, piece_length), None)
    return b"".join(sha256(member.path).digest() for member in members), digests


def main(config: Path) -> None:
    """Pack all shards that are not complete; no tar is written."""
    options, project = load_project.load_project(config)
    for task in tasks_of(options, project, read_plan(project), virtual=True):
        if not pack_shard.shard_status(task).is_complete:
            instead = partial(made_up_pass, piece_length=task.shard.piece_length)
            with patch.object(pack_shard, "read_shard", instead):  # there are no files
                pack_shard.pack_shard(task, lambda _: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
