"""Inspect a members table or a catalogue, each in both of its formats: totals and faults."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from packager.core.reports.inspection import CatalogueFacts, MembersFacts
from packager.core.reports.issues import IssueList
from packager.core.shards import build_tar_header
from packager.core.shards.portable_paths import PathChecks
from packager.engine.tables import jsonl_zst_reader, members_tsv, parquet, untrusted_parquet
from packager.model import CATALOGUE, KINDS, MEMBERS
from packager.paths import display_text, is_safe_path

_LINE = msgspec.json.Decoder(dict[str, object])


def inspect_members(path: Path, faults: IssueList) -> MembersFacts:
    """Return a members table's totals. Raises InputError as read_untrusted_batches does."""
    with parquet.open_table(path) as file:
        groups, columns = file.num_row_groups, tuple(display_text(name, 100) for name in file.schema_arrow.names)
    return _totals(untrusted_parquet.read_untrusted_batches(path, MEMBERS), groups, columns, faults)


def inspect_member_lines(path: Path, faults: IssueList) -> MembersFacts:
    """Return the totals of a members table as text. Raises InputError as read_members_tsv does."""
    return _totals(_with_kinds(members_tsv.read_members_tsv(path), faults), 0, tuple(members_tsv.ROWS.names), faults)


def _with_kinds(batches: Iterable[pa.RecordBatch], faults: IssueList) -> Iterator[pa.RecordBatch]:
    """Yield rows of members_tsv.ROWS with the kind from the record; add records that contradict their line."""
    first = 1
    for batch in batches:
        kinds = []
        columns = (batch[name].to_pylist() for name in ("line", "id", "path", "size"))
        for number, (line, *said) in enumerate(zip(*columns, strict=True), first):
            record = _object(line.encode(), number, faults) or {}
            kinds.append(str(record.get("kind", "")))
            if record and [record.get(name) for name in ("id", "path", "size")] != said:
                faults.add(f"line {number}", "its record has another id, path or size than the line")
        yield batch.append_column("kind", pa.array(kinds, pa.string()))
        first += batch.num_rows


def _totals(
    batches: Iterable[pa.RecordBatch], groups: int, columns: tuple[str, ...], faults: IssueList
) -> MembersFacts:
    """Return the totals of rows that have an id, path, offset, size and kind; add their faults."""
    rows = payload = 0
    kinds: dict[str, int] = {}
    checks, ids, places = PathChecks(), set[int](), []
    for batch in batches:
        _check_paths(batch, rows, checks, faults)
        _check_ids(batch, rows, ids, faults)
        places.append(batch.select(["offset", "size"]))
        payload += sum(max(0, size) for size in batch["size"].to_pylist())
        for counted in pc.value_counts(batch["kind"]).to_pylist():
            kind = display_text(counted["values"], 40)
            kinds[kind] = kinds.get(kind, 0) + counted["counts"]
        rows += batch.num_rows
    if places:
        _check_places(pa.Table.from_batches(places), faults)
    for kind in kinds.keys() - set(KINDS):
        faults.add("kind", f'"{kind}" is not one of {", ".join(KINDS)}')
    return MembersFacts(rows=rows, row_groups=groups, payload=payload, kinds=kinds, columns=columns)


def _check_paths(batch: pa.RecordBatch, first: int, checks: PathChecks, faults: IssueList) -> None:
    """Add invalid member paths, and paths that occur twice."""
    for at, name in enumerate(batch["path"].to_pylist(), first + 1):
        if not is_safe_path(name):
            faults.add(f"row {at}", f'"{display_text(name)}" cannot be the path of a member')
        faults.add_all(f"row {at}", checks.clashes(name))


def _check_ids(batch: pa.RecordBatch, first: int, ids: set[int], faults: IssueList) -> None:
    """Add ids that occur twice. ids: hashes of the ids before these."""
    for at, own_id in enumerate(batch["id"].to_pylist(), first + 1):
        if hash(own_id) in ids:
            faults.add(f"row {at}", f'the id "{display_text(own_id, 100)}" occurs twice')
        ids.add(hash(own_id))


def _check_places(places: pa.Table, faults: IssueList) -> None:
    """Add members whose offset is possible neither in a tar nor in a folder; the table does not say which it is."""
    end = 0
    wrong = []
    for at, (start, size) in enumerate(_rows(places), 1):
        if size < 0 or start < 0:
            faults.add(f"row {at}", f"its offset of {start} or its size of {size} bytes is below 0")
            continue
        if start % build_tar_header.BLOCK or start < end + build_tar_header.BLOCK:
            wrong.append((at, start))
        end = start + size
    if wrong and _overlap(places):
        for at, start in wrong:
            faults.add(f"row {at}", f"its offset {start} cannot be the start of data in a tar")


def _overlap(places: pa.Table) -> bool:
    """Return whether two members overlap; in a folder they are in any order and have no headers."""
    end = 0
    for start, size in _rows(places.sort_by("offset")):
        if size > 0 and start < end:
            return True
        end = max(end, start + size)
    return False


def _rows(places: pa.Table) -> Iterator[tuple[int, int]]:
    """Return offset and size of each row."""
    for batch in places.to_batches():
        yield from zip(batch["offset"].to_pylist(), batch["size"].to_pylist(), strict=True)


def is_catalogue(path: Path) -> bool:
    """Return whether a Parquet file contains records and not members. Raises InputError."""
    with parquet.open_table(path) as file:
        names = set(file.schema_arrow.names)
    return {"id", "title"} <= names and not {"offset", "sha256"} & names


def inspect_catalogue_table(path: Path, faults: IssueList) -> CatalogueFacts:
    """Return a Parquet catalogue's totals. Raises InputError as read_untrusted_batches does."""
    with parquet.open_table(path) as file:
        groups, names = file.num_row_groups, set(file.schema_arrow.names)
    records, ids = 0, set[int]()
    for batch in untrusted_parquet.read_untrusted_batches(
        path, pa.schema([field for field in CATALOGUE if field.name in names])
    ):
        _check_ids(batch, records, ids, faults)
        records += batch.num_rows
    return CatalogueFacts(records=records, row_groups=groups)


def inspect_catalogue(path: Path, faults: IssueList) -> CatalogueFacts:
    """Return the totals of a catalogue of JSON lines. Raises InputError as read_jsonl_zst does."""
    records = unpacked = frames = 0
    for frame in jsonl_zst_reader.read_jsonl_zst(path):
        frames += 1
        unpacked += len(frame)
        if not frame.endswith(b"\n"):
            faults.add(f"frame {frames}", "does not end with a complete line")
        lines = frame.splitlines()
        records += len(lines)
        _check_lines(lines, records - len(lines) + 1, faults)
    return CatalogueFacts(records=records, frames=frames, unpacked=unpacked)


def _check_lines(lines: list[bytes], first: int, faults: IssueList) -> None:
    """Add lines that are not JSON objects."""
    for number, line in enumerate(lines, first):
        _object(line, number, faults)


def _object(line: bytes, number: int, faults: IssueList) -> dict[str, object] | None:
    """Return the JSON object of a line; add a fault if it is not one."""
    try:
        return _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        faults.add(f"line {number}", f"is not a JSON object ({str(error)[:200]})")
        return None
