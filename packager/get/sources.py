"""Where members' bytes come from: the shard's tar beside the release, then web seeds, then the swarm.

Each is opened when those before it could not give a member, and says what was transferred from it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa

from packager.addresses import TRACKERS, url
from packager.engine.ranges import Range, RangeSource, TarRanges, Unreadable
from packager.engine.remote import Remote, SwarmRanges, Unreachable, WebRanges, endpoints, remote_sources
from packager.engine.shared_file import SharedFile
from packager.engine.taking import Member
from packager.errors import IncompleteError, InputError
from packager.layout import PAYLOAD
from packager.model import Container, Infohash
from packager.paths import shown

if TYPE_CHECKING:
    from packager.engine.urls import Web


@dataclass(frozen=True)
class Shared:
    """A shard's tar or folder as it can be fetched.

    addresses: of the tar or the folder at web seeds. torrent: returns its torrent, for the swarm; None where
    only its magnet link is known.
    """

    name: str  # of the tar or the folder
    container: Container
    size: int
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    trackers: Sequence[str]
    addresses: Sequence[str]
    torrent: Callable[[], SharedFile] | None


@dataclass(frozen=True)
class Meant:
    """Members of one shard that are to be had: their rows, with mtime_ns, and how its tar is fetched."""

    shared: Shared
    members: pa.Table


class ShardSources:
    """The sources of one shard's members, which are asked for in the order in which they are told."""

    def __init__(
        self, shared: Shared, members: Sequence[Member], *, folders: Sequence[Path], remote: Remote, opened: ExitStack
    ) -> None:
        """Set out to read `members`. folders: where the shard may lie. opened: keeps what is opened."""
        self._shared, self._members, self._remote, self._opened = shared, members, remote, opened
        self._places = [folder / shared.name for folder in folders]
        self._web: Web | None = None
        self._tars: dict[str, WebRanges] = {}
        self._swarm: _SwarmOnDemand | None = None
        self._pieces: set[int] = set()
        self.transferred = 0  # bytes over the network
        self.unreachable = False  # a source failed for now, or there is none

    def of(self, number: int, scratch: Path) -> Iterator[tuple[str, RangeSource]]:
        """Yield the sources of a member by its number among those told, the cheapest first.

        scratch: a folder that the swarm makes, uses and takes away.
        """
        member, known = self._members[number], bool(self._shared.addresses or self._remote.swarm)
        for place in self._places:
            copy = self._local(place, member)
            if copy is not None:
                known = True
                yield copy.name, copy
        for address in self._shared.addresses:
            source = self._at_web_seed(address, member)
            yield source.name, _Told(source, self._take_note)
        if self._remote.swarm is not None:
            if self._swarm is None:
                wanted = [(each.offset, each.offset + each.size) for each in self._members[number:]]
                self._swarm = _SwarmOnDemand(self._shared, wanted, self._remote, scratch, self._opened)
            yield self._swarm.name, _Told(self._swarm, self._take_pieces)
        self.unreachable = self.unreachable or not known

    def _local(self, place: Path, member: Member) -> RangeSource | None:
        """Return a shard on this machine, or the member's file in its folder; None where it is not there."""
        if self._shared.container == "tar":
            return TarRanges(place) if _has_size(place, self._shared.size) else None
        file = place / PAYLOAD / member.path
        return _Shifted(TarRanges(file), member.offset) if _has_size(file, member.size) else None

    def _at_web_seed(self, address: str, member: Member) -> RangeSource:
        """Return the tar at a web seed, or the member's file in the folder there."""
        if self._shared.container == "tar":
            if address not in self._tars:
                self._tars[address] = WebRanges(self._open_web(), address, self._shared.size)
            return self._tars[address]
        file = f"{address}/{quote(PAYLOAD + member.path)}"
        return _Shifted(WebRanges(self._open_web(), file, member.size), member.offset)

    def _open_web(self) -> "Web":
        """Return connections that are kept."""
        if self._web is None:
            from packager.engine.urls import Web  # a tar on this machine is read long before httpx is imported

            web = Web(seconds=self._remote.seconds, other_hosts=self._remote.other_hosts)
            self._web = self._opened.enter_context(web)
        return self._web

    def _take_note(self, start: int, stop: int, error: Unreadable | None) -> None:
        """Count what a web seed sent."""
        self.transferred += stop - start
        self.unreachable = self.unreachable or isinstance(error, Unreachable)

    def _take_pieces(self, start: int, stop: int, error: Unreadable | None) -> None:
        """Count the pieces that the swarm sent, each once."""
        length = self._swarm.piece_length if self._swarm else 1
        pieces = set(range(start // length, -(-stop // length))) - self._pieces if stop > start else set()
        self._pieces |= pieces
        self.transferred += len(pieces) * length
        self.unreachable = self.unreachable or isinstance(error, Unreachable)


class _Told:
    """A source that tells what was read of it: bytes [start, stop), and why no more."""

    def __init__(self, source: RangeSource, tell: Callable[[int, int, Unreadable | None], None]) -> None:
        self._source, self._tell = source, tell

    @property
    def name(self) -> str:
        return self._source.name

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        try:
            for data in self._source.read(start, stop):
                self._tell(start, start + len(data), None)
                start += len(data)
                yield data
        except Unreadable as error:
            self._tell(start, start, error)
            raise


class _SwarmOnDemand:
    """The swarm of a shard, met when the first byte is asked of it."""

    def __init__(
        self, shared: Shared, wanted: Sequence[Range], remote: Remote, scratch: Path, opened: ExitStack
    ) -> None:
        self._shared, self._wanted, self._scratch, self._opened = shared, wanted, scratch, opened
        self._remote = replace(remote, web_seeds=(), torrent_web_seeds=False)
        self._source: RangeSource | None = None
        self._piece_length = 1

    @property
    def name(self) -> str:
        return f"the swarm of {shown(self._shared.name)}"

    @property
    def piece_length(self) -> int:
        """Bytes of a piece, once a byte was read."""
        return self._piece_length

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        if self._source is None:
            self._source = self._by_link() if self._shared.torrent is None else self._by_torrent(self._shared.torrent)
        return self._source.read(start, stop)

    def _by_torrent(self, read: Callable[[], SharedFile]) -> RangeSource:
        """Return the swarm of a .torrent. Raises Unreadable where that is not the shard's."""
        try:
            torrent = read()
        except InputError as error:
            raise Unreadable(error.where, error.what, error.mend) from error
        found = tuple(
            hash_.hex() if hash_ else None for hash_ in (torrent.metainfo.infohash_v1, torrent.metainfo.infohash_v2)
        )
        if found != (self._shared.infohash_v1, self._shared.infohash_v2):
            raise Unreadable(self.name, "has another torrent than its manifest says")
        (opener,) = self._opened.enter_context(remote_sources(torrent, self._remote, self._scratch))
        self._piece_length = torrent.metainfo.piece_length
        return opener(self._wanted)

    def _by_link(self) -> RangeSource:
        """Return the swarm of infohashes alone. Raises Unreachable where nobody in it answers."""
        from packager.engine.magnet_fetch import MagnetFetch  # few ask by link, and libtorrent takes long to import

        swarm = self._remote.swarm
        assert swarm is not None
        shared = self._shared
        trackers = [url(tracker, "--tracker", TRACKERS) for tracker in swarm.trackers]
        trackers += shared.trackers if swarm.torrent_trackers else ()
        if not (trackers or swarm.peers or swarm.reach.dht):
            raise InputError("--swarm", "the link names no tracker, and nobody else is to ask", "add --peer or --dht")
        try:
            fetch = MagnetFetch(
                (shared.infohash_v1, shared.infohash_v2),
                self._wanted,
                self._scratch,
                size=shared.size,
                reach=swarm.reach,
                peers=[endpoint for peer in swarm.peers for endpoint in endpoints(peer)],
                trackers=trackers,
                seconds=self._remote.seconds,
                where=self.name,
            )
            self._opened.enter_context(fetch)
        except IncompleteError as error:
            raise Unreachable(error.where, error.what, error.mend) from error
        self._piece_length = fetch.piece_length
        return SwarmRanges(fetch, fetch.piece_length, self.name)


class _Shifted:
    """A file that begins at a position of the torrent's stream."""

    def __init__(self, source: RangeSource, start: int) -> None:
        self._source, self._start = source, start

    @property
    def name(self) -> str:
        return self._source.name

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        return self._source.read(start - self._start, stop - self._start)


def _has_size(path: Path, size: int) -> bool:
    """Say whether a file of that size is there."""
    try:
        found = path.stat()
    except OSError:
        return False
    return S_ISREG(found.st_mode) and found.st_size == size
