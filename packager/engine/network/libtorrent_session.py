"""The door to libtorrent: what it makes of a .torrent, pieces fetched from a swarm, files shared with one.

It is the client that a release must satisfy. It checks what it fetches; whoever asks checks it again.
"""

import ipaddress
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import libtorrent as lt

from packager import __version__
from packager.core.http.allowed_hosts import NO_HOSTS, OPTION, SPECIAL, AllowedHosts, special_kind
from packager.engine.files import atomic_files
from packager.engine.network.resolver import permitted, permitted_urls
from packager.errors import IncompleteError, InputError
from packager.paths import display_text
from packager.units import format_seconds, format_size


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
    try:
        found = lt.load_torrent_buffer(data)
    except RuntimeError as error:  # all that its binding raises for a bad .torrent
        raise InputError(where, f"{REFUSES}{error}") from error
    hashes, torrent = found.info_hashes, found.ti
    assert torrent is not None
    # files() is deprecated in libtorrent 2.1 and layout() is missing in 2.0.
    files = torrent.layout() if hasattr(torrent, "layout") else torrent.files()
    pad = lt.file_storage.flag_pad_file  # a v2 torrent's list ends with one even for a single file
    return LoadedTorrent(
        infohash_v1=hashes.v1.to_bytes() if hashes.has_v1() else None,
        infohash_v2=hashes.v2.to_bytes() if hashes.has_v2() else None,
        size=sum(files.file_size(at) for at in range(files.num_files()) if not files.file_flags(at) & pad),
        piece_length=torrent.piece_length(),
    )


_ALERTS = lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
_PIECES = lt.alert.category_t.piece_progress_notification | lt.alert.category_t.storage_notification
_POLL = 200  # milliseconds
_READ_SECONDS = 60
_WASTE = 64 << 20  # bytes of wrong blocks that are borne, beside as many as were wanted


@dataclass(frozen=True)
class PeerOptions:
    """How a session meets peers.

    address: the IP address of ours to listen at, "" for all. port: TCP and UDP, 0 for any free one. incoming:
    let peers connect to us. Limits are bytes a second, 0 for none. allowed: hosts that may be contacted although they
    are not on the public Internet.
    """

    address: str = ""
    port: int = 0
    incoming: bool = True
    dht: bool = False
    upload_limit: int = 0
    download_limit: int = 0
    allowed: AllowedHosts = NO_HOSTS


class PieceDownload:
    """Given pieces of one torrent from its swarm; a context manager that leaves nothing on disk.

    Fetched pieces lie in `scratch`, which is made and taken away; libtorrent checks each by its hashes.
    """

    def __init__(
        self,
        torrent: bytes,
        pieces: Sequence[int],
        scratch: Path,
        *,
        reach: PeerOptions,
        peers: Sequence[tuple[str, int]],
        trackers: Sequence[str],
        seconds: float,
        where: str,
    ) -> None:
        """Say which pieces of a .torrent's bytes are wanted.

        peers: (IP address, port) to connect to. trackers: the only ones told. seconds: without a byte from
        any peer, then the swarm is given up. where: what messages call the torrent.
        """
        params = torrent_parameters(torrent, scratch, trackers, where, reach=reach)
        wanted = set(pieces)
        info = params.ti
        assert info is not None
        params.piece_priorities = [4 if at in wanted else 0 for at in range(info.num_pieces())]
        params.peers = list(peers)
        self._expect(len(wanted) * info.piece_length())
        self._prepare(params, scratch, reach=reach, seconds=seconds, where=where)

    def _expect(self, size: int) -> None:
        """Say how many bytes the wanted pieces have: peers that send far more are left."""
        self._most = 2 * size + _WASTE

    def _prepare(
        self, params: lt.add_torrent_params, scratch: Path, *, reach: PeerOptions, seconds: float, where: str
    ) -> None:
        """Open the session that is to fetch."""
        self._params, self._scratch, self._seconds, self._where = params, scratch, seconds, where
        self._session = open_session(reach, _ALERTS | _PIECES, [address for address, _ in params.peers])
        self._done: set[int] = set()
        self.received = 0  # bytes of blocks that peers sent

    def __enter__(self) -> "PieceDownload":
        """Begin to fetch. Raises IncompleteError where the scratch folder cannot be made."""
        atomic_files.remove_tree(self._scratch)  # what a killed run left
        atomic_files.make_folder(self._scratch)
        self._handle = self._session.add_torrent(self._params)
        self._moved = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the swarm, and take the scratch folder away."""
        self._session.remove_torrent(self._handle)
        del self._handle, self._session  # libtorrent ends here, and lets go of the files
        atomic_files.remove_tree(self._scratch)

    def piece(self, number: int) -> bytes:
        """Return the bytes of a wanted piece when it has come; the others go on coming meanwhile.

        Raises IncompleteError where nothing comes any more, or the disk fails.
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
        self._session.wait_for_alert(_POLL)
        alerts = self._session.pop_alerts()
        for alert in alerts:
            if isinstance(alert, lt.piece_finished_alert):
                self._done.add(alert.piece_index)
            elif isinstance(alert, lt.file_error_alert | lt.torrent_error_alert):
                raise IncompleteError(self._where, f"libtorrent stopped: {display_text(alert.message())}", "make room")
        return alerts

    def _watch(self) -> None:
        """Raise IncompleteError where no peer sends, or peers send far more than the wanted pieces have."""
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


