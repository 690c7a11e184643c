"""The published shards as bodies to send. If a shard's tar is missing or changed, other verified bytes are sent.

The list of shards comes from the site's release.json, which is read again when it changes. The most recently used
layouts stay in memory, up to a limit of bytes.
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

_MEMBER = 350  # bytes of memory for each member
_FILES = 512  # stay open between uses
_AHEAD = 32 * MIB  # read ahead from a store, for all answers together
_PATHS = pa.schema([MEMBERS.field("path")])
_LOOK_SECONDS = 1.0  # between two checks for a missing tar


class WithheldError(Exception):
    """A shard, or a range of it, is withheld: 451. Users never see this error."""


@dataclass(frozen=True)
class ListedShard:
    """A shard in the release. tag: its entity tag, in quotes. export: its phase, if that is a catalogue phase.

    withheld: why some or all of it is withheld; None: nothing is. table: SHA-256 of its members table.
    piece_length: in bytes; pad files are at most this long.
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
    """The shards in release.json, and what was withdrawn since.

    shards: by the tar's file name; withdrawn: ids of withdrawn records; partly: names of shards with some members
    withheld.
    """

    stamp: tuple[FileStamp, FileStamp | None] | None = None  # of release.json and withdrawals.json
    shards: dict[str, ListedShard] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    partly: frozenset[ShardName] = frozenset()

    def withdraws_as(self, other: "ReleaseListing") -> bool:
        """Return whether two listings withhold the same members."""
        return (self.withdrawn, self.partly) == (other.withdrawn, other.partly)


@dataclass(frozen=True)
class _Allowed:
    """The members of a shard that may be sent while others are withheld: numbers, and [start, end) of their data.

    Ranges are sorted and leave out empty members. Everything else (headers, tag files, manifests) may contain the
    name of a withdrawn record.
    """

    members: frozenset[int]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def contains(self, start: int, stop: int) -> bool:
        """Return whether bytes [start, stop) are within the data of one of the members."""
        if start == stop:  # an empty file; its path was checked
            return True
        number = int(np.searchsorted(self.starts, start, "right")) - 1
        return number >= 0 and stop <= int(self.ends[number])


@dataclass(frozen=True)
class _LoadedShard:
    """A shard in memory. allowed: the data that may be sent, None for all; hashes: only if pieces are checked."""

    tar: VirtualTar
    allowed: _Allowed | None
    hashes: PieceHashes | None
    source_times: FileStamp | None  # stamp of the file that lists them

    @property
    def memory(self) -> int:
        """Estimated bytes of memory."""
        hashes = len(self.hashes.layer) + len(self.hashes.pieces) if self.hashes else 0
        return _MEMBER * len(self.tar.layout.offsets) + hashes


