"""One phase's rows cut into shards: next-fit by what each row costs, and every shard's facts.

Streaming: what is held is one batch, the sums of one open shard, and an entry a shard. No file is touched.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.bittorrent.build_torrent import folder_torrent_size, torrent_size
from packager.core.bittorrent.piece_length import LOADABLE, choose_piece_length
from packager.core.shards import bag, layout, records_jsonl
from packager.core.shards.folder_layout import FILES_SIZING, planned_files
from packager.core.shards.next_fit import NextFit, runs
from packager.core.shards.tar_layout import TAR_SIZING
from packager.errors import InputError
from packager.model import PLANNED, PlannedPhase, PlannedShard, ShardName
from packager.options import Config, PhaseOptions
from packager.paths import display_text
from packager.units import count_of, format_size

_ROWS = 8192
MOST_SHARDS = 99_999  # in a phase: shard numbers have five digits, so a name's length is known


def shard_name(collection: str, phase: str, number: int) -> ShardName:
    """Return a shard's name, COLLECTION-PHASE-00001; numbers count from 1 in each phase."""
    return ShardName(f"{collection}-{phase}-{number:05d}")


def _slices(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches in slices whose lines together stay below the 2 GiB of an Arrow string array."""
    for batch in batches:
        for first in range(0, batch.num_rows, _ROWS):
            yield batch.slice(first, _ROWS)


class _Fingerprint:
    """A digest over all that the catalogue knows of a shard's members, however their rows come."""

    def __init__(self) -> None:
        self._columns = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def update(self, rows: pa.Table, lines: pa.Array) -> None:
        """Add members: tags and names by their lines, times, and digests that the records file gives."""
        tags, times, digests = self._columns
        tags.update(records_jsonl.record_members(lines))
        times.update(pc.fill_null(rows["mtime_ns"], -1).to_numpy().tobytes())
        given = rows["sha256"]
        known = given.null_count < rows.num_rows
        digests.update(b"".join(each or b"-" for each in given.to_pylist()) if known else b"-" * rows.num_rows)

    def hex(self) -> str:
        """Return the fingerprint, 64 hex digits."""
        return hashlib.sha256(b"".join(column.digest() for column in self._columns)).hexdigest()


@dataclass
class _Open:
    """The shard that is being filled: sums in bytes, and the digest over its members' rows."""

    first_row: int
    rows: int = 0
    payload: int = 0
    spans: int = 0
    lines: int = 0
    manifest: int = 0
    oversize: bool = False  # its one member is larger than a shard
    fingerprint: _Fingerprint = field(default_factory=_Fingerprint)
    files: list[pa.Table] = field(default_factory=list)  # its members' path and size, where it will be a folder


class ShardCutter:
    """Cuts one phase's rows into shards and keeps each shard's facts."""

    def __init__(self, config: Config, phase: PhaseOptions, *, after: int = 0, spent: int = 0) -> None:
        """Set out to cut `phase`. Raises InputError if shards.size has no room beside a bag's own files.

        after: the number of its last published shard. spent: bytes of its budget that published tars take.
        """
        self._config, self._phase, self._after = config, phase, after
        # A name and a bag-info.txt as long as any shard of this phase can have.
        self._sample = shard_name(config.collection.name, phase.name, MOST_SHARDS)
        self._sizing = TAR_SIZING if phase.container == "tar" else FILES_SIZING
        self._fixed = self._sizing.fixed(self._sample, len(self._bag_info(self._sample, 10**18, 10**9).encode()))
        room = config.shards.size - self._fixed
        if room < 1:
            raise InputError(
                "packager.toml: shards.size",
                f"{format_size(config.shards.size)} hold no file beside a bag's own {format_size(self._fixed)}",
            )
        self._fit = NextFit(room, self._fixed, phase.budget if phase.budget is None else phase.budget - spent)
        self._rows = 0
        self._open: _Open | None = None
        self.shards: list[PlannedShard] = []

    def cut(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the budget takes as rows of PLANNED."""
        for batch in _slices(batches):
            rows = pa.Table.from_batches([batch])
            members = records_jsonl.as_members(rows)
            lines = records_jsonl.record_lines(members)
            costs = self._sizing.costs(self._sample, members, pc.binary_length(lines).to_numpy().astype(np.int64))
            numbers = self._fit.place(costs.total)
            for number, first, stop in runs(numbers):
                self._add(
                    number,
                    rows.slice(first, stop - first),
                    lines.slice(first, stop - first),
                    costs.of_rows(first, stop),
                )
            rows = rows.slice(0, len(numbers))
            shard = pa.array(numbers, pa.int32())
            placed = rows.drop_columns("shard") if "shard" in rows.column_names else rows
            yield from placed.add_column(0, PLANNED.field("shard"), shard).cast(PLANNED).combine_chunks().to_batches()
            if self._fit.full:
                break
        self._close()

    def _add(self, number: int, rows: pa.Table, lines: pa.Array, costs: layout.MemberCosts) -> None:
        """Add rows, all of shard `number` (from 0), to the open shard, or open it."""
        if number == len(self.shards) + (self._open is not None):
            self._close()
            self._open = _Open(self._rows)
        held = self._open
        assert held is not None
        held.rows += rows.num_rows
        held.payload += int(costs.sizes.sum())
        held.spans += int(costs.spans.sum())
        held.lines += int(costs.lines.sum())
        held.manifest += int(costs.manifest.sum())
        held.oversize = held.oversize or int(costs.total.max()) > self._fit.room
        held.fingerprint.update(rows, lines)
        if self._phase.container == "folder":
            held.files.append(rows.select(["member", "size"]).rename_columns(["path", "size"]))
        self._rows += rows.num_rows
        if held.oversize and self._config.shards.large_files == "refuse":
            raise self._too_large(rows, costs)

    def _too_large(self, rows: pa.Table, costs: layout.MemberCosts) -> InputError:
        """Return the error that names the member that no shard holds."""
        row = int(np.argmax(costs.total))
        size = int(costs.sizes[row])
        return InputError(
            display_text(rows["path"][row].as_py()),
            f"its {format_size(size)} ({size} bytes) do not fit a shard of {format_size(self._config.shards.size)}",
            'raise shards.size, or set shards.large_files = "own-shard"',
        )

    def _close(self) -> None:
        """Fix the facts of the open shard."""
        held, self._open = self._open, None
        if held is None:
            return
        number = self._after + len(self.shards) + 1
        if number > MOST_SHARDS:
            raise InputError(
                f"packager.toml: phases {self._phase.name}",
                f"more than {count_of(MOST_SHARDS, 'shard')}",
                "raise shards.size, or part the phase",
            )
        name = shard_name(self._config.collection.name, self._phase.name, number)
        info = self._bag_info(name, held.payload, held.rows)
        size = self._sizing.size(name, len(info.encode()), held.spans, held.lines, held.manifest)
        piece_length, metainfo_size = self._torrent(name, size, held, len(info.encode()))
        self.shards.append(
            PlannedShard(
                name=name,
                phase=self._phase.name,
                number=number,
                first_row=held.first_row,
                rows=held.rows,
                payload=held.payload,
                size=size,
                piece_length=piece_length,
                oversize=held.oversize,
                bag_info=info,
                torrent_size=metainfo_size,
                fingerprint=held.fingerprint.hex(),
                container=self._phase.container,
            )
        )

    def _torrent(self, name: ShardName, size: int, held: _Open, bag_info_bytes: int) -> tuple[int, int]:
        """Return the piece length and the bytes of a shard's .torrent. Raises InputError for one that is too large."""
        options = self._config.torrents
        if self._phase.container == "tar":
            piece_length = options.piece_length or choose_piece_length(size, options.format)
            metainfo_size = torrent_size(f"{name}.tar", size, piece_length, options)
            fix = 'write a larger piece length, or "auto"'
        else:
            tags = layout.tag_sizes(bag_info_bytes, held.lines, held.manifest)
            piece_length, files = planned_files(pa.concat_tables(held.files), tags, options)
            metainfo_size = folder_torrent_size(name, files, piece_length, options)
            fix = 'lower shards.size, write a larger piece length, or keep the phase in tars: container = "tar"'
        if metainfo_size > LOADABLE:
            raise InputError(
                "packager.toml: torrents.piece_length",
                f"{format_size(piece_length)} give {name} a .torrent of {metainfo_size} bytes; clients load {LOADABLE}",
                fix,
            )
        return piece_length, metainfo_size

    def _bag_info(self, name: str, payload: int, rows: int) -> str:
        """Return a shard's bag-info.txt; no date and no tool, so that its bytes are the collection's alone."""
        facts = self._config.collection
        return bag.bag_info(
            {
                "External-Identifier": name,
                "External-Description": f"{facts.title}: {self._phase.title}",
                "Bag-Group-Identifier": facts.name,
                "Contact-Name": facts.contact,
                "Rights": facts.licence,
                "Source": facts.homepage,
                "Payload-Oxum": f"{payload}.{rows}",
            }
        )

    def phase(self, *, records: int, over_budget: int, kept: Sequence[PlannedShard] = ()) -> PlannedPhase:
        """Return the phase's facts. kept: its published shards that stay."""
        shards = (*kept, *self.shards)
        return PlannedPhase(
            name=self._phase.name,
            title=self._phase.title,
            content=self._phase.content,
            records=records,
            files=sum(shard.rows for shard in shards),
            payload=sum(shard.payload for shard in shards),
            over_budget=over_budget,
            shards=shards,
        )
