"""Where bytes of a shard come from over the network, as sources of ranges: web seeds (BEP 19) and the swarm.

Data is unchecked, except by libtorrent if it is from the swarm; the caller compares it.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from packager.core.bittorrent.file_offsets import NamedFiles
from packager.core.config.store_url import is_store_location, is_store_url
from packager.core.config.url_values import TRACKERS, WEB, url, without_credentials
from packager.engine.files.range_readers import (
    OpenRanges,
    Range,
    RangeReader,
    TarRangeReader,
    UnreachableError,
    UnreadableError,
    reader_errors,
)
from packager.engine.files.shard_torrent import FolderTorrent, ShardTorrent
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.http_client import HttpClient
from packager.engine.network.piece_download import PieceDownload, touched_pieces
from packager.engine.network.resolver import permitted_urls
from packager.engine.stores import parse_location
from packager.engine.stores.read_ahead import StoreRangeReader
from packager.errors import InputError
from packager.model import Infohash
from packager.paths import display_text
from packager.units import MIB

_STEP = 16 * MIB  # bytes of one HTTP request at most
_PEER = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})", re.ASCII)
_OWN = 32  # web seeds of a torrent that are asked
_LOST = 2  # reads in a row that a web seed may fail before it is asked no more


# Opens a source of which only these ranges, in order, will be read.
SWARM = "swarm"  # as a place to read from
Opener: TypeAlias = Callable[[Sequence[Range]], RangeReader]


class WebSeedReader:
    """A file at a web seed."""

    def __init__(self, web: HttpClient, address: str, size: int) -> None:
        """Read the file of `size` bytes at an http(s) address."""
        self.name = display_text(without_credentials(address))
        self._web, self._address, self._size = web, address, size
        self._lost = 0
        self._given_up: UnreadableError | None = None

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop). Raises Unreadable where it refuses, Unreachable where it fails for now."""
        for at in range(start, stop, _STEP):
            if self._given_up:
                raise self._given_up
            yield self._step(at, min(at + _STEP, stop))

    def _step(self, start: int, stop: int) -> bytes:
        """Return one request's bytes; after a refusal, or failures in a row, nothing more is asked."""
        try:
            with reader_errors():
                data = self._web.read_range(self._address, start, stop, size=self._size)
        except UnreadableError as error:
            self._lost += 1
            if self._lost >= _LOST or not isinstance(error, UnreachableError):
                self._given_up = error
            raise
        self._lost = 0
        return data


class FolderWebSeedReader:
    """The files of a folder at a web seed, as the torrent's stream."""

    def __init__(self, web: HttpClient, address: str, files: NamedFiles) -> None:
        """Read files below an address."""
        self.name = display_text(without_credentials(address))
        self._web, self._address, self._files = web, address, files
        self._sizes = dict(zip(files.paths, files.space.sizes.tolist(), strict=True))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop). Raises Unreadable where it refuses, Unreachable where it fails for now."""
        for path, at, length in self._files.parts(start, stop):
            if path is None:
                yield bytes(length)
            else:
                address = f"{self._address}/{_quoted(self._address, path)}"
                yield from file_at(address, self._sizes[path], lambda: self._web).read(at, at + length)


class SwarmReader:
    """The one file of a torrent, in its swarm."""

    def __init__(self, fetch: PieceDownload, name: str, *, short: bool = False) -> None:
        """Read from pieces that are being fetched. short: some of them end before the piece length."""
        self._fetch, self.piece_length, self.name, self._short = fetch, fetch.piece_length, name, short

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop), which were among the ranges wanted. Raises Unreachable."""
        for piece in touched_pieces((start, stop), self.piece_length):
            at = piece * self.piece_length
            with reader_errors():
                data = self._fetch.piece(piece)
            wanted = data[max(start - at, 0) : stop - at]
            zeros = min(at + self.piece_length, stop) - max(at, start) - len(wanted)
            # A v2 torrent's pieces end with their file, and the stream goes on with zeros.
            yield wanted + bytes(zeros) if zeros and self._short else wanted


