"""Torrents made by libtorrent from bytes or a folder: the second opinion on what we assemble and parse."""

from pathlib import Path
from typing import Any

import libtorrent as lt

FLAGS = {"hybrid": 0, "v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only}


def pattern(size: int) -> bytes:
    """Bytes that no block repeats by accident: i % 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def made_of_data(folder: Path, name: str, data: bytes, piece_length: int, version: str) -> dict[bytes, Any]:
    """The metainfo of one file, without its creation date."""
    (folder / name).write_bytes(data)
    files = [lt.create_file_entry(name, len(data))]
    return _generated(files, folder, piece_length, version)


def made_of_folder(folder: Path, piece_length: int, version: str) -> dict[bytes, Any]:
    """The metainfo of a folder's files, pad files where hybrid, without its creation date."""
    return _generated(lt.list_files(str(folder)), folder.parent, piece_length, version)


def _generated(files: Any, folder: Path, piece_length: int, version: str) -> dict[bytes, Any]:
    creator = lt.create_torrent(files, piece_length, FLAGS[version])
    lt.set_piece_hashes(creator, str(folder))
    metainfo: dict[bytes, Any] = creator.generate()
    del metainfo[b"creation date"]
    if version == "v1":
        metainfo.pop(b"piece layers", None)  # libtorrent leaves an empty one in a multi-file v1 torrent
    return metainfo
