"""How a shard can be fetched, and its swarm: by its torrent, or only by the infohashes of a magnet link."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from packager.engine.files.range_readers import Range, RangeReader, UnreachableError, UnreadableError, reader_errors
from packager.engine.files.shard_torrent import ShardTorrent
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import open_remote_readers, read_swarm, trackers_to_ask
from packager.errors import IncompleteError
from packager.model import Container, Infohash
from packager.paths import display_text


@dataclass(frozen=True)
class ShardDownload:
    """How a shard's tar or folder can be fetched.

    addresses: of the tar or the folder at web seeds. torrent: returns its torrent, for the swarm; None if only its
    magnet link is known.
    """

    name: str  # of the tar or the folder
    container: Container
    size: int
    infohash_v1: Infohash | None
    infohash_v2: Infohash | None
    trackers: Sequence[str]
    addresses: Sequence[str]
    torrent: Callable[[], ShardTorrent] | None


class SwarmOnDemand:
    """The swarm of a shard, joined when the first byte is read; a source of ranges."""

    def __init__(
        self, shared: ShardDownload, wanted: Sequence[Range], remote: NetworkOptions, scratch: Path, opened: ExitStack
    ) -> None:
        """Prepare to read the ranges `wanted`, in order. scratch: a folder that the download creates and removes."""
        self.name = f"the swarm of {display_text(shared.name)}"
        self._shared, self._wanted, self._scratch, self._opened = shared, wanted, scratch, opened
        self._remote = replace(remote, web_seeds=(), no_web_seeds=True)
        self._source: RangeReader | None = None
        self._failure: UnreadableError | None = None
        self.piece_length = 1  # known after the first read

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes [start, stop), which must be in the wanted ranges. Raises UnreadableError."""
        if self._failure:
            raise self._failure  # do not wait for it again
        if self._source is None:
            try:
                torrent = self._shared.torrent
                self._source = self._by_link() if torrent is None else self._by_torrent(torrent)
            except UnreadableError as error:
                self._failure = error
                raise
        return self._source.read(start, stop)

    def _by_torrent(self, read: Callable[[], ShardTorrent]) -> RangeReader:
        """Return the swarm of a .torrent. Raises UnreadableError if it is not the shard's."""
        with reader_errors():
            torrent = read()
        metainfo = torrent.metainfo
        found = tuple(hash_.hex() if hash_ else None for hash_ in (metainfo.infohash_v1, metainfo.infohash_v2))
        if found != (self._shared.infohash_v1, self._shared.infohash_v2):
            raise UnreadableError(self.name, "its torrent is not the one that its manifest names")
        (opener,) = self._opened.enter_context(open_remote_readers(torrent, self._remote, self._scratch))
        self.piece_length = metainfo.piece_length
        return opener(self._wanted)

    def _by_link(self) -> RangeReader:
        """Return the swarm of the infohashes. Raises UnreachableError if no peer answers."""
        shared, remote = self._shared, self._remote
        trackers = trackers_to_ask(
            shared.trackers, remote, "the link names no tracker, and there is no other way to find peers"
        )
        hashes = (shared.infohash_v1, shared.infohash_v2)
        try:
            found = read_swarm(
                hashes,
                self._wanted,
                self._scratch,
                remote,
                trackers=trackers,
                opened=self._opened,
                where=self.name,
                size=shared.size,
            )
        except UnreadableError:
            raise
        except IncompleteError as error:
            raise UnreachableError(error.where, error.what, error.fix) from error
        self.piece_length = found.piece_length
        return found
