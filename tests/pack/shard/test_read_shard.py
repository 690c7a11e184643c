"""The one pass writes the layout's bytes, hashes them as it goes, and leaves nothing of a shard that failed."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1, sha256
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings

from packager.engine.files.direct_writer import BUFFER, DirectWriter, Discard, Sink
from packager.engine.files.source_files import OpenSourceFile, SourceFile
from packager.engine.hashing.stream_hasher import Digests, StreamHasher
from packager.engine.hashing.tar_hasher import open_tar_hasher
from packager.engine.processes.worker_pool import TaskStopped
from packager.errors import IncompleteError
from packager.pack.shard.read_shard import read_shard
from packager.progress import Advance
from tests.helpers.strategies import MEMBER_ROWS, Sample, content, sample, samples

PIECE = 256 << 10
FIX = "; fix the file, or run packager release to take it as it is now"


def ignore(amount: int) -> None:
    """Take what is told and show nothing."""


def laid_out(root: Path, made: Sample) -> list[SourceFile]:
    """Write a sample's members as loose files and return them as the plan knows them."""
    members = []
    for row, data in enumerate(made.contents):
        path = root / f"{row}.flac"
        path.write_bytes(data)
        members.append(SourceFile(path.name.encode(), len(data), path.stat().st_mtime_ns, sha256(data).digest()))
    return members


def run(
    root: Path, made: Sample, members: list[SourceFile], sink: Sink, threads: int = 1, *, plain: bool = False
) -> tuple[bytes, Digests]:
    if plain:
        hashes = StreamHasher(made.layout.size, PIECE, v1=True, v2=True, flat=True)
    else:
        hashes = open_tar_hasher(made.layout.size, PIECE, v1=True, v2=True, flat=True, threads=threads)
    return read_shard(made.layout, members, root, hashes=hashes, sink=sink, advance=ignore, threads=threads)


def of_sizes(*sizes: int) -> Sample:
    rows = [{"id": str(n), "path": f"{n}.flac", "kind": "audio", "size": size} for n, size in enumerate(sizes)]
    return sample(pa.Table.from_pylist(rows, MEMBER_ROWS))


def check(root: Path, made: Sample) -> None:
    """Pack a sample to a tar and to nothing, by one thread and by one a hash, and compare with the layout's bytes."""
    members = laid_out(root, made)
    path = root / "s.tar"
    with DirectWriter(path, made.layout.size) as writer:
        found, digests = run(root, made, members, writer)
    tar = path.read_bytes()
    assert tar == made.tar
    with DirectWriter(path, made.layout.size) as writer:
        assert run(root, made, members, writer, threads=2) == (found, digests)
    assert path.read_bytes() == tar
    assert run(root, made, members, Discard(), threads=2) == (found, digests)
    for threads in (1, 2):
        assert run(root, made, members, Discard(), threads, plain=True) == (found, digests)
    assert found == made.digests
    assert digests.sha256 == sha256(tar).digest()
    assert digests.pieces == b"".join(sha1(tar[at : at + PIECE]).digest() for at in range(0, len(tar), PIECE))
    assert run(root, made, members, Discard()) == (found, digests)


@settings(max_examples=15)
@given(made=samples())
def test_the_tar_is_the_layout_s_bytes_and_hashing_alone_finds_the_same_digests(
    tmp_path_factory: pytest.TempPathFactory, made: Sample
) -> None:
    check(tmp_path_factory.mktemp("shard"), made)


