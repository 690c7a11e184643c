"""What libtorrent reads in a .torrent, and a session of it that shares files or fetches them.

It is the client that a release must satisfy. All settings of a session are in `open_session`; `piece_download` and
`dht` use that, too.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from packager import __version__
from packager.core.http.allowed_hosts import OPTION, SPECIAL, special_kind
from packager.engine.files import atomic_files
from packager.engine.files.locked_file import is_at
from packager.engine.network.connection_options import PeerOptions
from packager.engine.network.libtorrent_door import lt
from packager.engine.network.resolver import permitted, permitted_urls
from packager.errors import InputError
from packager.paths import display_text


@dataclass(frozen=True)
class LoadedTorrent:
    """What libtorrent read in a .torrent; sizes in bytes, `size` without pad files; None for a version it lacks."""

    infohash_v1: bytes | None
    infohash_v2: bytes | None
    size: int
    piece_length: int


REFUSES = "libtorrent refuses the .torrent: "


def read_with_libtorrent(data: bytes, where: object) -> LoadedTorrent:
    """Return what libtorrent reads in a .torrent's bytes. Raises InputError with its words where it refuses them."""
    found = _load(data, where)
    hashes, torrent = found.info_hashes, found.ti
    assert torrent is not None
    files = _files(torrent)
    return LoadedTorrent(
        infohash_v1=hashes.v1.to_bytes() if hashes.has_v1() else None,
        infohash_v2=hashes.v2.to_bytes() if hashes.has_v2() else None,
        size=sum(files.file_size(at) for at in range(files.num_files()) if not _is_pad(files, at)),
        piece_length=torrent.piece_length(),
    )


def refused_link(link: str) -> str | None:
    """Return why libtorrent refuses a magnet link, None if it takes it. Nothing is fetched."""
    try:
        lt.parse_magnet_uri(link)
    except (RuntimeError, UnicodeEncodeError) as error:
        return str(error) if isinstance(error, RuntimeError) else "it is not UTF-8"
    return None


def _load(data: bytes, where: object) -> lt.add_torrent_params:
    """Return a .torrent as libtorrent has it. Raises InputError if it refuses it."""
    try:
        return lt.load_torrent_buffer(data)
    except RuntimeError as error:  # all that its binding raises for a bad .torrent
        raise InputError(where, f"{REFUSES}{error}") from error


def _files(torrent: lt.torrent_info) -> lt.file_storage:
    """Return the list of a torrent's files: files() is deprecated in libtorrent 2.1 and layout() is missing in 2.0."""
    return torrent.layout() if hasattr(torrent, "layout") else torrent.files()


def _is_pad(files: lt.file_storage, number: int) -> bool:
    """Return whether a file is a pad file; a v2 torrent's list ends with one even for a single file."""
    return bool(files.file_flags(number) & lt.file_storage.flag_pad_file)


def _interfaces(reach: PeerOptions) -> str:
    """Return where to listen as libtorrent has it. Raises InputError for what is no address or port."""
    if not reach.address:
        return f"0.0.0.0:{reach.port},[::]:{reach.port}"
    try:
        address = ipaddress.ip_address(reach.address)
    except ValueError:
        what = f'"{display_text(reach.address, 80)}" is not an IP address'
        raise InputError("--listen", what, 'write it as "192.0.2.7" or "2001:db8::7"') from None
    return f"[{address}]:{reach.port}" if address.version == 6 else f"{address}:{reach.port}"


def _error_text(alert: lt.alert) -> str:
    """Return what an alert of libtorrent's says of listening, trackers and refused peers; "" for any other."""
    if isinstance(alert, lt.peer_blocked_alert):
        address = str(alert.endpoint[0])
        return f"{address}: no peer is met at {special_kind(address)} address; to allow it: {OPTION} {address}"
    if isinstance(alert, lt.listen_succeeded_alert):  # one for each protocol at each of this machine's addresses
        return f"listening on port {alert.port}"
    if isinstance(alert, lt.tracker_error_alert):  # one for each of them, each torrent and each version of it
        return display_text(f"tracker {alert.url}: {alert.error_message() or alert.error.message()}")
    if isinstance(alert, lt.listen_failed_alert):
        return display_text(alert.message())
    return ""


def open_session(
    reach: PeerOptions, alerts: int, peers: Sequence[str] = (), settings: lt.settings_pack | None = None
) -> lt.session:
    """Return a session that does only what `reach` asks for: no local discovery, no port mapping.

    It contacts only public addresses, and those that `reach` allows. peers: IP addresses that the
    user named. A session that listens on a loopback address meets peers of this machine. settings: libtorrent's, beside
    those that all sessions have.
    """
    session = lt.session(
        {
            "apply_ip_filter_to_trackers": True,
            "ssrf_mitigation": True,
            "allow_idna": False,
            "listen_interfaces": _interfaces(reach),
            "enable_dht": reach.dht,
            "enable_incoming_tcp": reach.incoming,
            "enable_incoming_utp": reach.incoming,
            "upload_rate_limit": reach.upload_limit,
            "download_rate_limit": reach.download_limit,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "stop_tracker_timeout": 1,  # seconds that its end may take
            "alert_mask": alerts | lt.alert.category_t.ip_block_notification,
            "user_agent": f"archive-packager/{__version__}",
        }
    )
    if settings:
        session.apply_settings(settings)
    session.set_ip_filter(_ip_filter(reach, peers))
    return session


