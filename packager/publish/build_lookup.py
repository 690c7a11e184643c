"""Builds the lookup index of a release from its members tables: lookup.json and lookup/*.bin.

DuckDB sorts the keys by their hash, and the sorted keys are divided into buckets of one size. The same tables and
withdrawals make the same bytes, so the index is rebuilt only if those changed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.releases import documents
from packager.core.releases.lookup_index import (
    BUCKET_KEYS,
    EMPTY,
    LOOKUP,
    NUMBERS,
    PART_BYTES,
    SAME_KEY,
    SLOT,
    Lookup,
    bucket_numbers,
)
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import write_error
from packager.engine.project.project import Project
from packager.engine.tables import sql
from packager.model import PublishedFile, Release, ReleaseShard
from packager.progress import Progress

_CURRENT_ID = "coalesce(current_id, members.id)"
_RULE = "1"  # version of the rules below; a change rebuilds every index
_KEYS = pa.schema([("hash", pa.uint64()), ("shard", pa.uint32()), ("row", pa.uint32())])
_KEY = np.dtype([("hash", "<u8"), ("shard", "<u4"), ("row", "<u4")])
_BLOCK = 1 << 20  # keys in memory at once


@dataclass(frozen=True)
class LookupInputs:
    """The inputs of an index: shards in the release's order, and ids of withdrawn records."""

    shards: Sequence[ReleaseShard]
    withdrawn: Sequence[str]
    phases: Sequence[str]

    @property
    def mark(self) -> str:
        """Return a digest of the inputs, in hex."""
        digest = hashlib.sha256(_RULE.encode())
        shards = (f"{shard.name} {shard.since} {shard.members_table.sha256}" for shard in self.shards)
        for text in (*self.phases, "", *self.withdrawn, "", *shards):
            digest.update(text.encode() + b"\0")
        return digest.hexdigest()


def publish_lookup(project: Project, release: Release, built: Path, progress: Progress) -> list[PublishedFile]:
    """Put the index of a release into the new site, and return the facts of its files.

    Withdrawn records and obsolete shards are left out. Without members there is no index. Memory: DuckDB's limit and
    about 50 MB. Raises IncompleteError if a file cannot be read or written.
    """
    inputs = LookupInputs(
        [shard for shard in release.shards if not shard.obsolete],
        sorted(withdrawal.id for withdrawal in release.in_force),
        [phase.name for phase in release.phases],
    )
    if not inputs.shards:
        return []
    folder = project.state / "lookup"
    made = _existing_index(folder, inputs.mark) or build_lookup(
        _tables(project, inputs), inputs.withdrawn, folder, inputs.mark, progress
    )
    if not made.keys:
        return []
    last = inputs.shards[-1]
    magnet = parse_magnet(last.magnet)
    document = documents.to_bytes(
        Lookup(
            format=documents.FORMAT,
            type="lookup",
            collection=release.collection.name,
            serial=release.serial,
            keys=made.keys,
            buckets=made.buckets,
            slots=made.slots,
            part_buckets=made.part_buckets,
            parts=made.parts,
            phases=tuple(inputs.phases),
            trackers=magnet.trackers,
            web_seeds=tuple(_folder_of(address, last.file) for address in magnet.web_seeds),
        )
    )
    try:
        for part in made.parts:
            (built / part.path).parent.mkdir(exist_ok=True)
            atomic_files.link(folder / Path(part.path).name, built / part.path)
        (built / LOOKUP).write_bytes(document)
    except OSError as error:
        raise write_error(error, built / LOOKUP, len(document) + sum(part.size for part in made.parts)) from error
    return [
        *made.parts,
        PublishedFile(path=LOOKUP, size=len(document), sha256=documents.digest(document)),
    ]


def _folder_of(address: str, file: str) -> str:
    """Return the web seed for a file at an address (BEP 19)."""
    return address.removesuffix(file) if address.endswith(f"/{file}") else address