@contextmanager
def open_remote_readers(file: ShardTorrent, remote: NetworkOptions, scratch: Path) -> Iterator[list[Opener]]:
    """Yield what opens each source over the network, in the order they are to be asked.

    scratch: a folder that the swarm makes, uses and takes away. The sources are open until the block ends.
    Raises InputError for an address that is none.
    """
    with ExitStack() as opened:
        openers: list[Opener] = []
        addresses = _addresses(file, remote)
        if addresses:
            web = opened.enter_context(HttpClient(seconds=remote.timeout, allowed=remote.hosts))
            openers += [_web_opener(web, address, file) for address in addresses]
        if remote.is_swarm_asked:
            openers.append(_swarm_opener(opened, file, remote, scratch))
        yield openers


@contextmanager
def first_working_reader(
    file: ShardTorrent, remote: NetworkOptions | None, scratch: Path
) -> Iterator[OpenRanges | None]:
    """Yield what opens all sources over the network as one: where one fails, the next reads on.

    None if there are none. scratch: as for remote_sources.
    """
    if remote is None:
        yield None
        return
    with open_remote_readers(file, remote, scratch) as openers:
        yield (lambda _layout, wanted: _InTurn(openers, wanted)) if openers else None


class _InTurn:
    """Several sources, each opened when those before it have failed, and asked no more once it has."""

    def __init__(self, openers: Sequence[Opener], wanted: Sequence[Range]) -> None:
        self._waiting, self._wanted = list(openers), wanted
        self._source: RangeReader | None = None
        self._failure = UnreadableError("--from", "no source over the network was asked")

    @property
    def name(self) -> str:
        return self._source.name if self._source else "the sources over the network"

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            try:
                for data in self._open().read(start, stop):
                    start += len(data)
                    yield data
            except UnreadableError as error:
                self._failure, self._source = error, None
                if not self._waiting:
                    raise

    def _open(self) -> RangeReader:
        """Return the source that is asked now. Raises Unreadable, the last one's, where none is left."""
        if self._source is None:
            if not self._waiting:
                raise self._failure
            self._source = self._waiting.pop(0)(self._wanted)
        return self._source


def web_seed_address(seed: str, file: str) -> str:
    """Return a file's address at a web seed: one that ends in "/" is its folder (BEP 19)."""
    return seed + _quoted(seed, file) if seed.endswith("/") else seed


def split_sources(places: Sequence[Path | str], network: NetworkOptions) -> tuple[list[Path], NetworkOptions]:
    """Return the files and folders among the places to read from, and the network options with the others.

    A place is a path, an address or "swarm". An address in a store is that of a folder unless it ends in ".tar".
    Raises InputError.
    """
    written = [place for place in places if isinstance(place, str)]
    addresses = [each for each in written if is_store_url(each)]
    seeds = [asked_seed(f"{each}/" if _is_store_folder(each) else each) for each in addresses]
    local = [Path(place) for place in places if place != SWARM and place not in addresses]
    seeds = [*network.web_seeds, *seeds]
    return local, replace(network, web_seeds=tuple(seeds), swarm=network.swarm or SWARM in written)


def _is_store_folder(address: str) -> bool:
    """Return whether the address is in a store and is that of a folder."""
    return is_store_location(address) and not address.endswith((".tar", "/"))


def asked_seed(written: str, where: str = "--from") -> str:
    """Return the address of a web seed that the user names, which may be one in a store. Raises InputError."""
    if not is_store_location(written):
        return url(written, where, WEB)
    place = parse_location(written, where)
    address = f"file://{place}" if isinstance(place, Path) else str(place)
    return f"{address}/" if written.endswith("/") else address


def is_web(address: str) -> bool:
    """Return whether an address is of the web."""
    return address.partition("://")[0].lower() in WEB


def is_asked(seed: str) -> bool:
    """Return whether a web seed of a document is asked, or refused with a sentence; others are for other programs."""
    if without_credentials(seed) != seed:
        return is_web(seed)
    with suppress(InputError):
        return bool(url(seed, "web seed", WEB))
    return False


def file_at(address: str, size: int, open_web: Callable[[], HttpClient]) -> RangeReader:
    """Return the file of `size` bytes at the address of a web seed, on the web or in a store."""
    if is_web(address):
        return WebSeedReader(open_web(), address, size)
    place = parse_location(address, "--from")
    return TarRangeReader(place) if isinstance(place, Path) else StoreRangeReader.at(place, size)


def _quoted(address: str, path: str) -> str:
    """Return a file's path below an address as it is in one; addresses in stores have the names as they are."""
    return quote(path) if is_web(address) else path


