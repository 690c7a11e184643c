"""The door to libtorrent, second leaf: files fetched from a swarm and web seeds, then shared with it.

libtorrent checks every piece before it counts. A file comes under a partial name beside its own and gets
its own when every piece of it was found right, so a whole name is never on an unfinished file of ours.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import libtorrent as lt

from packager.engine.files import atomic_files
from packager.engine.files.locked_file import is_at
from packager.engine.network.libtorrent_session import PeerOptions, error_text, open_session, torrent_parameters
from packager.engine.network.resolver import permitted_urls
from packager.errors import InputError
from packager.model import ShardName
from packager.paths import display_text

State: TypeAlias = Literal["checking", "downloading", "seeding", "failed"]

_CATEGORIES = lt.alert.category_t
_ALERTS = _CATEGORIES.error_notification | _CATEGORIES.status_notification | _CATEGORIES.storage_notification


@dataclass(frozen=True)
class DownloadStatus:
    """How one torrent stands. share: of its bytes found right, 0 to 1. Counts are bytes of this session."""

    name: ShardName
    state: State
    share: float
    peers: int
    downloaded: int
    uploaded: int
    error: str = ""


@dataclass
class _Torrent:
    """A torrent of the session. at: where its file is now. asked: its own name was asked for.

    lock: a descriptor that holds the right to write the file while it has its partial name, else -1.
    """

    name: ShardName
    file: Path
    at: Path
    handle: lt.torrent_handle
    lock: int = -1
    asked: bool = False
    error: str = ""


class DownloadSession:
    """Files fetched and shared; a context manager."""

    def __init__(self, reach: PeerOptions, peers: Sequence[tuple[str, int]] = ()) -> None:
        """Meet peers as `reach` says, and these (IP address, port) beside those that trackers name."""
        self._reach, self._session = reach, open_session(reach, _ALERTS, [address for address, _ in peers])
        self._refused: list[InputError] = []
        # Peers turn away who was killed and comes back until they give up the old connection, a minute or so with
        # uTP; libtorrent's own 60 s and 3 tries would leave a lone peer until the tracker is asked again, half an
        # hour later.
        self._session.apply_settings({"min_reconnect_time": 5, "max_failcount": 20})
        if reach.address:  # each peer must know us by one address, whoever of the two connects
            self._session.apply_settings({"outgoing_interfaces": reach.address})
        self._peers = list(peers)
        self._torrents: list[_Torrent] = []

    def __enter__(self) -> "DownloadSession":
        """Open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the trackers and leave; libtorrent writes what it has and ends here."""
        for each in self._torrents:
            self._session.remove_torrent(each.handle)
        del self._session
        for each in self._torrents:
            if each.lock >= 0:
                if not os.fstat(each.lock).st_size and is_at(each.lock, atomic_files.partial_path(each.file)):
                    atomic_files.discard(each.file)
                os.close(each.lock)
        self._torrents.clear()

    def add(self, name: ShardName, torrent: bytes, file: Path, *, web_seeds: Sequence[str], proved: bool) -> None:
        """Fetch or share the one file of a .torrent, which goes to `file`.

        What lies there, or under its partial name, is read in full first and what is right of it kept, unless
        proved: it was found right before and did not change; then libtorrent checks a piece when a peer
        first asks for it. Raises InputError for a .torrent that libtorrent refuses, and while another process writes
        the file.
        """
        at = file if file.exists() else atomic_files.partial_path(file)
        params = torrent_parameters(torrent, file.parent, None, name, reach=self._reach, refused=self._refused)
        params.renamed_files = {0: at.name}
        params.url_seeds = permitted_urls(web_seeds, self._reach.allowed, self._refused)
        params.peers = list(self._peers)
        params.flags |= lt.torrent_flags.disable_lsd
        if proved:
            params.flags |= lt.torrent_flags.seed_mode
        lock = atomic_files.open_partial(file) if at != file else -1
        self._torrents.append(_Torrent(name, file, at, self._session.add_torrent(params), lock))

    def wait(self, seconds: float) -> list[str]:
        """Wait until libtorrent has something to say, or so long; return what it says of listening and trackers."""
        self._session.wait_for_alert(round(seconds * 1000))
        lines = [str(error) for error in self._refused]
        self._refused.clear()
        for alert in self._session.pop_alerts():
            if isinstance(alert, lt.file_renamed_alert):
                self._of(alert.handle).at = self._of(alert.handle).file
            elif isinstance(alert, lt.file_rename_failed_alert):
                self._of(alert.handle).error = display_text(alert.message())
            elif line := error_text(alert):
                lines.append(line)
        return lines

    def _of(self, handle: lt.torrent_handle) -> _Torrent:
        """Return the torrent that a handle is of."""
        return next(each for each in self._torrents if each.handle == handle)

    def port(self) -> int:
        """Return the TCP port that peers reach us at, 0 where we listen at none."""
        return int(self._session.listen_port())

    def status(self) -> list[DownloadStatus]:
        """Return how each torrent stands, in the order they were added; those that are whole get their names."""
        return [self._status(each) for each in self._torrents]

    def _status(self, torrent: _Torrent) -> DownloadStatus:
        """Return how one stands. It is seeding when its file has its own name, too."""
        status = torrent.handle.status()
        if status.is_seeding and torrent.at != torrent.file and not torrent.asked:
            torrent.asked = True
            torrent.handle.rename_file(0, torrent.file.name)
        error = torrent.error or (display_text(status.errc.message()) if status.errc.value() else "")
        return DownloadStatus(
            name=torrent.name,
            state="failed" if error else _state(status, is_named=torrent.at == torrent.file),
            share=float(status.progress),
            peers=int(status.num_peers),
            downloaded=int(status.total_payload_download),
            uploaded=int(status.total_payload_upload),
            error=error,
        )


def _state(status: lt.torrent_status, *, is_named: bool) -> State:
    """Return the state of a torrent that did not fail."""
    states = lt.torrent_status
    if status.state in (states.queued_for_checking, states.checking_files, states.checking_resume_data):
        return "checking"
    return "seeding" if status.is_seeding and is_named else "downloading"