def _existing_index(folder: Path, mark: str) -> Lookup | None:
    """Return the existing index if it has the wanted mark, else None."""
    try:
        if (folder / "mark").read_text() != mark:
            return None
        made = documents.from_bytes((folder / LOOKUP).read_bytes(), Lookup, folder / LOOKUP)
        complete = all((folder / Path(part.path).name).stat().st_size == part.size for part in made.parts)
    except FileNotFoundError:
        return None
    return made if complete else None


@dataclass(frozen=True)
class MembersTable:
    """A members table. shard: its number in slots. since: larger is newer; if equal, the later table is newer."""

    path: Path
    shard: int
    since: int


def _tables(project: Project, inputs: LookupInputs) -> list[MembersTable]:
    """Return the tables of an index, with their present paths."""
    return [
        MembersTable(
            project.listed_table(shard.name, shard.members_table.sha256),
            inputs.phases.index(shard.phase) * NUMBERS + shard.number,
            shard.since,
        )
        for shard in inputs.shards
    ]


def build_lookup(
    tables: Sequence[MembersTable], withdrawn: Sequence[str], folder: Path, mark: str, progress: Progress
) -> Lookup:
    """Build an index in a new folder, durably. The mark is written last; the release's own facts are left empty.

    folder: its parent contains the tables. mark: identifies this index; the names of its parts begin with it.
    Raises IncompleteError.
    """
    atomic_files.remove_tree(folder)
    atomic_files.make_folder(folder)
    keys = folder / "keys"
    progress.begin("Indexing", None, "key")
    with closing(sql.open_database(folder.parent)) as database:
        database.register("withdrawn", pa.table({"id": pa.array(withdrawn, pa.string())}))
        count = _sort_keys(database, _query(tables), keys, progress)
    made = _write_index(keys, count, folder, mark)
    progress.end()
    keys.unlink()
    atomic_files.write_bytes(folder / LOOKUP, documents.to_bytes(made))
    atomic_files.write_bytes(folder / "mark", mark.encode())
    return made


def _query(tables: Sequence[MembersTable]) -> str:
    """Return the SQL for (hash, shard, row) of every key of every member, ordered by hash, newest shard first."""
    rows = f"{sql.parquet(table.path for table in tables)} AS members"
    newest_first = sorted(range(len(tables)), key=lambda nth: (tables[nth].since, nth), reverse=True)
    listed = ", ".join(f"({nth}, {tables[nth].shard}, {rank})" for rank, nth in enumerate(newest_first))
    names = ", ".join(map(_normal, (_CURRENT_ID, "path", "source_path", "current_path")))
    return f"""
        WITH shards(nth, shard, rank) AS (VALUES {listed}),
        keys AS (
            SELECT unnest(list_distinct([{names}, {_isrc("isrc")}])) AS key, file_index AS nth, file_row_number AS row
            FROM {rows} ANTI JOIN withdrawn ON {_CURRENT_ID} = withdrawn.id
        )
        SELECT ('0x' || substr(sha256(key), 1, 16))::UBIGINT AS hash, shard, row
        FROM keys JOIN shards USING (nth)
        ORDER BY hash, rank, row
    """  # noqa: S608 (paths of ours, quoted)


def _isrc(column: str) -> str:
    """Return the SQL of lookup_index.isrc for a column: NULL if it has no ISRC."""
    bare = f"replace(replace({column}, '-', ''), ' ', '')"
    return f"CASE WHEN regexp_full_match({bare}, '[A-Za-z]{{2}}[A-Za-z0-9]{{3}}[0-9]{{7}}') THEN upper({bare}) END"


def _normal(column: str) -> str:
    """Return the SQL of lookup_index.normal for a column."""
    return f"coalesce({_isrc(column)}, {column})"


