"""The layout of a shard in whichever container: what a plan's rows, or a published table, give."""

import numpy as np
import pyarrow as pa

from packager.core.shards.folder_layout import folder_layout, is_aligned
from packager.core.shards.layout import Layout
from packager.core.shards.tar_layout import tar_layout
from packager.model import Container, Manifest, ShardName, TorrentVersion


def make_layout(
    name: ShardName,
    bag_info: str,
    members: pa.Table,
    *,
    container: Container,
    piece_length: int,
    version: TorrentVersion,
) -> Layout:
    """Return the layout of a shard in its container; the last two only decide a folder's."""
    if container == "tar":
        return tar_layout(name, bag_info, members)
    return folder_layout(name, bag_info, members, piece_length=piece_length, aligned=is_aligned(version))


def published_layout(manifest: Manifest, members: pa.Table) -> Layout | None:
    """Return the layout of a published shard from its manifest and its table of members (model.MEMBERS).

    None if the two do not give the size and the offsets that were published.
    """
    v1, v2 = manifest.infohash_v1, manifest.infohash_v2
    layout = make_layout(
        manifest.name,
        manifest.bag_info,
        members,
        container=manifest.container,
        piece_length=manifest.piece_length,
        version="v1" if v2 is None else "v2" if v1 is None else "hybrid",
    )
    fits = layout.disk_size == manifest.size and np.array_equal(layout.offsets, members["offset"].to_numpy())
    return layout if fits else None
