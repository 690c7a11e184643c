"""The door to libtorrent: what it makes of a .torrent. It is the client that a release must satisfy."""

from dataclasses import dataclass

import libtorrent as lt

from packager.errors import InputError


@dataclass(frozen=True)
class Loaded:
    """What libtorrent read in a .torrent; sizes in bytes, `size` without pad files; None for a version it lacks."""

    infohash_v1: bytes | None
    infohash_v2: bytes | None
    size: int
    piece_length: int


def load(data: bytes, where: object) -> Loaded:
    """Return what libtorrent reads in a .torrent's bytes. Raises InputError with its words where it refuses them."""
    try:
        found = lt.load_torrent_buffer(data)
    except RuntimeError as error:  # all that its binding raises for a bad .torrent
        raise InputError(where, f"libtorrent refuses the .torrent: {error}") from error
    hashes, torrent = found.info_hashes, found.ti
    assert torrent is not None
    # files() is deprecated in libtorrent 2.1 and layout() is missing in 2.0.
    files = torrent.layout() if hasattr(torrent, "layout") else torrent.files()
    pad = lt.file_storage.flag_pad_file  # a v2 torrent's list ends with one even for a single file
    return Loaded(
        infohash_v1=hashes.v1.to_bytes() if hashes.has_v1() else None,
        infohash_v2=hashes.v2.to_bytes() if hashes.has_v2() else None,
        size=sum(files.file_size(at) for at in range(files.num_files()) if not files.file_flags(at) & pad),
        piece_length=torrent.piece_length(),
    )