@dataclass(frozen=True)
class SeedStatus:
    """How one torrent stands. share: of its bytes found right so far, 0 to 1. Counts are bytes; rate a second."""

    name: str
    state: Literal["checking", "seeding", "incomplete", "failed"]
    share: float
    peers: int
    uploaded: int
    rate: int
    error: str = ""


class SeedSession:
    """Whole files given to a swarm; a context manager. They are read, never written."""

    def __init__(self, reach: PeerOptions) -> None:
        """Listen as `reach` says."""
        self._reach, self._session = reach, open_session(reach, _ALERTS)
        self._handles: list[tuple[str, lt.torrent_handle]] = []
        self._refused: list[InputError] = []

    def __enter__(self) -> "SeedSession":
        """Open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the trackers and leave; libtorrent ends here."""
        for _, handle in self._handles:
            self._session.remove_torrent(handle)
        self._handles.clear()
        del self._session

    def add(self, torrent: bytes, file: Path, *, proved: bool) -> None:
        """Share the one file of a .torrent, which lies at `file` and may have another name there.

        proved: it was read and found right in this run; otherwise libtorrent reads it in full before it
        shares a byte. Nothing of it is ever fetched.
        """
        params = torrent_parameters(torrent, file.parent, None, str(file), reach=self._reach, refused=self._refused)
        params.renamed_files = {0: file.name}
        params.flags |= lt.torrent_flags.upload_mode | lt.torrent_flags.disable_lsd
        if proved:
            params.flags |= lt.torrent_flags.seed_mode
        self._handles.append((file.name, self._session.add_torrent(params)))

    def add_folder(self, torrent: bytes, folder: Path, places: Mapping[str, str], *, proved: bool) -> None:
        """Share a .torrent of a folder, under its own name or another. proved: as for `add`.

        places: absolute paths of files that do not lie in it, by their paths below it.
        """
        params = torrent_parameters(torrent, folder.parent, None, str(folder), reach=self._reach, refused=self._refused)
        assert params.ti is not None
        files, pad = params.ti.layout(), lt.file_storage.flag_pad_file
        renamed = {}
        for number in range(files.num_files()):
            path = files.file_path(number).partition("/")[2]
            if not files.file_flags(number) & pad:
                renamed[number] = places.get(path, f"{folder.name}/{path}")
        params.renamed_files = renamed
        params.flags |= lt.torrent_flags.upload_mode | lt.torrent_flags.disable_lsd
        if proved:
            params.flags |= lt.torrent_flags.seed_mode
        self._handles.append((folder.name, self._session.add_torrent(params)))

    def remove(self, number: int) -> None:
        """Share a torrent no longer: its peers are disconnected and its trackers are told. number: as in `status`."""
        _, handle = self._handles.pop(number)
        self._session.remove_torrent(handle)

    def wait(self, seconds: float) -> list[str]:
        """Wait until libtorrent has something to say, or so long; return what it says of listening and trackers."""
        self._session.wait_for_alert(round(seconds * 1000))
        lines = [
            *map(str, self._refused),
            *(line for alert in self._session.pop_alerts() if (line := error_text(alert))),
        ]
        self._refused.clear()
        return lines

    def port(self) -> int:
        """Return the TCP port that peers reach us at, 0 where we listen at none."""
        return int(self._session.listen_port())

    def status(self) -> list[SeedStatus]:
        """Return how each torrent stands, in the order they were added."""
        return [_seeded(name, handle.status()) for name, handle in self._handles]


