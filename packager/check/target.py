"""What a shard's tar should be, by its published documents or by its .torrent alone."""

from dataclasses import dataclass
from pathlib import Path

from packager import bencode, torrent_file
from packager.engine.limited import read_limited
from packager.engine.published import Published, find_documents, open_published
from packager.engine.remote import SharedFile
from packager.errors import InputError
from packager.paths import shown
from packager.piece_hashes import PieceHashes
from packager.torrent_file import Metainfo


@dataclass(frozen=True)
class Target:
    """A tar as it was published. published: None where only the .torrent is known, which names no member."""

    file: SharedFile
    pieces: PieceHashes
    published: Published | None


def open_target(tar: Path, *, release: Path | None, manifest: Path | None, torrent: Path | None) -> Target:
    """Return what the tar at `tar` should be.

    torrent: a .torrent that is enough alone; otherwise the documents are found as find_documents tells.
    Raises InputError for documents that are not there or broken, TrustError where they disagree.
    """
    if torrent is not None:
        data = read_limited(torrent, bencode.LIMIT)
        metainfo = torrent_file.parse(data, torrent)
        if len(metainfo.files) != 1 or len(metainfo.files[0].path) != 1:
            raise InputError(
                shown(str(torrent)), "is of a folder, and a shard is one file", "give the shard's .torrent"
            )
        return Target(SharedFile(data, metainfo), _pieces(metainfo), None)
    documents = find_documents(tar, release, manifest)
    published = open_published(documents)
    shared = SharedFile(read_limited(documents.torrent, bencode.LIMIT), published.metainfo)
    return Target(shared, published.pieces, published)


def _pieces(metainfo: Metainfo) -> PieceHashes:
    """Return the hashes of a torrent's one file."""
    file = metainfo.files[0]
    return PieceHashes(
        size=file.length,
        piece_length=metainfo.piece_length,
        pieces_root=file.pieces_root,
        layer=metainfo.layers.get(file.pieces_root, b"") if file.pieces_root else b"",
        pieces=metainfo.pieces,
    )