def next_alerts(session: lt.session, seconds: float) -> list[lt.alert]:
    """Wait until a session has something to say, or this long, and return that."""
    session.wait_for_alert(round(seconds * 1000))
    return list(session.pop_alerts())


def _ip_filter(reach: PeerOptions, peers: Sequence[str]) -> lt.ip_filter:
    """Return the addresses that a session neither contacts nor lets in."""
    found = lt.ip_filter()
    allowed = [*reach.allowed.networks, *(ipaddress.ip_network(each.partition("%")[0]) for each in peers)]
    for name, port in reach.allowed.names:
        with suppress(OSError, UnicodeError, InputError):
            allowed += [ipaddress.ip_network(each.partition("%")[0]) for each in permitted(name, port, reach.allowed)]
    loopback = next(networks for kind, networks in SPECIAL if kind == "a loopback")
    if reach.address and ipaddress.ip_address(reach.address).is_loopback:
        allowed += loopback
    for blocked, networks in ((1, [each for _, kind in SPECIAL for each in kind]), (0, allowed)):
        for network in networks:
            found.add_rule(str(network[0]), str(network[-1]), blocked)
    return found


def torrent_parameters(
    torrent: bytes,
    folder: Path,
    trackers: Sequence[str] | None,
    where: str,
    *,
    reach: PeerOptions,
    refused: list[InputError] | None = None,
) -> lt.add_torrent_params:
    """Return what adds a torrent whose file lies in `folder`: at once, no web seeds; trackers None: its own.

    Trackers that may not be contacted are left out; refused: gets the reason for each.
    """
    params = _load(torrent, where)
    params.save_path = str(folder)
    params.flags = lt.torrent_flags.default_flags & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
    params.url_seeds, params.dht_nodes = [], []
    named = list(params.trackers) if trackers is None else list(trackers)
    tiers = list(params.tracker_tiers) if trackers is None else []
    kept = permitted_urls(named, reach.allowed, refused)
    tier_of = dict(zip(named, [*tiers, *[0] * (len(named) - len(tiers))], strict=True))
    params.trackers, params.tracker_tiers = kept, [tier_of[each] for each in kept]
    return params


State: TypeAlias = Literal["checking", "incomplete", "seeding", "failed"]


@dataclass(frozen=True)
class TorrentStatus:
    """The state of one torrent.

    "incomplete": pieces are missing; they are fetched if the session may write. progress: of its bytes found right so
    far, 0 to 1. downloaded and uploaded are bytes of this session, upload_rate bytes a second.
    """

    name: str
    state: State
    progress: float
    peers: int
    downloaded: int
    uploaded: int
    upload_rate: int
    error: str = ""


@dataclass
class _Torrent:
    """A torrent of the session. at: where its file is now.

    lock: a descriptor that holds the right to write the file while it has its partial name, else -1.
    """

    name: str
    file: Path
    at: Path
    handle: lt.torrent_handle
    lock: int = -1
    is_rename_asked: bool = False
    error: str = ""