class ShardCache:
    """The shards of one project, for use by many threads."""

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
        """Keep layouts in `memory` bytes, but at least one layout. check_pieces: verify every piece before it is sent.

        pieces: pieces that were verified. warn: called once for each tar that was changed after it was written.
        """
        self._project, self._counts, self._memory = project, counts, memory
        self._pieces, self._check_pieces, self._warn = pieces, check_pieces, warn
        self._stamps: dict[ShardName, TarStamp | None] = {}
        self._changed: set[ShardName] = set()  # tars with a warning
        self._files, self._read_ahead = OpenFileCache(_FILES), MemoryLimit(_AHEAD)
        self._missing_tars: dict[ShardName, float] = {}  # time of the last check, seconds
        self._listing = ReleaseListing()
        self._loaded: OrderedDict[ShardName, _LoadedShard] = OrderedDict()
        self._memory_used = 0
        self._lock, self._opening = threading.Lock(), threading.Lock()

    @property
    def listing(self) -> ReleaseListing:
        """The published shards as of the last refresh."""
        return self._listing

    def refresh(self) -> None:
        """Read release.json and withdrawals.json again if one of them changed.

        Raises InputError or IncompleteError if they cannot be read.
        """
        path = self._project.site / RELEASE
        try:
            stamp = FileStamp.of(os.stat(path)), FileStamp.at(self._project.withdrawals)
        except OSError:
            if self._listing.shards:  # the site is being replaced: keep the old list
                return
            raise
        self._drop_changed()
        if stamp == self._listing.stamp:
            return
        release = read_local_release(path)
        rule = SharingRule(release, waiting=waiting_shards(release, read_withdrawals(self._project)))
        catalogue_phases = release.catalogue_phases
        shards = {
            shard.file: ListedShard(
                shard.container,
                shard.name,
                shard.size,
                f'"{shard.pieces_root or shard.infohash_v2 or shard.infohash_v1}"',
                shard.phase if shard.phase in catalogue_phases else None,
                rule.withheld(shard.name),
                shard.members_table.sha256,
                shard.piece_length,
            )
            for shard in release.shards
        }
        partly = frozenset(each.name for each in shards.values() if each.withheld is not None and each.withheld.partly)
        listing = ReleaseListing(stamp, shards, frozenset(each.id for each in release.in_force), partly)
        with self._lock:
            if not listing.withdraws_as(self._listing):
                self._loaded.clear()
                self._memory_used = 0
            self._listing = listing

    def _drop_changed(self) -> None:
        """Drop shards whose recorded source times have changed."""
        with self._lock:
            for name, loaded in [*self._loaded.items()]:
                if loaded.source_times != FileStamp.at(self._project.source_times(name)):
                    self._memory_used -= self._loaded.pop(name).memory

    def ready_body(self, listed: ListedShard, ranges: tuple[tuple[int, int], ...]) -> Body | None:
        """Return a shard's body if that needs no disk access, else None; call `body` then. Raises WithheldError."""
        looked = self._missing_tars.get(listed.name, -_LOOK_SECONDS)
        loaded = self._find(listed.name)
        if loaded is None or self._check_pieces or time.monotonic() - looked >= _LOOK_SECONDS:
            return None
        _check_withheld(loaded, ranges)
        return loaded.tar if len(ranges) == 1 and loaded.tar.is_open(*ranges[0]) else None

    def body(self, listed: ListedShard, ranges: tuple[tuple[int, int], ...]) -> Body:
        """Return a shard's body, to send these ranges from.

        If the tar was changed after it was written, each piece is verified; bad pieces come from the source files.
        Raises WithheldError if members are withheld and a range has other bytes than those of one allowed member,
        UnreadableError if the bytes are not available, InputError or IncompleteError for the shard's documents.
        """
        tar = self._tar(listed, ranges[0])
        try:
            verify = self._check_pieces or (tar is not None and not self._is_as_written(listed.name, tar))
            if tar is None or self._listing.withdrawn or self._listing.partly or verify:
                loaded = self._load(listed, verify=verify)
                _check_withheld(loaded, ranges)
                body: Body = loaded.tar if tar is None else tar
                if verify and loaded.hashes is not None:
                    bodies = [loaded.tar] if tar is None else [tar, loaded.tar]
                    body = VerifiedBody(listed.name, bodies, loaded.hashes, self._pieces)
            else:
                body = tar
            for start, stop in ranges:
                body.check(start, stop)
        except BaseException:
            if tar is not None:
                tar.close()
            raise
        return body

    def file_range(self, listed: ListedShard, path: str) -> tuple[int, int]:
        """Return where a file of a shard that is kept as files begins in the stream, and its size in bytes.

        Raises FileNotFoundError if the shard has no such file, WithheldError if members are withheld and the file is
        not an allowed member, and the errors of `body`.
        """
        loaded = self._load(listed)
        layout = loaded.tar.layout
        if not isinstance(layout, FolderLayout) or path not in layout.places:
            raise FileNotFoundError
        if loaded.allowed is not None and layout.member_numbers.get(path) not in loaded.allowed.members:
            raise WithheldError
        return layout.places[path]

    def _is_as_written(self, name: ShardName, tar: FileBody | StoredTar) -> bool:
        """Return whether a tar has the size and times that it had when this project wrote it."""
        if tar.note is not None and tar.note == self._stamps.get(name):
            return True
        stamp = self._stamps[name] = read_tar_stamp(self._project, name)
        if stamp is not None and tar.note == stamp:
            self._changed.discard(name)
            return True
        if name not in self._changed:
            self._changed.add(name)
            why = "was changed after it was written" if stamp else "has no recorded size and times"
            self._warn(f"{name}.tar {why}: each piece is verified before it is sent")
        return False

    def _tar(self, listed: ListedShard, first: tuple[int, int]) -> FileBody | StoredTar | None:
        """Open a shard's tar. Return None if it is missing or has another size. first: the range that is sent first."""
        if listed.container == "folder":
            return None
        place = self._project.shards_location
        if isinstance(place, StoreUrl):
            if time.monotonic() - self._missing_tars.get(listed.name, -_LOOK_SECONDS) < _LOOK_SECONDS:
                return None
            stored = StoredTar(store_at(place), f"{listed.name}.tar", listed.size, self._read_ahead)
            if stored.is_there(*first):
                return stored
            self._missing_tars[listed.name] = time.monotonic()
            return None
        try:
            tar = FileBody(os.path.realpath(os.fsencode(self._project.tar(listed.name))))
            if tar.size == listed.size:
                return tar
            tar.close()
        except UnreadableError:
            pass
        self._missing_tars[listed.name] = time.monotonic()
        return None

    def _load(self, listed: ListedShard, *, verify: bool = False) -> _LoadedShard:
        """Return a shard from memory, or read it; one shard is read at a time. verify: with its hashes."""
        found = self._find(listed.name, verify=verify)
        if found is not None:
            return found
        with self._opening:
            found = self._find(listed.name, verify=verify)
            if found is None:
                listing = self._listing
                found = self._open(listed, listing, verify=verify)
                self._counts.add("packager_shards_opened_total")
                self._keep(listed.name, found, listing)
        return found

    def _find(self, name: ShardName, *, verify: bool = False) -> _LoadedShard | None:
        """Return a shard from memory, or None. verify: only if its hashes are in memory too."""
        with self._lock:
            found = self._loaded.get(name)
            if found is None or (verify and found.hashes is None):
                return None
            self._loaded.move_to_end(name)
            return found

    def _open(self, listed: ListedShard, listing: ReleaseListing, *, verify: bool) -> _LoadedShard:
        """Read a shard's documents. listing: for the withdrawn records."""
        times = FileStamp.at(self._project.source_times(listed.name))
        export = listed.export
        source = self._project.source_location if export is None else self._project.export(export)
        tar = open_virtual(self._project, listed.name, source, self._files, self._read_ahead)
        allowed = self._allowed(listed, listing, tar.layout)
        hashes = None
        if verify:
            torrent = self._project.packed(listed.name) / f"{listed.name}.torrent"
            if isinstance(tar.layout, FolderLayout):
                hashes = folder_pieces(tar.layout, open_folder_torrent(torrent).metainfo, torrent)
            else:
                hashes = open_shard_torrent(torrent).pieces
        return _LoadedShard(tar, allowed, hashes, times)

    def _allowed(self, listed: ListedShard, listing: ReleaseListing, layout: Layout) -> _Allowed | None:
        """Return the members of a shard that may be sent; None if no member is withheld."""
        members, partly = layout.members, listed.name in listing.partly
        is_withheld = pc.is_in(members["id"], pa.array(sorted(listing.withdrawn), pa.string()))
        if partly:
            is_withheld = pc.or_(is_withheld, pc.invert(pc.is_in(members["path"], self._published_paths(listed))))
        withheld = is_withheld.to_numpy(zero_copy_only=False)
        if not partly and not withheld.any():
            return None
        numbers = np.flatnonzero(~withheld)
        filled = numbers[layout.sizes[numbers] > 0]
        filled = filled[np.argsort(layout.offsets[filled])]
        starts = layout.offsets[filled]
        return _Allowed(frozenset(numbers.tolist()), starts, starts + layout.sizes[filled])

    def _published_paths(self, listed: ListedShard) -> pa.Array:
        """Return the paths of the members in the published table."""
        table = self._project.listed_table(listed.name, listed.table)
        return parquet.read_rows(table, 0, parquet.count_rows(table), _PATHS)["path"].combine_chunks()

    def _keep(self, name: ShardName, loaded: _LoadedShard, listing: ReleaseListing) -> None:
        """Keep a shard in memory unless its release is old, and drop the shards that were unused longest."""
        with self._lock:
            if not listing.withdraws_as(self._listing):
                return
            if name in self._loaded:
                self._memory_used -= self._loaded.pop(name).memory
            self._loaded[name] = loaded
            self._memory_used += loaded.memory
            while self._memory_used > self._memory and len(self._loaded) > 1:
                self._memory_used -= self._loaded.popitem(last=False)[1].memory


def _check_withheld(loaded: _LoadedShard, ranges: tuple[tuple[int, int], ...]) -> None:
    """Raise WithheldError if a range has withheld bytes."""
    if loaded.allowed is not None and not all(loaded.allowed.contains(start, stop) for start, stop in ranges):
        raise WithheldError
