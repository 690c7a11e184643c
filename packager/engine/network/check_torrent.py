"""The door to torf, and the check of a .torrent by others' programs before it is published."""

import torf

from packager.engine.network import libtorrent_session
from packager.errors import InputError, TrustError


def check_torrent(
    data: bytes, *, infohash_v1: bytes | None, infohash_v2: bytes | None, size: int, where: object
) -> None:
    """Check that a .torrent's bytes mean to libtorrent and torf what they mean to us.

    libtorrent must load them and find these infohashes (20 and 32 bytes; None: not of that version) and
    `size` bytes; torf must find them valid and the v1 infohash the same. torf 4.3 knows BEP 3 alone: it reads
    a hybrid as v1 and has no reading of a v2-only torrent, which is left to libtorrent. Raises TrustError.
    """
    try:
        loaded = libtorrent_session.read_with_libtorrent(data, where)
    except InputError as error:
        raise TrustError(where, error.what) from error
    for version, ours, theirs in (
        ("v1", infohash_v1, loaded.infohash_v1),
        ("v2", infohash_v2, loaded.infohash_v2),
    ):
        if ours != theirs:
            raise TrustError(where, f"its {version} infohash is {_hex(ours)}, and {_hex(theirs)} to libtorrent")
    if loaded.size != size:
        raise TrustError(where, f"it is of {size} bytes, and of {loaded.size} to libtorrent")
    if infohash_v1 is not None:
        _check_by_torf(data, infohash_v1, where)


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
