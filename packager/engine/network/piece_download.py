"""Ranges of one torrent fetched from its swarm, by its .torrent, or by a magnet link and what peers say of it (BEP 9).

libtorrent checks each piece by its hashes; the caller checks it again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from packager.engine.files import atomic_files
from packager.engine.files.range_readers import Range
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.libtorrent_door import lt
from packager.engine.network.libtorrent_session import next_alerts, open_session, torrent_parameters
from packager.engine.network.resolver import permitted_urls
from packager.errors import IncompleteError
from packager.model import Infohash
from packager.paths import display_text
from packager.units import format_seconds, format_size

_POLL_SECONDS = 0.2
_READ_SECONDS = 60
_WASTE = 64 << 20  # bytes of wrong blocks that are borne, beside as many as were wanted
_ASIDE = 16 << 20  # bytes of a description that peers may send: the info dictionary
_NORMAL = 4  # a piece's priority


class PieceDownload:
    """The pieces of one torrent that ranges touch, from its swarm; a context manager that leaves nothing on disk.

    Fetched pieces are stored in `scratch`, which is made and removed.
    """

    def __init__(
        self,
        torrent: bytes | tuple[Infohash | None, Infohash | None],
        ranges: Sequence[Range],
        scratch: Path,
        *,
        size: int = 0,
        reach: PeerOptions,
        peers: Sequence[tuple[str, int]],
        trackers: Sequence[str],
        seconds: float,
        where: str,
    ) -> None:
        """Say which ranges are wanted of a .torrent's bytes, or of the one file that infohashes v1 and v2 name.

        size: minimum bytes of the file of a link. peers: (IP address, port) to connect to. trackers: the only ones to
        tell. seconds: without a byte from any peer, then the swarm is given up. where: what messages call the torrent.
        """
        if isinstance(torrent, bytes):
            self._params = torrent_parameters(torrent, scratch, trackers, where, reach=reach)
        else:
            self._params = _magnet_parameters(torrent, scratch, permitted_urls(trackers, reach.allowed))
        self._params.peers = list(peers)
        self._ranges, self._scratch, self._size, self._seconds, self._where = ranges, scratch, size, seconds, where
        # until pieces are chosen we want none, and libtorrent would leave seeds as of no use to each other
        settings: lt.settings_pack = {} if self._params.ti else {"close_redundant_connections": False}
        kinds = lt.alert.category_t
        alerts = kinds.error_notification | kinds.status_notification
        alerts |= kinds.piece_progress_notification | kinds.storage_notification
        self._session = open_session(reach, alerts, [address for address, _ in peers], settings)
        self._done: set[int] = set()
        self._most = _ASIDE  # bytes that peers may send
        self.received = 0  # bytes of blocks that peers sent
        self.piece_length = 0  # bytes; known once it is entered

    def __enter__(self) -> PieceDownload:
        """Learn what the torrent is, and start to fetch.

        Raises IncompleteError if the scratch folder cannot be made, no peer describes the torrent, or it is another.
        """
        atomic_files.remove_tree(self._scratch)  # what a killed run left
        atomic_files.make_folder(self._scratch)
        info = self._params.ti
        if info is not None:
            self._params.piece_priorities = self._choose(info)
        self._handle = self._session.add_torrent(self._params)
        try:
            if info is None:
                self._handle.prioritize_pieces(self._choose(self._described()))
        except BaseException:
            self.__exit__()
            raise
        self._moved = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the swarm, and remove the scratch folder."""
        self._session.remove_torrent(self._handle)
        del self._handle, self._session  # libtorrent ends here, and lets go of the files
        atomic_files.remove_tree(self._scratch)

    def _described(self) -> lt.torrent_info:
        """Return what peers say of the torrent; libtorrent compared it with the infohash."""
        end = time.monotonic() + self._seconds
        while not self._handle.status().has_metadata:
            self._take_alerts()
            if time.monotonic() > end:
                what = f"no peer told in {format_seconds(self._seconds)} what the torrent holds"
                raise IncompleteError(self._where, what, "try again later, or name a peer with --peer")
        info = self._handle.torrent_file()
        assert info is not None
        what = ""
        if info.total_size() < self._size or info.num_pieces() < 1:
            what = f"the torrent has {info.total_size()} bytes, and the link says {self._size}"
        elif max(stop for _, stop in self._ranges) > info.num_pieces() * info.piece_length():
            what = "the link names bytes beyond the torrent's end"
        if what:
            raise IncompleteError(display_text(self._where), what, "ask for a right link")
        return info

    def _choose(self, info: lt.torrent_info) -> list[int]:
        """Return the priority of each piece: those that the ranges touch are wanted."""
        self.piece_length = info.piece_length()
        wanted = {piece for each in self._ranges for piece in touched_pieces(each, self.piece_length)}
        self._most = 2 * len(wanted) * self.piece_length + _WASTE
        return [_NORMAL if at in wanted else 0 for at in range(info.num_pieces())]

    def piece(self, number: int) -> bytes:
        """Return the bytes of a wanted piece when it has come; the others go on coming meanwhile.

        Raises IncompleteError if nothing comes any more, or the disk fails.
        """
        while number not in self._done:
            self._watch()
            self._take_alerts()
        self._handle.read_piece(number)
        end = time.monotonic() + _READ_SECONDS
        while time.monotonic() < end:
            for alert in self._take_alerts():
                if isinstance(alert, lt.read_piece_alert) and alert.piece == number:
                    if alert.error.value():
                        raise IncompleteError(self._where, f"piece {number} cannot be read: {alert.error.message()}")
                    return bytes(alert.buffer)
        raise IncompleteError(self._where, f"piece {number} was not read from the scratch folder in time")

    def _take_alerts(self) -> list[lt.alert]:
        """Return what libtorrent says next, noting pieces that came. Raises IncompleteError for a failure."""
        alerts = next_alerts(self._session, _POLL_SECONDS)
        for alert in alerts:
            if isinstance(alert, lt.piece_finished_alert):
                self._done.add(alert.piece_index)
            elif isinstance(alert, lt.file_error_alert | lt.torrent_error_alert):
                raise IncompleteError(self._where, f"libtorrent stopped: {display_text(alert.message())}", "make room")
        return alerts

    def _watch(self) -> None:
        """Raise IncompleteError if no peer sends, or peers send far more than the wanted pieces have."""
        status = self._handle.status()
        now, received = time.monotonic(), status.total_payload_download
        if received > self.received:
            self._moved, self.received = now, received
        if received > self._most:
            raise IncompleteError(
                self._where, f"peers sent {format_size(received)}, and not the pieces that are wanted"
            )
        if now - self._moved > self._seconds:
            what = (
                f"nothing came from the swarm in {format_seconds(self._seconds)} ({status.num_peers} peers connected)"
            )
            raise IncompleteError(self._where, what, "try again later, or name a peer with --peer")


def _magnet_parameters(
    infohashes: tuple[Infohash | None, Infohash | None], scratch: Path, trackers: Sequence[str]
) -> lt.add_torrent_params:
    """Return what adds a torrent of which only its infohashes in hex are known, and fetches no piece yet."""
    topics = [f"xt=urn:btih:{infohashes[0]}"] if infohashes[0] else []
    topics += [f"xt=urn:btmh:1220{infohashes[1]}"] if infohashes[1] else []
    params = lt.parse_magnet_uri("magnet:?" + "&".join(topics))
    flags = lt.torrent_flags
    params.flags = (flags.default_flags & ~flags.auto_managed & ~flags.paused) | flags.default_dont_download
    params.save_path = str(scratch)
    params.trackers, params.tracker_tiers = list(trackers), [0] * len(trackers)
    return params


def touched_pieces(wanted: Range, piece_length: int) -> range:
    """Return the pieces that a range touches."""
    return range(wanted[0] // piece_length, -(-wanted[1] // piece_length))
