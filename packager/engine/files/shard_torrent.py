"""A shard's .torrent: its bytes, what they say, and the hashes of its one file; or of a folder, and where that lies."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from packager.core.bittorrent import bencode, parse_torrent
from packager.core.bittorrent.file_offsets import FileOffsets, NamedFiles
from packager.core.bittorrent.parse_torrent import Metainfo
from packager.core.bittorrent.piece_hashes import PieceHashes, folder_hashes
from packager.engine.files.joined_files import FileRange
from packager.engine.files.limited_read import read_limited
from packager.errors import InputError
from packager.paths import display_text


@dataclass(frozen=True)
class ShardTorrent:
    """The one file of a torrent: the .torrent's bytes, and what they say."""

    torrent: bytes
    metainfo: Metainfo

    @property
    def name(self) -> str:
        """The file's name."""
        return self.metainfo.files[0].path[-1]

    @property
    def size(self) -> int:
        """The file's bytes."""
        return self.metainfo.files[0].length

    def ranges(self, path: Path, start: int, stop: int) -> Iterator[FileRange]:
        """Yield the ranges of files that bytes [start, stop) of the stream are. path: of the file or folder."""
        yield FileRange(os.fsencode(path), start, stop - start)

    @cached_property
    def pieces(self) -> PieceHashes:
        """The hashes of the file."""
        root = self.metainfo.files[0].pieces_root
        return PieceHashes(
            size=self.size,
            piece_length=self.metainfo.piece_length,
            pieces_root=root,
            layer=self.metainfo.layers.get(root, b"") if root else b"",
            pieces=self.metainfo.pieces,
        )


@dataclass(frozen=True)
class FolderTorrent(ShardTorrent):
    """A torrent of a folder. places: absolute paths of files that do not lie in it, by their paths below it."""

    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.metainfo.name

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(size for _, size in self.files())

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield (path below the folder, bytes) of each file."""
        return zip(self.named.paths, self.named.space.sizes.tolist(), strict=True)

    @cached_property
    def named(self) -> NamedFiles:
        """The files as they lie in the stream that the pieces cut."""
        told = [file for file in self.metainfo.files if not file.pad]
        last = self.metainfo.files[-1]
        end = last.offset + last.length
        length = self.metainfo.piece_length
        if self.metainfo.version == "v2" and len(told) > 1:  # the zeros are in no list
            end = -(-end // length) * length
        sizes, starts = (np.array([getattr(file, name) for file in told], np.int64) for name in ("length", "offset"))
        pads = np.append(starts[1:], end) - starts - sizes
        return NamedFiles(["/".join(file.path[1:]) for file in told], FileOffsets(sizes, starts, pads, end, length))

    @cached_property
    def pieces(self) -> PieceHashes:
        """The hashes of the stream."""
        layers = self.metainfo.layers
        told = (file for file in self.metainfo.files if not file.pad)
        trees = [(file.pieces_root, layers.get(file.pieces_root, b"") if file.pieces_root else b"") for file in told]
        return folder_hashes(self.named.space, trees, self.metainfo.pieces)

    def ranges(self, path: Path, start: int, stop: int) -> Iterator[FileRange]:
        """Yield the ranges of files that bytes [start, stop) of the stream are. path: of the file or folder."""
        for name, at, length in self.named.parts(start, stop):
            yield FileRange(None if name is None else os.fsencode(self.place(path, name)), at, length)

    def place(self, folder: Path, path: str) -> str:
        """Return where a file lies."""
        return self.places.get(path) or os.path.join(folder, path)

    def lying_at(self, places: Mapping[str, str]) -> "FolderTorrent":
        """Return it with other places."""
        return replace(self, places=places)


def open_folder_torrent(torrent: Path) -> FolderTorrent:
    """Read a .torrent of a folder. Raises InputError if it is broken, or of a file."""
    data = read_limited(torrent, bencode.LIMIT)
    metainfo = parse_torrent.parse_torrent(data, torrent)
    if any(len(file.path) < 2 for file in metainfo.files):
        raise InputError(display_text(str(torrent)), "is of a file, and not of a folder")
    return FolderTorrent(data, metainfo)


def open_torrent(torrent: Path) -> ShardTorrent:
    """Read a .torrent of a file or of a folder. Raises InputError if it is broken."""
    data = read_limited(torrent, bencode.LIMIT)
    metainfo = parse_torrent.parse_torrent(data, torrent)
    return (FolderTorrent if len(metainfo.files[0].path) > 1 else ShardTorrent)(data, metainfo)


def open_shard_torrent(torrent: Path) -> ShardTorrent:
    """Read a .torrent of one file. Raises InputError if it is broken, or of a folder."""
    data = read_limited(torrent, bencode.LIMIT)
    metainfo = parse_torrent.parse_torrent(data, torrent)
    if len(metainfo.files) != 1 or len(metainfo.files[0].path) != 1:
        what = "is of a folder: its shard is kept as files, and this works on tars"
        fix = "a torrent client checks such a folder, and fetches what is bad or missing in it"
        raise InputError(display_text(str(torrent)), what, fix)
    return ShardTorrent(data, metainfo)
