"""Verify the data of any .torrent: one file or a folder, v1, v2 or hybrid, without pad files (BEP 47)."""

import os
from dataclasses import replace
from pathlib import Path

from packager.check.targets.find_files import FoundFile, SafeFolder, find_place
from packager.check.targets.target import Inventory, VerifyTarget, joined_stream, one_stream
from packager.core.bittorrent import bencode, parse_torrent
from packager.core.bittorrent.parse_file_list import ListedFile
from packager.core.bittorrent.parse_torrent import Metainfo
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.config.store_url import StoreUrl
from packager.core.reports.evidence import Evidence
from packager.core.reports.faults import NOTHING, ExpectedStream, file_extents
from packager.engine.files.limited_read import read_limited
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.paths import display_text


def torrent_target(path: Place, torrent: Path) -> VerifyTarget:
    """Return the target for a .torrent's data.

    path: the data's file or folder, or the folder that contains it under the torrent's name; in a store, the file or
    the folder that contains it. Raises InputError if the .torrent is broken or its data is not there.
    """
    metainfo = parse_torrent.parse_torrent(read_limited(torrent, bencode.LIMIT), display_text(str(torrent)))
    data = _place(path, metainfo, torrent)
    if metainfo.version == "v1":
        count = len(metainfo.pieces) // 20
    else:
        count = sum(-(-file.length // metainfo.piece_length) for file in metainfo.files if not file.pad)
    return VerifyTarget(
        path=data,
        kind="torrent",
        checked_against=display_text(str(torrent)),
        evidence=Evidence(kind="torrent", name=display_text(str(torrent))),
        size=sum(file.length for file in metainfo.files if not file.pad),
        pieces=count,
        look=lambda: find_torrent_files(data, metainfo),
    )


def _place(path: Place, metainfo: Metainfo, torrent: Path) -> Place:
    """Return the data's file, or the folder that contains the files' paths without the torrent's name."""
    one = _is_single(metainfo)
    if isinstance(path, StoreUrl):
        if not one:
            what = f"is in a store, but {display_text(torrent.name)} describes a folder"
            raise InputError(display_text(str(path)), what, "copy the folder here")
        is_file = path.path.endswith(".tar") or path.parted()[1] == metainfo.name
        return path if is_file else replace(path, path=path.below(metainfo.name))
    below = path / os.fsdecode(os.fsencode(metainfo.name))
    if path.is_dir() and (below.is_file() if one else below.is_dir()):
        return below
    if one and path.is_dir():
        what = f'does not contain the file "{display_text(metainfo.name)}" of {display_text(torrent.name)}'
        raise InputError(display_text(str(path)), what, "name the file itself if it has another name")
    if not one and not path.is_dir():
        raise InputError(display_text(str(path)), f"not a folder, but {display_text(torrent.name)} describes a folder")
    return path


def _is_single(metainfo: Metainfo) -> bool:
    """Return whether a torrent is of one file that is not in a folder."""
    return len(metainfo.files) == 1 and len(metainfo.files[0].path) == 1


def find_torrent_files(data: Place, metainfo: Metainfo) -> Inventory:
    """Return the inventory of a torrent's files; data: its file, or the folder that contains them."""
    folder = SafeFolder(data) if isinstance(data, Path) and not _is_single(metainfo) else None

    def find(file: ListedFile) -> FoundFile:
        if folder is None:
            return find_place(data, file.length)
        return folder.find(os.fsencode("/".join(file.path[1:])), file.length)

    if metainfo.version == "v1":
        return _joined(data, metainfo, [None if file.pad else find(file) for file in metainfo.files])
    looks = [one_stream(find(file), _known(file, metainfo)) for file in metainfo.files if not file.pad]
    return Inventory(
        faults=[fault for look in looks for fault in look.faults],
        streams=[stream for look in looks for stream in look.streams],
    )


def _known(file: ListedFile, metainfo: Metainfo) -> ExpectedStream:
    """Return the expected hashes of one file of a v2 or hybrid torrent."""
    layer = metainfo.layers.get(file.pieces_root, b"") if file.pieces_root else b""
    pieces = PieceHashes(file.length, metainfo.piece_length, file.pieces_root, layer, b"")
    return ExpectedStream(pieces, NOTHING)


def _joined(data: Place, metainfo: Metainfo, found: list[FoundFile | None]) -> Inventory:
    """Return the inventory of a v1 torrent; its pieces can span several files."""
    files = metainfo.files
    size = files[-1].offset + files[-1].length
    pieces = PieceHashes(size, metainfo.piece_length, None, b"", metainfo.pieces)
    if len(files) == 1 and found[0] is not None:
        return one_stream(found[0], ExpectedStream(pieces, NOTHING))
    real = [file for file in files if not file.pad]
    names = ["/".join(display_text(name) for name in file.path[1:]) for file in real]
    extents = file_extents(names, [file.offset for file in real], [file.length for file in real])
    return joined_stream(bytes(data), found, [file.length for file in files], ExpectedStream(pieces, extents))