def _addresses(file: ShardTorrent, remote: NetworkOptions) -> list[str]:
    """Return the file's addresses at the web seeds; those of a torrent that are no web address are left out."""
    seeds = [asked_seed(seed) for seed in remote.web_seeds]
    seeds += [seed for seed in file.metainfo.web_seeds[:_OWN] if not remote.no_web_seeds and is_asked(seed)]
    return list(dict.fromkeys(web_seed_address(seed, file.name) for seed in seeds))


def _web_opener(web: HttpClient, address: str, file: ShardTorrent) -> Opener:
    """Return what opens a file, or a folder's, at a web seed."""
    if isinstance(file, FolderTorrent):
        return lambda _wanted: FolderWebSeedReader(web, address, file.named)
    return lambda _wanted: file_at(address, file.size, lambda: web)


def _swarm_opener(opened: ExitStack, file: ShardTorrent, remote: NetworkOptions, scratch: Path) -> Opener:
    """Return what begins to fetch the pieces that ranges touch, until `opened` is closed."""
    name = display_text(file.name)
    own = [tracker for tier in file.metainfo.trackers for tracker in tier]
    trackers = trackers_to_ask(own, remote, f"{name} has no tracker, and there is no other way to find peers")
    for peer in remote.peers:
        _host_and_port(peer)  # a wrong one is refused before anything is done
    current = opened.enter_context(ExitStack())

    def open_swarm(wanted: Sequence[Range]) -> RangeReader:
        current.close()  # what was opened for other ranges: there is one scratch folder
        where, short = f"the swarm of {name}", isinstance(file, FolderTorrent)
        return read_swarm(
            file.torrent, wanted, scratch, remote, trackers=trackers, opened=current, where=where, short=short
        )

    return open_swarm


def trackers_to_ask(own: Sequence[str], remote: NetworkOptions, no_peers: str) -> list[str]:
    """Return the trackers of the options, and a torrent's own if they are to be asked.

    Raises InputError with the text `no_peers` if there is no way to find peers.
    """
    trackers = [url(tracker, "--tracker", TRACKERS) for tracker in remote.trackers]
    trackers += own if remote.swarm else ()
    if not (trackers or remote.peers or remote.dht):
        raise InputError("--from swarm", no_peers, "add --peer or --dht")
    return trackers


def read_swarm(
    torrent: bytes | tuple[Infohash | None, Infohash | None],
    wanted: Sequence[Range],
    scratch: Path,
    remote: NetworkOptions,
    *,
    trackers: Sequence[str],
    opened: ExitStack,
    where: str,
    size: int = 0,
    short: bool = False,
) -> SwarmReader:
    """Start to fetch the ranges `wanted` until `opened` is closed; the arguments are those of PieceDownload."""
    fetch = PieceDownload(
        torrent,
        wanted,
        scratch,
        size=size,
        reach=remote.reach,
        peers=[endpoint for peer in remote.peers for endpoint in endpoints(peer)],
        trackers=_permitted_trackers(trackers, remote),
        seconds=remote.timeout,
        where=where,
    )
    return SwarmReader(opened.enter_context(fetch), where, short=short)


def _permitted_trackers(trackers: Sequence[str], remote: NetworkOptions) -> list[str]:
    """Return the trackers that may be contacted. Raises Unreadable where none may, and no one else is to be asked."""
    refused: list[InputError] = []
    kept = permitted_urls(trackers, remote.hosts, refused)
    if refused and not (kept or remote.peers or remote.dht):
        raise UnreadableError(refused[0].where, refused[0].what, refused[0].fix)
    return kept


def endpoints(peer: str) -> list[tuple[str, int]]:
    """Return the IP addresses and port of "host:port". Raises InputError, IncompleteError if none is found."""
    host, port = _host_and_port(peer)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(host, "this peer's address is not found", "check --peer") from error
    return list(dict.fromkeys((str(address[0]), port) for *_, address in found))


def _host_and_port(peer: str) -> tuple[str, int]:
    """Return the two parts of "host:port". Raises InputError."""
    match = _PEER.fullmatch(peer)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise InputError("--peer", f'"{display_text(peer, 80)}" is not a peer', 'write it as "203.0.113.5:6881"')
    return match[1].strip("[]"), int(match[2])
