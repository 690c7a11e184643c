"""Seeds a shard that is kept as files, from the shard's folder and the collection's folder."""

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
    """Return whether a folder is a shard that is kept as files: it has the last tag file of a bag."""
    return (path / TAGMANIFEST).is_file()


def folders_in(path: Path) -> Iterator[Path]:
    """Yield the shards' folders in a folder, by name, if their documents are found."""
    for inner in sorted(path.iterdir()):
        if not inner.name.startswith(".") and is_shards_folder(inner) and find_nearby_documents(inner):
            yield inner


def shared_folder(folder: Path, torrent: Path, documents: ShardFiles | None, source: Path | None) -> FolderTorrent:
    """Return a folder's torrent, with the paths of files that are not in the folder.

    documents: contain the members' paths in `source`, the collection's folder. Without either, every file must be in
    the shard's folder. Raises InputError for the first file that is missing or has a wrong size.
    """
    file = open_folder_torrent(torrent)
    at_source = _at_source(documents, source) if documents and source else {}
    places: dict[str, str] = {}
    for path, size in file.files():
        inside = os.path.join(folder, path)
        place = next((place for place in (inside, *at_source.get(path, ())) if _has(place, size)), None)
        if place is None:
            fix = "verify the folder, or name the collection's folder with --from"
            what = f"{display_text(path)} is missing or does not have {size} bytes"
            raise InputError(display_text(str(folder)), what, fix)
        if place != inside:
            places[path] = os.path.abspath(place)
    return file.lying_at(places)


def _at_source(documents: ShardFiles, source: Path) -> dict[str, list[str]]:
    """Return the possible paths of each member in the source, by its path below the shard's folder."""
    members = open_published_shard(documents).members
    return {
        PAYLOAD + path: [os.path.join(source, os.fsdecode(found)) for found in paths]
        for path, paths in zip(members["path"].to_pylist(), source_paths(members), strict=True)
    }


def _has(place: str, size: int) -> bool:
    """Return whether a file exists with this size."""
    try:
        return os.stat(place).st_size == size and os.path.isfile(place)
    except (OSError, ValueError):
        return False
