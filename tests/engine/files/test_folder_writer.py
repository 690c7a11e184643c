"""A stream of files becomes a folder, whole or absent, however its bytes come."""

import os
import random
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.shards.folder_layout import FolderLayout, folder_layout
from packager.engine.files.folder_writer import FolderWriter
from packager.model import ShardName
from tests.helpers.strategies import MEMBER_ROWS, content, members_tables, read


def made_of(members: pa.Table) -> tuple[FolderLayout, bytes, dict[str, bytes]]:
    """A layout, its stream, and its files by their paths."""
    made = folder_layout(ShardName("s"), "Source: a test\n", members, piece_length=512, aligned=True)
    contents = [content(row, size) for row, size in enumerate(members["size"].to_pylist())]
    digests = b"".join(sha256(data).digest() for data in contents)
    stream = read(list(made.segments(digests=digests)), contents)
    return made, stream, {path: stream[start : start + size] for path, start, size in made.files()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=15)
@given(members_tables(), st.lists(st.integers(0, 1 << 30), max_size=6))
def test_every_file_is_written_however_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory, members: pa.Table, cuts: list[int]
) -> None:
    made, stream, files = made_of(members)
    place = tmp_path_factory.mktemp("written") / "s"
    with FolderWriter(place, made) as writer:
        bounds = sorted({0, len(stream), *(cut % len(stream) for cut in cuts), *range(0, len(stream), 1 << 20)})
        for start, stop in pairwise(bounds):
            buffer = writer.buffer()
            buffer[: stop - start] = stream[start:stop]
            writer.put(buffer, stop - start)
        assert not place.exists()
    assert files_of(place) == files
    assert [path.name for path in place.parent.iterdir()] == ["s"]


def test_an_error_leaves_nothing_and_what_a_killed_run_left_is_in_no_way(tmp_path: Path) -> None:
    rows = [{"id": "1", "path": "a/b", "kind": "audio", "size": 1000}]
    made, stream, files = made_of(pa.Table.from_pylist(rows, MEMBER_ROWS))
    (tmp_path / ".s.folder" / "data").mkdir(parents=True)
    (tmp_path / ".s.folder" / "data" / "old").write_bytes(random.Random(1).randbytes(10))

    def stop_half_way() -> None:
        with FolderWriter(tmp_path / "s", made) as writer:
            writer.put(writer.buffer(), 100)
            raise KeyError

    with pytest.raises(KeyError):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []
    with FolderWriter(tmp_path / "s", made) as writer:
        buffer = writer.buffer()
        buffer[: len(stream)] = stream
        writer.put(buffer, len(stream))
    assert files_of(tmp_path / "s") == files


def test_every_file_and_folder_is_durable_before_the_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": name, "path": name, "kind": "audio", "size": size} for name, size in (("a/b", 1000), ("c", 0))]
    made, stream, files = made_of(pa.Table.from_pylist(rows, MEMBER_ROWS))
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))

    def note_rename(old: Path, new: Path) -> None:
        rename(old, new)
        done.append(f"now {new.name}")

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    with FolderWriter(tmp_path / "s", made) as writer:
        writer.buffer()[: len(stream)] = stream
        writer.put(writer.buffer(), len(stream))
    assert files_of(tmp_path / "s") == files
    named = done.index("now s")
    folders = {".s.folder", *(f".s.folder/{above}" for path in files for above in Path(path).parents if above.name)}
    assert set(done[:named]) >= {f".s.folder/{path}" for path in files} | folders
    assert done[named:] == ["now s", "."]
