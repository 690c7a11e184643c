"""A .torrent of one file, as every shard's is: its bytes, what they say, and the hashes of the file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packager import bencode, torrent_file
from packager.engine.limited import read_limited
from packager.errors import InputError
from packager.paths import shown
from packager.piece_hashes import PieceHashes
from packager.torrent_file import Metainfo


@dataclass(frozen=True)
class SharedFile:
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


def open_shared(torrent: Path) -> SharedFile:
    """Read a .torrent of one file. Raises InputError where it is broken, or of a folder."""
    data = read_limited(torrent, bencode.LIMIT)
    metainfo = torrent_file.parse(data, torrent)
    if len(metainfo.files) != 1 or len(metainfo.files[0].path) != 1:
        raise InputError(shown(str(torrent)), "is of a folder, and a shard is one file", "give the shard's .torrent")
    return SharedFile(data, metainfo)
