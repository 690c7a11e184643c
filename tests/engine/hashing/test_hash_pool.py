"""Pieces and files are checked alike on one process and on several; what cannot be read is told; the rate holds."""

import errno
import hashlib
import os
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import merkle
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing import hash_pool, interleaved_pieces
from packager.engine.hashing.check_tasks import FileCheck, FileDigestCheck, Finding, PieceCheck, run_check
from packager.engine.hashing.hash_pool import HashPool
from packager.engine.hashing.stream_hasher import StreamHasher


def nothing(size: int) -> None:
    """Tell nobody."""


def span_of(path: Path, data: bytes, piece_length: int, *, v2: bool) -> PieceCheck:
    """The task of all of a file, with hashes that a pass over it found."""
    one_pass = StreamHasher(len(data), piece_length, v1=not v2, v2=v2, flat=False)
    one_pass.update(memoryview(data))
    digests = one_pass.finish()
    single = len(data) <= piece_length
    width = merkle.power_of_two(-(-len(data) // merkle.BLOCK)) if single else piece_length // merkle.BLOCK
    expected = (digests.pieces_root if single else digests.layer) if v2 else digests.pieces
    assert expected
    return PieceCheck((FileRange(os.fsencode(path), 0, len(data)),), piece_length, width if v2 else 0, expected)


@given(
    size=st.integers(1, 300_000) | st.sampled_from([1 << 20, (1 << 20) + 1, 3 << 19, 2_200_000]),
    length=st.sampled_from([16384, 32768, 1 << 18, 1 << 20, 1 << 21]),
    v2=st.booleans(),
    at=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=40)
def test_a_span_finds_the_one_piece_that_was_changed(
    tmp_path_factory: pytest.TempPathFactory, size: int, length: int, v2: bool, at: float
) -> None:
    path = tmp_path_factory.mktemp("span") / "file"
    data = bytearray(random.Random(size).randbytes(size))
    span = span_of(path, bytes(data), length, v2=v2)
    path.write_bytes(data)
    assert run_check(span, nothing) == []
    data[int(at * size)] ^= 1
    path.write_bytes(data)
    assert run_check(span, nothing) == [Finding(int(at * size) // length, "bad", "")]


def test_a_span_goes_over_files_and_zeros_and_reads_on_behind_what_is_gone(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(90_000)
    cuts = [(0, 30_000), (30_000, 30_010), (30_010, 90_000)]
    parts = []
    for number, (start, stop) in enumerate(cuts):
        (tmp_path / str(number)).write_bytes(b"before" + data[start:stop])
        parts.append(FileRange(os.fsencode(tmp_path / str(number)), 6, stop - start))
    parts.append(FileRange(None, 0, 8304))
    whole = data + bytes(8304)
    expected = b"".join(hashlib.sha1(whole[at : at + 10_000]).digest() for at in range(0, len(whole), 10_000))
    span = PieceCheck(tuple(parts), 10_000, 0, expected)
    told: list[int] = []
    assert run_check(span, told.append) == []
    assert sum(told) == len(whole)
    (tmp_path / "1").unlink()
    assert run_check(span, nothing) == [Finding(3, "unreadable", "No such file or directory")]
    os.truncate(tmp_path / "2", 40_000)
    found = run_check(span, nothing)
    assert [each.index for each in found] == [3, 7, 8]
    assert found[1].what == "ends at byte 40000"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/mem is how a read fails here with EIO")
def test_a_piece_that_the_system_cannot_read_is_one_fault_and_reading_goes_on_behind_it(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_bytes(bytes(50_000))
    parts = (FileRange(path, 0, 25_000), FileRange(b"/proc/self/mem", 0, 10_000), FileRange(path, 25_000, 25_000))
    expected = hashlib.sha1(bytes(10_000)).digest() * 6
    words = f"cannot be read at byte {{}} ({os.strerror(errno.EIO)})"
    assert run_check(PieceCheck(parts, 10_000, 0, expected), nothing) == [
        Finding(2, "unreadable", words.format(0)),
        Finding(3, "unreadable", words.format(5000)),
    ]


def test_files_are_held_against_every_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    os.mkfifo(tmp_path / "fifo")
    sums = (("sha256", hashlib.sha256(b"a").digest()), ("md5", hashlib.md5(b"a").digest()))
    wrong = (sums[0], ("md5", bytes(16)))
    files = [("a", sums), ("a", wrong), ("fifo", sums), ("gone", sums)]
    batch = FileCheck(tuple(FileDigestCheck(os.fsencode(tmp_path / name), 1, digests) for name, digests in files))
    assert [(each.index, each.verdict) for each in run_check(batch, nothing)] == [
        (1, "bad"),
        (2, "unreadable"),
        (3, "unreadable"),
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_processes_finds_the_same(tmp_path: Path, count: int) -> None:
    data = bytearray(random.Random(2).randbytes(3_000_000))
    path = tmp_path / "file"
    span = span_of(path, bytes(data), 32768, v2=True)
    data[1_000_000] ^= 1
    path.write_bytes(data)
    tasks = [
        (
            first,
            PieceCheck(
                (FileRange(os.fsencode(path), 32768 * first, min(32768, len(data) - 32768 * first)),), 32768, 2, digest
            ),
        )
        for first in range(-(-len(data) // 32768))
        for digest in [span.expected[32 * first : 32 * first + 32]]
    ]
    told: list[int] = []
    with HashPool(count) as running:
        found = {key: findings for key, _, findings in running.run(iter(tasks), told.append)}
    assert sorted(found) == list(range(len(tasks)))
    assert [key for key, findings in found.items() if findings] == [1_000_000 // 32768]
    assert sum(told) == len(data)


def test_pipes_never_block_each_other_when_every_piece_of_the_largest_tasks_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, hash_pool.MOST * 16384)
    part = FileRange(os.fsencode(path), 0, hash_pool.MOST * 16384)
    task = PieceCheck((part,), 16384, 1, random.Random(1).randbytes(32 * hash_pool.MOST))
    with HashPool(2) as running:
        found = [len(findings) for _, _, findings in running.run(((at, task) for at in range(12)), nothing)]
    assert found == [hash_pool.MOST] * 12


def test_the_rate_holds_by_a_clock_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(hash_pool.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    paced = hash_pool._paced(nothing, 1000, lambda: now[0])
    for _ in range(50):
        paced(100)
    assert now[0] == pytest.approx(5.0)
    now[0] += 60  # the disk slept: what it missed is made up for one second at most
    for _ in range(50):
        paced(100)
    assert now[0] == pytest.approx(69.0)


def test_a_slow_rate_is_kept_by_one_process() -> None:
    assert HashPool(8, 100 << 20).count == 1
    assert HashPool(8).count == 8


def test_a_chunk_is_whole_blocks() -> None:
    assert interleaved_pieces.CHUNK % merkle.BLOCK == 0
