"""Fetch the published documents of shards into a temporary folder, check them, and then move them into place.

A document that does not match the release is refused before the state changes.
"""

from collections.abc import Iterable
from pathlib import Path

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.shards.folder_layout import TAG_FILES
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.files.write_errors import write_error
from packager.engine.published.open_release import check_listed, check_listed_manifest
from packager.engine.published.release_reader import ReleaseReader
from packager.errors import InputError, TrustError
from packager.mirror.context import RunContext
from packager.mirror.state import MirrorFolder
from packager.model import PublishedFile, ReleaseShard
from packager.paths import display_text

_DO_NOT = "do not use it; ask the publisher through another channel what is right"


def fetch_documents(
    folder: MirrorFolder, source: ReleaseReader, shards: Iterable[ReleaseShard], around: RunContext
) -> list[Path]:
    """Fetch the shards' missing or changed documents into folder.incoming; return their paths.

    Memory: the largest manifest or torrent. Raises TrustError if one differs from the release, or is the torrent or
    manifest of another shard, and KeyboardInterrupt if the user stops the run.
    """
    wanted = [(shard, [file for file in shard.documents if not _is_here(folder, file)]) for shard in shards]
    wanted = [(shard, files) for shard, files in wanted if files]
    paths: list[Path] = []
    around.progress.begin("Fetching", len(wanted), "shard")
    for shard, files in wanted:
        if around.stop():
            raise KeyboardInterrupt
        for file in files:
            if file in (
                shard.members_table,
                shard.members_tsv,
            ):  # up to 1 GiB each
                with atomic_files.replace_file(folder.incoming / file.path, file.size) as table:
                    source.save_listed(file, table)
                paths.append(Path(file.path))
                continue
            data = source.read_listed(file)
            if file is shard.torrent:
                check_torrent(data, shard, shard.infohash_v1, shard.infohash_v2)
            elif file is shard.twin_torrent:
                check_torrent(data, shard, shard.twin_infohash, None)
            elif file is shard.manifest:
                check_listed_manifest(data, shard)
            atomic_files.write_bytes(folder.incoming / file.path, data)
            paths.append(Path(file.path))
        around.progress.advance(1)
    around.progress.end()
    return paths


def read_torrent(folder: MirrorFolder, source: ReleaseReader | None, shard: ReleaseShard) -> bytes | None:
    """Return a shard's .torrent from this folder, or else from `source`; None if neither has it.

    Raises TrustError like `fetch_documents`.
    """
    if _is_here(folder, shard.torrent):
        return read_limited(folder.document(shard.torrent), bencode.LIMIT)
    if source is None:
        return None
    torrent = source.read_listed(shard.torrent)
    check_torrent(torrent, shard, shard.infohash_v1, shard.infohash_v2)
    return torrent


def _is_here(folder: MirrorFolder, file: PublishedFile) -> bool:
    """Return whether the folder has a document as the release lists it.

    A later release may list another: trackers change the torrent, and withdrawals change manifest and table.
    """
    try:
        check_listed(folder.document(file), file)
    except (InputError, TrustError):
        return False
    return True


def place(folder: MirrorFolder, paths: Iterable[Path]) -> None:
    """Move fetched documents to their final paths, durably."""
    parents = set()
    for path in paths:
        to = folder.release / path
        parents.add(atomic_files.make_folder(to.parent))
        try:
            (folder.incoming / path).replace(to)
        except OSError as error:
            raise write_error(error, to) from error
    for parent in parents:
        atomic_files.fsync_folder(parent)


def check_torrent(data: bytes, shard: ReleaseShard, v1: str | None, v2: str | None) -> None:
    """Raise TrustError if a .torrent does not have the shard's infohashes, in hex, or its files."""
    where = display_text(shard.torrent.path)
    try:
        metainfo = parse_torrent.parse_torrent(data, where)
    except InputError as error:
        raise TrustError(where, error.what, _DO_NOT) from error
    found = tuple(digest.hex() if digest else None for digest in (metainfo.infohash_v1, metainfo.infohash_v2))
    if found != (v1, v2):
        raise TrustError(where, f"swapped torrent: its infohashes are not those of {shard.name}", _DO_NOT)
    files = [file for file in metainfo.files if not file.pad]
    whole = sum(file.length for file in files)
    if shard.container == "folder":
        good = (metainfo.name, len(files), whole) == (shard.file, shard.members + TAG_FILES, shard.size)
        if not good:
            what = f"swapped torrent: it does not contain the files of {shard.file}, {shard.size} bytes"
            raise TrustError(where, what, _DO_NOT)
    elif [(file.path, file.length) for file in files] != [((shard.file,), shard.size)]:
        what = f"swapped torrent: it does not contain the one file {shard.file} of {shard.size} bytes"
        raise TrustError(where, what, _DO_NOT)
