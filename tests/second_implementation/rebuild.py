"""A shard written again from its manifest, its members' rows and its members' bytes (sections 15 and 21).

The rows are those of NAME.members.tsv.zst: id, path, offset, size, sha256, and the line of records.jsonl. No
Parquet reader is needed.
"""

import hashlib
import json
import os
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.second_implementation import bag, tar
from tests.second_implementation.problems import must, same
from tests.second_implementation.stream import Segment, Slice, read, size_of
from tests.second_implementation.torrent import File, pads, stream_order

Row = dict[str, Any]
Find = Callable[[Row], Segment]


def in_tar(path: Path) -> Find:
    """Return where members are in a tar that exists."""
    return lambda row: Slice(path, row["offset"], row["size"])


def in_folder(folder: Path) -> Find:
    """Return where members are in a shard that is a folder, or in an unpacked bag."""
    return lambda row: Slice(folder / "data" / row["path"], 0, row["size"])


def in_source(folder: Path) -> Find:
    """Return where members are in the collection's folder: at their source paths."""

    def find(row: Row) -> Segment:
        record = json.loads(row["line"])
        raw = record.get("source_path_b64")
        name = os.fsdecode(b64decode(raw)) if raw else record.get("source_path") or row["path"]
        return Slice(folder / name, 0, row["size"])

    return find


def check_members(rows: Sequence[Row], find: Find) -> None:
    """Check every member's bytes against its size and SHA-256."""
    for row in rows:
        segment = find(row)
        if isinstance(segment, Slice) and not segment.start:
            same(segment.path.stat().st_size, row["size"], f"the size of {row['path']}")
        digest = hashlib.sha256()
        for data in read(segment):
            digest.update(data)
        same(digest.hexdigest(), row["sha256"], f"the SHA-256 of {row['path']}")


def tag_files(manifest: Row, rows: Sequence[Row]) -> dict[str, bytes]:
    """Return the shard's tag files by name."""
    must(not manifest.get("withdrawn"), "members were withdrawn, so the shard cannot be rebuilt")
    lines = (row["line"] for row in rows)
    return bag.tag_files(manifest["bag_info"], lines, [(row["sha256"], row["path"]) for row in rows])


def tar_segments(manifest: Row, rows: Sequence[Row], find: Find) -> Iterator[Segment]:
    """Yield a tar from its first byte to its last. WrongError where a member is not at its offset."""
    name, files, at = manifest["name"], tag_files(manifest, rows), 0

    def entry(path: str, data: Segment) -> Iterator[Segment]:
        yield tar.header(f"{name}/{path}", size_of(data))
        yield data
        yield tar.padding(size_of(data))

    for path in bag.BEFORE:
        for segment in entry(path, files[path]):
            at += size_of(segment)
            yield segment
    for row in rows:
        parts = list(entry(f"data/{row['path']}", find(row)))
        same(at + size_of(parts[0]), row["offset"], f"the offset of {row['path']}")
        at += sum(map(size_of, parts))
        yield from parts
    for path in bag.AFTER:
        for segment in entry(path, files[path]):
            at += size_of(segment)
            yield segment
    yield tar.END
    same(at + len(tar.END), manifest["size"], "the size of the tar")


def folder_files(manifest: Row, rows: Sequence[Row], find: Find, *, aligned: bool) -> list[File]:
    """Return the files of a shard that is a folder in the stream's order; WrongError for a wrong offset or size."""
    files: dict[str, Segment] = dict(tag_files(manifest, rows))
    files |= {f"data/{row['path']}": find(row) for row in rows}
    ordered = sorted(files.items(), key=lambda file: stream_order(file[0]))
    at, starts = 0, {}
    for (path, data), zeros in zip(ordered, pads(ordered, manifest["piece_length"], aligned=aligned), strict=True):
        starts[path] = at
        at += size_of(data) + zeros
    for row in rows:
        same(row["offset"], starts[f"data/{row['path']}"], f"the offset of {row['path']}")
    same(sum(size_of(data) for _, data in ordered), manifest["size"], "the size of the folder")
    return ordered
