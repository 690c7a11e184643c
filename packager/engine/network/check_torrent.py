"""The door to torf, and the check of a .torrent by others' programs before it is published."""

import torf

from packager.core.bittorrent.parse_torrent import parse_torrent
from packager.engine.network.libtorrent_door import MissingLibtorrentError, is_installed
from packager.engine.network.libtorrent_session import LoadedTorrent, read_with_libtorrent
from packager.errors import InputError, TrustError
from packager.progress import Progress


def check_torrent(
    data: bytes, *, infohash_v1: bytes | None, infohash_v2: bytes | None, size: int, where: object
) -> None:
    """Check that a .torrent's bytes mean to libtorrent and torf what they mean to us.

    libtorrent must load them and find these infohashes (20 and 32 bytes; None: not of that version) and
    `size` bytes; where it is not installed, our own reader must. torf must find them valid and the v1 infohash the
    same. torf 4.3 knows BEP 3 alone: it reads a hybrid as v1 and has no reading of a v2-only torrent.

    Raises TrustError.
    """
    reader = "libtorrent"
    try:
        loaded = read_with_libtorrent(data, where)
    except MissingLibtorrentError:
        reader, loaded = "packager", _read_by_ourselves(data, where)
    except InputError as error:
        raise TrustError(where, error.what) from error
    for version, ours, theirs in (
        ("v1", infohash_v1, loaded.infohash_v1),
        ("v2", infohash_v2, loaded.infohash_v2),
    ):
        if ours != theirs:
            raise TrustError(where, f"its {version} infohash is {_hex(ours)}, and {_hex(theirs)} to {reader}")
    if loaded.size != size:
        raise TrustError(where, f"it is of {size} bytes, and of {loaded.size} to {reader}")
    if infohash_v1 is not None:
        _check_by_torf(data, infohash_v1, where)


def note_missing_check(progress: Progress) -> None:
    """Say so where libtorrent was not there to check the .torrent files."""
    if not is_installed():
        progress.note(
            "libtorrent is not installed: .torrent files were checked by torf (their v1 part) and by packager itself"
        )


def _read_by_ourselves(data: bytes, where: object) -> LoadedTorrent:
    """Return what our own reader finds in a .torrent's bytes. Raises TrustError if it refuses them."""
    try:
        found = parse_torrent(data, where)
    except InputError as error:
        raise TrustError(where, error.what) from error
    size = sum(file.length for file in found.files if not file.pad)
    return LoadedTorrent(found.infohash_v1, found.infohash_v2, size, found.piece_length)


def _check_by_torf(data: bytes, infohash_v1: bytes, where: object) -> None:
    """Check that torf validates a v1 or hybrid .torrent and finds the same v1 infohash."""
    try:
        found = torf.Torrent.read_stream(data, validate=True).infohash
    except torf.TorfError as error:
        raise TrustError(where, f"torf refuses the .torrent: {error}") from error
    if found != infohash_v1.hex():
        raise TrustError(where, f"its v1 infohash is {infohash_v1.hex()}, and {found} to torf")


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest is not None else "none"
