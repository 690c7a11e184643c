"""A shard that is kept as files, as a seed: each file where it lies, in the shard's folder or at the source."""

import os
from collections.abc import Iterator
from pathlib import Path

from packager.core.releases.members_table import source_paths
from packager.core.shards.bag import TAGMANIFEST
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.shard_torrent import FolderTorrent, open_folder_torrent
from packager.engine.published.published_shard import ShardFiles, find_nearby_documents, open_published_shard
from packager.errors import InputError
from packager.paths import display_text


def is_shards_folder(path: Path) -> bool:
    """Say whether a folder is that of a shard that is kept as files, by the last of the bag's own files."""
    return (path / TAGMANIFEST).is_file()


def folders_in(path: Path) -> Iterator[Path]:
    """Yield the shards' folders in a folder, by name: those that documents tell of."""
    for inner in sorted(path.iterdir()):
        if not inner.name.startswith(".") and is_shards_folder(inner) and find_nearby_documents(inner):
            yield inner


def shared_folder(folder: Path, torrent: Path, documents: ShardFiles | None, source: Path | None) -> FolderTorrent:
    """Return a folder's torrent with the place of each file that lies elsewhere, all of them there and of their size.

    documents: that tell the members' paths at `source`, the folder of the collection; without either each file lies in
    the shard's folder. Raises InputError for the first that is not there.
    """
    file = open_folder_torrent(torrent)
    at_source = _at_source(documents, source) if documents and source else {}
    places: dict[str, str] = {}
    for path, size in file.files():
        inside = os.path.join(folder, path)
        place = next((place for place in (inside, *at_source.get(path, ())) if _has(place, size)), None)
        if place is None:
            fix = "verify it; or name the collection's folder with --from"
            raise InputError(display_text(str(folder)), f"{display_text(path)} is not there with its {size} bytes", fix)
        if place != inside:
            places[path] = os.path.abspath(place)
    return file.lying_at(places)


def _at_source(documents: ShardFiles, source: Path) -> dict[str, list[str]]:
    """Return the places at the source where each member may be, by its path below the shard's folder."""
    members = open_published_shard(documents).members
    return {
        PAYLOAD + path: [os.path.join(source, os.fsdecode(found)) for found in paths]
        for path, paths in zip(members["path"].to_pylist(), source_paths(members), strict=True)
    }


def _has(place: str, size: int) -> bool:
    """Say whether a file of this size is there."""
    try:
        return os.stat(place).st_size == size and os.path.isfile(place)
    except (OSError, ValueError):
        return False