def _seeded(name: str, status: lt.torrent_status) -> SeedStatus:
    """Return the part of libtorrent's status that we show."""
    states = lt.torrent_status
    checking = (states.queued_for_checking, states.checking_files, states.checking_resume_data)
    state: Literal["checking", "seeding", "incomplete", "failed"] = "incomplete"
    if status.errc.value():
        state = "failed"
    elif status.state in checking:
        state = "checking"
    elif status.is_seeding:
        state = "seeding"
    return SeedStatus(
        name=name,
        state=state,
        share=float(status.progress),
        peers=int(status.num_peers),
        uploaded=int(status.total_payload_upload),
        rate=int(status.upload_payload_rate),
        error=display_text(status.errc.message()) if status.errc.value() else "",
    )


def _interfaces(reach: PeerOptions) -> str:
    """Return where to listen as libtorrent has it. Raises InputError for what is no address or port."""
    if not 0 <= reach.port <= 65535:
        raise InputError("--port", f"{reach.port} is not a port", "write a number from 1 to 65535, or 0 for any")
    if not reach.address:
        return f"0.0.0.0:{reach.port},[::]:{reach.port}"
    try:
        address = ipaddress.ip_address(reach.address)
    except ValueError:
        what = f'"{display_text(reach.address, 80)}" is not an IP address'
        raise InputError("--listen", what, 'write it as "192.0.2.7" or "2001:db8::7"') from None
    return f"[{address}]:{reach.port}" if address.version == 6 else f"{address}:{reach.port}"


def error_text(alert: lt.alert) -> str:
    """Return what an alert of libtorrent's says of listening, trackers and refused peers; "" for any other."""
    if isinstance(alert, lt.peer_blocked_alert):
        address = str(alert.endpoint[0])
        return f"{address}: no peer is met at {special_kind(address)} address; to allow it: {OPTION} {address}"
    if isinstance(alert, lt.listen_succeeded_alert | lt.listen_failed_alert | lt.tracker_error_alert):
        return display_text(alert.message())
    return ""


def open_session(reach: PeerOptions, alerts: int, peers: Sequence[str] = ()) -> lt.session:
    """Return a session that does only what `reach` asks for: no local discovery, no port mapping.

    It contacts public addresses alone, whoever names them, and those that `reach` allows. peers: IP addresses that the
    user named. A session that listens on a loopback address meets peers of this machine.
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
    session.set_ip_filter(_ip_filter(reach, peers))
    return session


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
    try:
        params = lt.load_torrent_buffer(torrent)
    except RuntimeError as error:  # all that its binding raises for a bad .torrent
        raise InputError(where, f"libtorrent refuses the .torrent: {error}") from error
    params.save_path = str(folder)
    params.flags = lt.torrent_flags.default_flags & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
    params.url_seeds, params.dht_nodes = [], []
    named = list(params.trackers) if trackers is None else list(trackers)
    tiers = list(params.tracker_tiers) if trackers is None else []
    kept = permitted_urls(named, reach.allowed, refused)
    tier_of = dict(zip(named, [*tiers, *[0] * (len(named) - len(tiers))], strict=True))
    params.trackers, params.tracker_tiers = kept, [tier_of[each] for each in kept]
    return params