def _sort_keys(database: sql.Database, text: str, path: Path, progress: Progress) -> int:
    """Write the sorted keys to a file, at most SAME_KEY for each hash, and return their number."""
    count = 0
    last = np.empty(0, np.uint64)
    try:
        with open(path, "wb") as file:
            for batch in sql.run_batches(database, text, _KEYS):
                rows = np.empty(batch.num_rows, _KEY)
                for name in _KEYS.names:
                    rows[name] = batch[name].to_numpy()
                seen = np.concatenate([last, rows["hash"]])
                kept = rows[_is_kept(seen)[len(last) :]]
                last = seen[-SAME_KEY:]
                file.write(kept.tobytes())
                count += len(kept)
                progress.advance(len(kept))
    except OSError as error:
        raise write_error(error, path, count * _KEY.itemsize) from error
    return count


def _is_kept(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which of the sorted hashes have fewer than SAME_KEY equal ones before them."""
    kept = np.ones(len(hashes), bool)
    kept[SAME_KEY:] = hashes[SAME_KEY:] != hashes[:-SAME_KEY]
    return kept


def part_buckets(slots: int) -> int:
    """Return how many buckets a part has, if each has `slots` slots."""
    return max(1, PART_BYTES // max(1, slots * SLOT.itemsize))


def _write_index(keys: Path, count: int, folder: Path, mark: str) -> Lookup:
    """Write the sorted keys as buckets of one size, in parts. Memory: 24 bytes for each bucket and about 50 MB."""
    rows: npt.NDArray[np.void] = np.memmap(keys, _KEY, "r") if count else np.empty(0, _KEY)
    counts = _bucket_counts(rows, -(-count // BUCKET_KEYS))
    slots = int(counts.max(initial=0))
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = []
    for number, first in enumerate(range(0, len(counts), part_buckets(slots)), 1):
        path = folder / f"{mark[:8]}-{number:05d}.bin"
        digest = hashlib.sha256()
        with atomic_files.replace_file(path) as file:
            for data in _buckets(rows, starts, slots, range(first, min(len(counts), first + part_buckets(slots)))):
                file.write(data)
                digest.update(data)
            size = file.tell()
        parts.append(PublishedFile(path=f"lookup/{path.name}", size=size, sha256=digest.hexdigest()))
    return Lookup(
        format=documents.FORMAT,
        type="lookup",
        collection="",
        serial=0,
        keys=count,
        buckets=len(counts),
        slots=slots,
        part_buckets=part_buckets(slots),
        parts=tuple(parts),
        phases=(),
        trackers=(),
        web_seeds=(),
    )


def _bucket_counts(rows: npt.NDArray[np.void], buckets: int) -> npt.NDArray[np.int64]:
    """Return how many keys each bucket has."""
    counts = np.zeros(buckets, np.int64)
    for start in range(0, len(rows), _BLOCK):
        numbers = bucket_numbers(rows["hash"][start : start + _BLOCK], buckets)
        counts[numbers[0] : numbers[-1] + 1] += np.bincount(numbers - numbers[0])
    return counts


def _buckets(rows: npt.NDArray[np.void], starts: npt.NDArray[np.int64], slots: int, wanted: range) -> Iterator[bytes]:
    """Yield the bytes of the buckets `wanted`, some at a time. starts: the first key of each bucket, and the end."""
    at_once = max(1, _BLOCK // slots)
    for first in range(wanted.start, wanted.stop, at_once):
        stop = min(wanted.stop, first + at_once)
        keys = rows[starts[first] : starts[stop]]
        numbers = bucket_numbers(keys["hash"], len(starts) - 1)
        places = (numbers - first) * slots + np.arange(starts[first], starts[stop]) - starts[numbers]
        table = np.full(3 * (stop - first) * slots, EMPTY, "<u4").view(SLOT)
        table["mark"][places] = (keys["hash"] & np.uint64(0xFFFFFFFF)).astype("<u4")
        table["shard"][places] = keys["shard"]
        table["row"][places] = keys["row"]
        yield table.tobytes()
