"""The door to libtorrent, by magnet link: what describes a file comes from its peers (BEP 9), then its pieces."""

import time
from collections.abc import Sequence
from pathlib import Path

import libtorrent as lt

from packager.engine.files.range_readers import Range
from packager.engine.network.libtorrent_session import PeerOptions, PieceDownload
from packager.engine.network.resolver import permitted_urls
from packager.errors import IncompleteError
from packager.model import Infohash
from packager.paths import display_text
from packager.units import format_seconds

_ASIDE = 16 << 20  # bytes of a description that peers may send: the info dictionary


def refused_link(link: str) -> str | None:
    """Return why libtorrent refuses a magnet link, None where it takes it. Nothing is fetched."""
    try:
        lt.parse_magnet_uri(link)
    except (RuntimeError, UnicodeEncodeError) as error:
        return str(error) if isinstance(error, RuntimeError) else "it is not UTF-8"
    return None


class MagnetDownload(PieceDownload):
    """Given ranges of the one file that infohashes name, from its swarm; a context manager as PieceFetch is."""

    def __init__(
        self,
        infohashes: tuple[Infohash | None, Infohash | None],
        ranges: Sequence[Range],
        scratch: Path,
        *,
        size: int,
        reach: PeerOptions,
        peers: Sequence[tuple[str, int]],
        trackers: Sequence[str],
        seconds: float,
        where: str,
    ) -> None:
        """Say which ranges of a file of `size` bytes are wanted, by its infohashes v1 and v2 in hex."""
        topics = [f"xt=urn:btih:{infohashes[0]}"] if infohashes[0] else []
        topics += [f"xt=urn:btmh:1220{infohashes[1]}"] if infohashes[1] else []
        params = lt.parse_magnet_uri("magnet:?" + "&".join(topics))
        params.save_path = str(scratch)
        flags = lt.torrent_flags
        params.flags = (flags.default_flags & ~flags.auto_managed & ~flags.paused) | flags.default_dont_download
        params.peers = list(peers)
        kept = permitted_urls(trackers, reach.allowed)
        params.trackers, params.tracker_tiers = kept, [0] * len(kept)
        self._ranges, self._size = ranges, size
        self.piece_length = 0  # bytes; known once it is entered
        self._expect(_ASIDE)
        self._prepare(params, scratch, reach=reach, seconds=seconds, where=where)
        # until pieces are chosen we want none, and libtorrent would leave seeds as of no use to each other
        self._session.apply_settings({"close_redundant_connections": False})

    def __enter__(self) -> "MagnetDownload":
        """Learn what the file is, and begin to fetch. Raises IncompleteError where no peer tells, or tells another."""
        super().__enter__()
        try:
            self._choose(self._described())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _described(self) -> lt.torrent_info:
        """Return what peers say of the torrent; libtorrent held it against the infohash."""
        end = time.monotonic() + self._seconds
        while not self._handle.status().has_metadata:
            self._take_alerts()
            if time.monotonic() > end:
                what = f"no peer told in {format_seconds(self._seconds)} what the torrent holds"
                raise IncompleteError(self._where, what, "try again later, or name a peer with --peer")
        info = self._handle.torrent_file()
        assert info is not None
        return info

    def _choose(self, info: lt.torrent_info) -> None:
        """Ask for the pieces that the ranges touch."""
        if info.total_size() < self._size or info.num_pieces() < 1:
            what = f"the torrent has {info.total_size()} bytes, and the link says {self._size}"
            raise IncompleteError(display_text(self._where), what, "ask for a right link")
        self.piece_length = info.piece_length()
        wanted = {
            piece
            for start, stop in self._ranges
            for piece in range(start // self.piece_length, -(-stop // self.piece_length))
        }
        if max(wanted, default=0) >= info.num_pieces():
            raise IncompleteError(
                display_text(self._where), "the link names bytes beyond the torrent's end", "ask for a right link"
            )
        self._expect(len(wanted) * self.piece_length)
        self._handle.prioritize_pieces([4 if at in wanted else 0 for at in range(info.num_pieces())])
        self._moved = time.monotonic()