class TorrentSession:
    """Torrents shared with their swarms, and fetched if the session may write; a context manager.

    libtorrent checks every piece before it counts. A file that is fetched has a partial name beside its own until
    every piece of it was found right, so a final name is never on an unfinished file of ours.
    """

    def __init__(self, reach: PeerOptions, peers: Sequence[tuple[str, int]] = (), *, may_write: bool = False) -> None:
        """Meet peers as `reach` says, and these (IP address, port). Without may_write files are read only."""
        # Peers turn away who was killed and comes back until they give up the old connection, a minute or so with
        # uTP; libtorrent's own 60 s and 3 tries would leave a lone peer until the tracker is asked again, half an
        # hour later. And each peer must know us by one address, no matter which of the two connects.
        settings: lt.settings_pack = {"min_reconnect_time": 5, "max_failcount": 20} if may_write else {}
        if may_write and reach.address:
            settings["outgoing_interfaces"] = reach.address
        kinds = lt.alert.category_t
        alerts = kinds.error_notification | kinds.status_notification
        if may_write:
            alerts |= kinds.storage_notification
        self._session = open_session(reach, alerts, [address for address, _ in peers], settings)
        self._reach, self._peers, self.may_write = reach, list(peers), may_write
        self._torrents: list[_Torrent] = []
        self._refused: list[InputError] = []
        self.uploaded_by_removed = 0  # bytes of torrents that were removed

    def __enter__(self) -> TorrentSession:
        """Open."""
        return self

    def __exit__(self, *_: object) -> None:
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

    def add(
        self,
        name: str,
        torrent: bytes,
        path: Path,
        *,
        places: Mapping[str, str] | None = None,
        web_seeds: Sequence[str] = (),
        trackers: Sequence[str] = (),
        verified: bool,
    ) -> None:
        """Share, or fetch, the one file of a .torrent, or its folder; at `path` it may have another name.

        places: for a folder, absolute paths of files that are not in it, by their paths below it; None: one file.
        trackers: beside its own.
        verified: it was found right before and did not change; otherwise libtorrent reads it in full before it shares a
        byte. If the session may write, what is there, or under the partial name, is kept as far as it is right.
        Raises InputError for a .torrent that libtorrent refuses, and while another process writes the file.
        """
        is_partial = self.may_write and not path.exists()
        at = atomic_files.partial_path(path) if is_partial else path
        where = name if self.may_write else str(path)
        params = torrent_parameters(torrent, path.parent, None, where, reach=self._reach, refused=self._refused)
        params.renamed_files = {0: at.name} if places is None else _renamed_files(params, path.name, places)
        params.url_seeds = permitted_urls(web_seeds, self._reach.allowed, self._refused)
        params.trackers += permitted_urls(trackers, self._reach.allowed, self._refused)
        params.tracker_tiers += [0] * (len(params.trackers) - len(params.tracker_tiers))
        params.peers = list(self._peers)
        params.flags |= lt.torrent_flags.disable_lsd
        if not self.may_write:
            params.flags |= lt.torrent_flags.upload_mode
        if verified:
            params.flags |= lt.torrent_flags.seed_mode
        lock = atomic_files.open_partial(path) if is_partial else -1
        self._torrents.append(_Torrent(name, path, at, self._session.add_torrent(params), lock))

    def remove(self, number: int) -> None:
        """Share a torrent no longer: its peers are disconnected and its trackers are told. number: as in `status`."""
        handle = self._torrents.pop(number).handle
        self.uploaded_by_removed += int(handle.status().total_payload_upload)
        self._session.remove_torrent(handle)

    def wait(self, seconds: float) -> list[str]:
        """Wait until libtorrent has something to say, or so long; return what it says of listening and trackers."""
        alerts = next_alerts(self._session, seconds)
        lines = [str(error) for error in self._refused]
        self._refused.clear()
        for alert in alerts:
            if isinstance(alert, lt.file_renamed_alert):
                self._of(alert.handle).at = self._of(alert.handle).file
            elif isinstance(alert, lt.file_rename_failed_alert):
                self._of(alert.handle).error = display_text(alert.message())
            elif line := _error_text(alert):
                lines.append(line)
        return lines

    def _of(self, handle: lt.torrent_handle) -> _Torrent:
        """Return the torrent that a handle is of."""
        return next(each for each in self._torrents if each.handle == handle)

    def port(self) -> int:
        """Return the TCP port that peers reach us at, 0 where we listen at none."""
        return int(self._session.listen_port())

    def status(self) -> list[TorrentStatus]:
        """Return the state of each torrent, in the order they were added; complete files get their names."""
        return [self._status(each) for each in self._torrents]

    def _status(self, torrent: _Torrent) -> TorrentStatus:
        """Return the state of one. It is seeding when its file has its own name, too."""
        status = torrent.handle.status()
        if status.is_seeding and torrent.at != torrent.file and not torrent.is_rename_asked:
            torrent.is_rename_asked = True
            torrent.handle.rename_file(0, torrent.file.name)
        error = torrent.error or (display_text(status.errc.message()) if status.errc.value() else "")
        return TorrentStatus(
            name=torrent.name,
            state="failed" if error else _state(status, is_named=torrent.at == torrent.file),
            progress=float(status.progress),
            peers=int(status.num_peers),
            downloaded=int(status.total_payload_download),
            uploaded=int(status.total_payload_upload),
            upload_rate=int(status.upload_payload_rate),
            error=error,
        )


def _state(status: lt.torrent_status, *, is_named: bool) -> State:
    """Return the state of a torrent that did not fail."""
    states = lt.torrent_status
    if status.state in (states.queued_for_checking, states.checking_files, states.checking_resume_data):
        return "checking"
    return "seeding" if status.is_seeding and is_named else "incomplete"


def _renamed_files(params: lt.add_torrent_params, folder: str, places: Mapping[str, str]) -> dict[int, str]:
    """Return where each file of a folder's torrent is, by its number: in the folder of that name, or in `places`."""
    assert params.ti is not None
    files = _files(params.ti)
    renamed = {}
    for number in range(files.num_files()):
        path = files.file_path(number).partition("/")[2]
        if not _is_pad(files, number):
            renamed[number] = places.get(path, f"{folder}/{path}")
    return renamed
