"""The published shards, each as a body to send: its tar if that is as it was written, else what proves to be right.

What is published is read from the site's release.json, again whenever that changes. Layouts are held within a
bound of bytes, those that were asked for last.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.config.store_url import StoreUrl
from packager.core.releases.withdrawn_records import waiting_shards
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.withheld import Withheld
from packager.core.shards.folder_layout import FolderLayout
from packager.core.shards.layout import Layout
from packager.engine.files.file_body import Body, FileBody
from packager.engine.files.file_stamp import FileStamp, TarStamp
from packager.engine.files.open_file_cache import OpenFileCache
from packager.engine.files.range_readers import UnreadableError
from packager.engine.files.shard_torrent import open_folder_torrent, open_shard_torrent
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_withdrawals
from packager.engine.project.tar_stamps import read_tar_stamp
from packager.engine.published.accept_release import read_local_release
from packager.engine.published.published_shard import folder_pieces
from packager.engine.published.release_reader import RELEASE
from packager.engine.published.virtual_tar import VirtualTar, open_virtual
from packager.engine.stores import store_at
from packager.engine.stores.read_ahead import MemoryLimit
from packager.engine.stores.stored_body import StoredTar
from packager.engine.tables import parquet
from packager.model import MEMBERS, Container, ShardName
from packager.serve.metrics import Metrics
from packager.serve.verified_body import VerifiedBody, VerifiedPieces
from packager.units import MIB

_MEMBER = 350  # bytes of memory that a member takes
_FILES = 512  # that stay open when nobody reads them
_AHEAD = 32 * MIB  # bytes that are read ahead of a store, for all answers together
_PATHS = pa.schema([MEMBERS.field("path")])
_LOOK_SECONDS = 1.0  # between two looks for a tar that was not there


class WithheldError(Exception):
    """A shard, or a range of it, is not handed out: 451. Never reaches a user."""


@dataclass(frozen=True)
class ListedShard:
    """A shard that the release lists. tag: its entity tag, in quotes. export: its phase, if that is the catalogue.

    withheld: why nothing of it is handed out, or not all; None: all may be. table: SHA-256 of its members table.
    piece_length: in bytes; no pad file of it is longer.
    """

    container: Container
    name: ShardName
    size: int
    tag: str
    export: str | None
    withheld: Withheld | None
    table: str
    piece_length: int


@dataclass(frozen=True)
class ReleaseListing:
    """What a release.json says, and what was withdrawn since.

    shards: by the tar's file name; withdrawn: ids of records that the release withdrew; partly: names of shards of
    which only some members are handed out.
    """

    stamp: tuple[FileStamp, FileStamp | None] | None = None  # of release.json and withdrawals.json
    shards: dict[str, ListedShard] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    partly: frozenset[ShardName] = frozenset()

    def withdraws_as(self, other: "ReleaseListing") -> bool:
        """Return whether two listings withhold the same members of the shards that are served."""
        return (self.withdrawn, self.partly) == (other.withdrawn, other.partly)


@dataclass(frozen=True)
class _Allowed:
    """The members of a shard that are handed out while others are withheld: numbers, and [start, end) of their data.

    Only members with data, in the order of their starts. Everything else (headers, tag files, manifests) may name a
    withdrawn record.
    """

    members: frozenset[int]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def contains(self, start: int, stop: int) -> bool:
        """Return whether bytes [start, stop) are within the data of one of the members."""
        if start == stop:  # an empty file, whose path was checked
            return True
        number = int(np.searchsorted(self.starts, start, "right")) - 1
        return number >= 0 and stop <= int(self.ends[number])


@dataclass(frozen=True)
class _Held:
    """A shard in memory. allowed: the only data that is sent; None: every byte. hashes: only if pieces are checked."""

    tar: VirtualTar
    allowed: _Allowed | None
    hashes: PieceHashes | None
    times: FileStamp | None  # of the file of its sources' times

    @property
    def weight(self) -> int:
        """About the bytes of memory that it takes."""
        hashes = len(self.hashes.layer) + len(self.hashes.pieces) if self.hashes else 0
        return _MEMBER * len(self.tar.layout.offsets) + hashes


class ShardCache:
    """The shards of one project. Its methods may be called by many threads."""

    def __init__(
        self,
        project: Project,
        counts: Metrics,
        *,
        memory: int,
        pieces: VerifiedPieces,
        check_pieces: bool,
        warn: Callable[[str], None],
    ) -> None:
        """Hold layouts in `memory` bytes, and one at least. check_pieces: send no byte before its piece was hashed.

        pieces: those that were hashed. warn: called once for each tar that is not as it was written.
        """
        self._workspace, self._counts, self._memory = project, counts, memory
        self._pieces, self._check_pieces, self._warn = pieces, check_pieces, warn
        self._notes: dict[ShardName, TarStamp | None] = {}
        self._changed: set[ShardName] = set()  # tars that were warned of
        self._files, self._room = OpenFileCache(_FILES), MemoryLimit(_AHEAD)
        self._without_tar: dict[ShardName, float] = {}  # when its tar was looked for in vain, seconds
        self._listing = ReleaseListing()
        self._held: OrderedDict[ShardName, _Held] = OrderedDict()
        self._weight = 0
        self._lock, self._opening = threading.Lock(), threading.Lock()

    @property
    def listing(self) -> ReleaseListing:
        """What was published when that was last looked at."""
        return self._listing

    def refresh(self) -> None:
        """Read release.json and withdrawals.json again if one is another.

        Raises InputError, IncompleteError where they cannot be read.
        """
        path = self._workspace.site / RELEASE
        try:
            stamp = FileStamp.of(os.stat(path)), FileStamp.at(self._workspace.withdrawals)
        except OSError:
            if self._listing.shards:  # a site that is being moved: what was published stays so
                return
            raise
        self._drop_touched()
        if stamp == self._listing.stamp:
            return
        release = read_local_release(path)
        hand_out = SharingRule(release, waiting=waiting_shards(release, read_withdrawals(self._workspace)))
        own = release.catalogue_phases
        shards = {
            shard.file: ListedShard(
                shard.container,
                shard.name,
                shard.size,
                f'"{shard.pieces_root or shard.infohash_v2 or shard.infohash_v1}"',
                shard.phase if shard.phase in own else None,
                hand_out.withheld(shard.name),
                shard.members_table.sha256,
                shard.piece_length,
            )
            for shard in release.shards
        }
        partly = frozenset(each.name for each in shards.values() if each.withheld is not None and each.withheld.partly)
        listing = ReleaseListing(stamp, shards, frozenset(each.id for each in release.in_force), partly)
        with self._lock:
            if not listing.withdraws_as(self._listing):
                self._held.clear()
                self._weight = 0
            self._listing = listing

    def _drop_touched(self) -> None:
        """Let go of shards whose sources were compared again and have other times now."""
        with self._lock:
            for name, held in [*self._held.items()]:
                if held.times != FileStamp.at(self._workspace.source_times(name)):
                    self._weight -= self._held.pop(name).weight

    def body_at_hand(self, listed: ListedShard, ranges: tuple[tuple[int, int], ...]) -> Body | None:
        """Return the body of a shard without a look at the disk; None where `body` must look. Raises WithheldError."""
        looked = self._without_tar.get(listed.name, -_LOOK_SECONDS)
        held = self._find(listed.name)
        if held is None or self._check_pieces or time.monotonic() - looked >= _LOOK_SECONDS:
            return None
        _check_withheld(held, ranges)
        return held.tar if len(ranges) == 1 and held.tar.is_open(*ranges[0]) else None

    def body(self, listed: ListedShard, ranges: tuple[tuple[int, int], ...]) -> Body:
        """Return the body of a shard, of which these ranges will be sent.

        A tar that is not as it was written is sent only in pieces that are as published; the sources have the others.
        Raises WithheldError if members are withheld and a range has bytes of anything but one other member, Unreadable
        if the bytes are not available, InputError and IncompleteError if the shard's documents cannot be used.
        """
        tar = self._tar(listed, ranges[0])
        try:
            prove = self._check_pieces or (tar is not None and not self._is_as_written(listed.name, tar))
            if tar is None or self._listing.withdrawn or self._listing.partly or prove:
                held = self._hold(listed, prove=prove)
                _check_withheld(held, ranges)
                body: Body = held.tar if tar is None else tar
                if prove and held.hashes is not None:
                    bodies = [held.tar] if tar is None else [tar, held.tar]
                    body = VerifiedBody(listed.name, bodies, held.hashes, self._pieces)
            else:
                body = tar
            for start, stop in ranges:
                body.check(start, stop)
        except BaseException:
            if tar is not None:
                tar.close()
            raise
        return body

    def place(self, listed: ListedShard, path: str) -> tuple[int, int]:
        """Return where a file of a shard that is kept as files begins in its stream, and its bytes.

        Raises FileNotFoundError if it has no such file, WithheldError if members are withheld and it is not another
        member, else as `body`.
        """
        held = self._hold(listed)
        layout = held.tar.layout
        if not isinstance(layout, FolderLayout) or path not in layout.places:
            raise FileNotFoundError
        if held.allowed is not None and layout.member_numbers.get(path) not in held.allowed.members:
            raise WithheldError
        return layout.places[path]

    def _is_as_written(self, name: ShardName, tar: FileBody | StoredTar) -> bool:
        """Say whether a tar has the size and times that it had when this project wrote it."""
        if tar.note is not None and tar.note == self._notes.get(name):
            return True
        noted = self._notes[name] = read_tar_stamp(self._workspace, name)
        if noted is not None and tar.note == noted:
            self._changed.discard(name)
            return True
        if name not in self._changed:
            self._changed.add(name)
            why = "was changed after it was written" if noted else "has no note of its size and times"
            self._warn(f"{name}.tar {why}: each of its pieces is checked before it is sent")
        return False

    def _tar(self, listed: ListedShard, first: tuple[int, int]) -> FileBody | StoredTar | None:
        """Open a shard's tar; None where none of its size is there. first: the range that is sent first."""
        if listed.container == "folder":
            return None
        place = self._workspace.shards_location
        if isinstance(place, StoreUrl):
            if time.monotonic() - self._without_tar.get(listed.name, -_LOOK_SECONDS) < _LOOK_SECONDS:
                return None
            stored = StoredTar(store_at(place), f"{listed.name}.tar", listed.size, self._room)
            if stored.is_there(*first):
                return stored
            self._without_tar[listed.name] = time.monotonic()
            return None
        try:
            tar = FileBody(os.path.realpath(os.fsencode(self._workspace.tar(listed.name))))
            if tar.size == listed.size:
                return tar
            tar.close()
        except UnreadableError:
            pass
        self._without_tar[listed.name] = time.monotonic()
        return None

    def _hold(self, listed: ListedShard, *, prove: bool = False) -> _Held:
        """Return a shard's layout, prove: with its hashes, from memory, or read it; one is read at a time."""
        found = self._find(listed.name, prove=prove)
        if found is not None:
            return found
        with self._opening:
            found = self._find(listed.name, prove=prove)
            if found is None:
                listing = self._listing
                found = self._open(listed, listing, prove=prove)
                self._counts.add("packager_shards_opened_total")
                self._keep(listed.name, found, listing)
        return found

    def _find(self, name: ShardName, *, prove: bool = False) -> _Held | None:
        """Return a shard that is in memory, prove: if its hashes are, too."""
        with self._lock:
            found = self._held.get(name)
            if found is None or (prove and found.hashes is None):
                return None
            self._held.move_to_end(name)
            return found

    def _open(self, listed: ListedShard, listing: ReleaseListing, *, prove: bool) -> _Held:
        """Read a shard's documents. listing: says what was withdrawn."""
        times = FileStamp.at(self._workspace.source_times(listed.name))
        export = listed.export
        source = self._workspace.source_location if export is None else self._workspace.export(export)
        tar = open_virtual(self._workspace, listed.name, source, self._files, self._room)
        allowed = self._allowed(listed, listing, tar.layout)
        hashes = None
        if prove:
            torrent = self._workspace.packed(listed.name) / f"{listed.name}.torrent"
            if isinstance(tar.layout, FolderLayout):
                hashes = folder_pieces(tar.layout, open_folder_torrent(torrent).metainfo, torrent)
            else:
                hashes = open_shard_torrent(torrent).pieces
        return _Held(tar, allowed, hashes, times)

    def _allowed(self, listed: ListedShard, listing: ReleaseListing, layout: Layout) -> _Allowed | None:
        """Return the members of a shard that are handed out; None: the shard has none that is withheld."""
        members, partly = layout.members, listed.name in listing.partly
        gone = pc.is_in(members["id"], pa.array(sorted(listing.withdrawn), pa.string()))
        if partly:
            gone = pc.or_(gone, pc.invert(pc.is_in(members["path"], self._published_paths(listed))))
        withheld = gone.to_numpy(zero_copy_only=False)
        if not partly and not withheld.any():
            return None
        numbers = np.flatnonzero(~withheld)
        filled = numbers[layout.sizes[numbers] > 0]
        filled = filled[np.argsort(layout.offsets[filled])]
        starts = layout.offsets[filled]
        return _Allowed(frozenset(numbers.tolist()), starts, starts + layout.sizes[filled])

    def _published_paths(self, listed: ListedShard) -> pa.Array:
        """Return the paths of the members that the published table still lists."""
        table = self._workspace.listed_table(listed.name, listed.table)
        return parquet.read_rows(table, 0, parquet.count_rows(table), _PATHS)["path"].combine_chunks()

    def _keep(self, name: ShardName, held: _Held, listing: ReleaseListing) -> None:
        """Hold a shard, and let go of those that were not asked for longest; one of an old release is not held."""
        with self._lock:
            if not listing.withdraws_as(self._listing):
                return
            if name in self._held:
                self._weight -= self._held.pop(name).weight
            self._held[name] = held
            self._weight += held.weight
            while self._weight > self._memory and len(self._held) > 1:
                self._weight -= self._held.popitem(last=False)[1].weight


def _check_withheld(held: _Held, ranges: tuple[tuple[int, int], ...]) -> None:
    """Raise WithheldError if a range has bytes that are not handed out."""
    if held.allowed is not None and not all(held.allowed.contains(start, stop) for start, stop in ranges):
        raise WithheldError