@pytest.mark.parametrize(
    "sizes",
    [
        (),
        (0,),
        (5, 0),
        (0, 0, 7),
        (BUFFER,),
        (BUFFER - 3584 - 512 + 1,),
        (BUFFER + 1, 0, BUFFER - 1),
        (3 * BUFFER + 5, 1),
    ],
    ids=str,
)
def test_members_of_no_bytes_and_of_many_buffers_are_packed(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    check(tmp_path, of_sizes(*sizes))


def test_a_tar_that_ends_with_a_buffer_is_packed(tmp_path: Path) -> None:
    empty = of_sizes(0).layout.size
    made = of_sizes(2 * BUFFER - empty - 512)
    while made.layout.size < 2 * BUFFER:  # the size's digits stand in records.jsonl
        made = of_sizes(int(made.layout.sizes[0]) + 512)
    assert made.layout.size == 2 * BUFFER
    check(tmp_path, made)


def test_every_byte_of_the_tar_is_told_once(tmp_path: Path) -> None:
    made = of_sizes(BUFFER + 5, 0, 700)
    told: list[int] = []
    hashes = open_tar_hasher(made.layout.size, PIECE, v1=True, v2=False, flat=False)
    read_shard(made.layout, laid_out(tmp_path, made), tmp_path, hashes=hashes, sink=Discard(), advance=told.append)
    assert sum(told) == made.layout.size
    assert max(told) <= BUFFER


def shrink(path: Path) -> None:
    os.truncate(path, 3)


def rewrite(path: Path) -> None:
    path.write_bytes(content(7, path.stat().st_size))
    os.utime(path, ns=(0, 0))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shrink, "1.flac: changed since the scan: it has 3 bytes, not 9000000"),
        (rewrite, "1.flac: changed since the scan: it was written to"),
        (remove, "1.flac: No such file or directory"),
    ],
)
def test_a_member_that_changes_during_the_pass_is_named_and_no_tar_appears(
    tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    made = of_sizes(9_000_000, 9_000_000)
    members = laid_out(tmp_path, made)

    def advance(amount: int) -> None:
        if amount and not done:
            done.append(amount)
            change(tmp_path / "1.flac")

    done: list[int] = []
    path = tmp_path / "shards" / "s.tar"
    with pytest.raises(IncompleteError) as error:
        pack(path, made, members, tmp_path, advance)
    assert str(error.value) == sentence + FIX
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("size", [1, 511, BUFFER, 3 * BUFFER + 7])
def test_a_member_that_is_written_to_as_its_last_byte_is_read_is_named_and_no_tar_appears(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = of_sizes(size, 5)
    members = laid_out(tmp_path, made)
    really_read, left = OpenSourceFile.read, [size]

    def read(file: OpenSourceFile, offset: int, buffer: memoryview) -> int:
        got = really_read(file, offset, buffer)
        left[0] -= got
        if not left[0]:
            rewrite(tmp_path / "0.flac")
        return got

    monkeypatch.setattr(OpenSourceFile, "read", read)
    path = tmp_path / "shards" / "s.tar"
    with pytest.raises(IncompleteError, match=r"^0\.flac: changed since the scan: it was written to"):
        pack(path, made, members, tmp_path, ignore)
    assert os.listdir(path.parent) == []


def pack(path: Path, made: Sample, members: list[SourceFile], root: Path, advance: Advance) -> None:
    hashes = open_tar_hasher(made.layout.size, PIECE, v1=True, v2=True, flat=False)
    with DirectWriter(path, made.layout.size) as writer:
        read_shard(made.layout, members, root, hashes=hashes, sink=writer, advance=advance)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_hash_that_fails_stops_the_pass_and_no_tar_appears(tmp_path: Path, threads: int) -> None:
    made = of_sizes(60 * BUFFER)
    members = laid_out(tmp_path, made)
    hashes = StreamHasher(made.layout.size, PIECE, v1=True, v2=True, flat=False)
    broken = Broken(hashes, at=20)
    path = tmp_path / "shards" / "s.tar"
    before = threading.active_count()
    with pytest.raises(MemoryError), DirectWriter(path, made.layout.size) as writer:
        read_shard(made.layout, members, tmp_path, hashes=broken, sink=writer, advance=ignore, threads=threads)
    assert os.listdir(path.parent) == []
    assert threading.active_count() == before


class Broken(StreamHasher):
    """Hashes of which one fails at a buffer."""

    def __init__(self, hashes: StreamHasher, at: int) -> None:
        self._hashes, self._left = hashes, at

    @property
    def updates(self) -> list[Callable[[memoryview], None]]:
        return [*self._hashes.updates, self._fail]

    def _fail(self, data: memoryview) -> None:
        assert data
        self._left -= 1
        if self._left < 0:
            raise MemoryError


def test_a_member_that_shrinks_while_it_is_read_is_named_and_the_old_tar_stays(tmp_path: Path) -> None:
    made = of_sizes(3 * BUFFER)
    members = laid_out(tmp_path, made)
    path = tmp_path / "s.tar"
    path.write_bytes(b"old")
    with pytest.raises(IncompleteError) as error:
        pack(path, made, members, tmp_path, lambda _: shrink(tmp_path / "0.flac"))
    assert str(error.value) == f"0.flac: ended before its {3 * BUFFER} bytes" + FIX
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["0.flac", "s.tar"]


def test_a_member_of_other_bytes_than_the_records_file_says_is_named_and_no_tar_appears(tmp_path: Path) -> None:
    made = of_sizes(10, 20)
    members = laid_out(tmp_path, made)
    members[1] = replace(members[1], sha256=bytes(32))
    with pytest.raises(IncompleteError, match=r"^1\.flac: its SHA-256 is "):
        pack(tmp_path / "s.tar", made, members, tmp_path, ignore)
    assert not (tmp_path / "s.tar").exists()


def test_a_run_that_is_asked_to_stop_leaves_nothing(tmp_path: Path) -> None:
    made = of_sizes(3 * BUFFER)
    members = laid_out(tmp_path, made)

    def stop(amount: int) -> None:
        raise TaskStopped

    with pytest.raises(TaskStopped):
        pack(tmp_path / "shards" / "s.tar", made, members, tmp_path, stop)
    assert os.listdir(tmp_path / "shards") == []
