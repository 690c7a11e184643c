"""The sources of members: the shard's tar beside the release, then web seeds, then the swarm.

A source is opened only if the sources before it do not have a member. Each reports what was transferred.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

import pyarrow as pa

from packager.core.reports.evidence import Evidence
from packager.core.reports.withheld import Withheld
from packager.core.shards.layout import PAYLOAD
from packager.engine.files.member_writer import MemberOutput
from packager.engine.files.range_readers import (
    RangeReader,
    ReportingReader,
    TarRangeReader,
    UnreachableError,
    UnreadableError,
)
from packager.engine.network.connection_options import NetworkOptions
from packager.engine.network.remote_readers import file_at, web_seed_address
from packager.engine.published.release_reader import TransferCost
from packager.get.shard_swarm import ShardDownload, SwarmOnDemand

if TYPE_CHECKING:
    from packager.engine.network.http_client import HttpClient

_LOST = 2  # failed members in a row after which a web seed is not asked again


@dataclass(frozen=True)
class SelectedMembers:
    """Selected members of one shard: their rows, with mtime_ns, and how its tar is fetched.

    withheld: why no link to the shard may be published and its swarm not be joined; None: both are allowed.
    """

    shared: ShardDownload
    members: pa.Table
    withheld: Withheld | None = None


@dataclass(frozen=True)
class MemberSelection:
    """The selected members of all shards, and how they were found.

    release: its folder or address; "" for magnet links. evidence: what vouches for the members. cost: requests and
    bytes of finding them; it may still grow.
    """

    members: Sequence[SelectedMembers]
    release: str
    evidence: Evidence
    cost: TransferCost


class MemberReaders:
    """The sources of one shard's members. Ask for the members in their order."""

    def __init__(
        self,
        shared: ShardDownload,
        members: Sequence[MemberOutput],
        *,
        folders: Sequence[Path],
        remote: NetworkOptions,
        opened: ExitStack,
    ) -> None:
        """Prepare to read `members`. folders: where the shard may be. opened: closes what is opened here."""
        self._shared, self._members, self._remote, self._opened = shared, members, remote, opened
        self._places = [folder / shared.name for folder in folders]
        self._web: HttpClient | None = None
        self._tars: dict[str, RangeReader] = {}
        self._lost: Counter[str] = Counter()  # by address: failed reads in a row
        self._swarm: SwarmOnDemand | None = None
        self._pieces: set[int] = set()
        self.transferred_bytes = 0  # bytes over the network
        self.unreachable = False  # a source did not answer, or there is none

    def of(self, number: int, scratch: Path) -> Iterator[tuple[str, RangeReader]]:
        """Yield the sources of the member `number`, the cheapest first.

        scratch: a folder that the swarm creates and removes.
        """
        member, known = self._members[number], bool(self._shared.addresses or self._remote.is_swarm_asked)
        for place in self._places:
            copy = self._local(place, member)
            if copy is not None:
                known = True
                yield copy.name, copy
        for address in self._shared.addresses:
            if self._lost[address] < _LOST:
                source = self._at_web_seed(address, member)
                yield source.name, ReportingReader(source, partial(self._take_note, address))
        if self._remote.is_swarm_asked:
            if self._swarm is None:
                wanted = [(each.offset, each.offset + each.size) for each in self._members[number:]]
                self._swarm = SwarmOnDemand(self._shared, wanted, self._remote, scratch, self._opened)
            yield self._swarm.name, ReportingReader(self._swarm, self._take_pieces)
        self.unreachable = self.unreachable or not known

    def _local(self, place: Path, member: MemberOutput) -> RangeReader | None:
        """Return a shard on this machine, or the member's file in its folder; None if there is none."""
        if self._shared.container == "tar":
            return TarRangeReader(place) if _has_size(place, self._shared.size) else None
        file = place / PAYLOAD / member.path
        return _Shifted(TarRangeReader(file), member.offset) if _has_size(file, member.size) else None

    def _at_web_seed(self, address: str, member: MemberOutput) -> RangeReader:
        """Return the tar at a web seed, or the member's file in the folder there."""
        if self._shared.container == "tar":
            if address not in self._tars:
                self._tars[address] = file_at(address, self._shared.size, self._open_web)
            return self._tars[address]
        file = web_seed_address(f"{address}/", PAYLOAD + member.path)
        return _Shifted(file_at(file, member.size, self._open_web), member.offset)

    def _open_web(self) -> "HttpClient":
        """Return connections that are kept."""
        if self._web is None:
            from packager.engine.network.http_client import (
                HttpClient,  # a tar on this machine is read long before httpx is imported
            )

            web = HttpClient(seconds=self._remote.timeout, allowed=self._remote.hosts)
            self._web = self._opened.enter_context(web)
        return self._web

    def _take_note(self, address: str, start: int, stop: int, error: UnreadableError | None) -> None:
        """Count what a web seed sent, and how often it failed."""
        self.transferred_bytes += stop - start
        self._lost[address] = self._lost[address] + 1 if isinstance(error, UnreachableError) else 0
        self.unreachable = self.unreachable or isinstance(error, UnreachableError)

    def _take_pieces(self, start: int, stop: int, error: UnreadableError | None) -> None:
        """Count the pieces that the swarm sent, each once."""
        length = self._swarm.piece_length if self._swarm else 1
        pieces = set(range(start // length, -(-stop // length))) - self._pieces if stop > start else set()
        self._pieces |= pieces
        self.transferred_bytes += len(pieces) * length
        self.unreachable = self.unreachable or isinstance(error, UnreachableError)


class _Shifted:
    """A file that begins at a position of the torrent's stream."""

    def __init__(self, source: RangeReader, start: int) -> None:
        self.name, self._source, self._start = source.name, source, start

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        return self._source.read(start - self._start, stop - self._start)


def _has_size(path: Path, size: int) -> bool:
    """Return whether there is a file of that size."""
    try:
        found = path.stat()
    except OSError:
        return False
    return S_ISREG(found.st_mode) and found.st_size == size
