"""Pieces hashed side by side have the hashes that they have alone, in whatever order the disk is read."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.files.joined_files import FileRange, JoinedFiles
from packager.engine.hashing import interleaved_pieces
from packager.engine.hashing.interleaved_pieces import InterleavedPieces, PieceDigests

KIB = 1 << 10
BLOCK = 16 * KIB
DATA = b"".join(b"%08d" % number for number in range(80_000))  # of which no two blocks are alike


def nothing(size: int) -> None:
    """Tell nobody."""


def alone(data: bytes, length: int, used: Sequence[int]) -> list[PieceDigests]:
    """The hashes by the words of BEP 3 and BEP 52."""
    found = []
    for number, most in enumerate(used):
        piece = data[number * length : (number + 1) * length]
        blocks = [piece[at : min(at + BLOCK, most)] for at in range(0, most, BLOCK)]
        leaves = b"".join(hashlib.sha256(block).digest() for block in blocks)
        found.append(PieceDigests(hashlib.sha1(piece).digest(), leaves))
    return found


@pytest.fixture(params=["anywhere", "in order"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A disk without heads, and one with them. Windows are small, so that most do not hold whole pieces."""
    monkeypatch.setattr(JoinedFiles, "reads_anywhere", lambda *_: request.param == "anywhere")
    monkeypatch.setattr(interleaved_pieces, "_WINDOW", 16 * BLOCK)
    monkeypatch.setattr(interleaved_pieces, "CHUNK", 2 * BLOCK)
    return str(request.param)


@given(
    size=st.integers(1, len(DATA)),
    length=st.sampled_from([BLOCK, 2 * BLOCK, 4 * BLOCK, 8 * BLOCK]) | st.integers(9_000, 50_000),
    cuts=st.lists(st.integers(0, len(DATA)), max_size=8),
)
@settings(max_examples=30)
def test_pieces_of_many_files_have_the_hashes_that_they_have_alone(
    hasher: str, disk: str, tmp_path: Path, *, size: int, length: int, cuts: list[int]
) -> None:
    parts = []
    for number, (start, stop) in enumerate(pairwise([0, *sorted(min(cut, size) for cut in cuts), size])):
        path = tmp_path / str(number)
        path.write_bytes(b"before" + DATA[start:stop])
        parts.append(FileRange(os.fsencode(path), 6, stop - start))
    used = [min(length, size - start) for start in range(0, size, length)]
    told: list[int] = []
    with JoinedFiles(parts) as read:
        found = list(InterleavedPieces(size, length, used).hashed(read, told.append, v1=True, v2=True))
    assert found == alone(DATA[:size], length, used)
    assert sum(told) == size


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("sizes", [[100] * 20, [BLOCK + 1] * 17, [4 * BLOCK, 4 * BLOCK - 1, 1] * 6])
def test_zeros_behind_a_file_have_no_leaves(hasher: str, disk: str, tmp_path: Path, sizes: list[int], v1: bool) -> None:
    length, parts, data = 4 * BLOCK, [], b""
    for number, size in enumerate(sizes):
        (tmp_path / str(number)).write_bytes(DATA[number : number + size])
        parts += [FileRange(os.fsencode(tmp_path / str(number)), 0, size), FileRange(None, 0, length - size)]
        data += DATA[number : number + size] + bytes(length - size)
    expected = alone(data, length, sizes)
    if not v1:
        expected = [PieceDigests(b"", one.leaves) for one in expected]
    with JoinedFiles(parts) as read:
        assert list(InterleavedPieces(len(data), length, sizes).hashed(read, nothing, v1=v1, v2=True)) == expected


def test_a_file_that_is_gone_spoils_its_pieces_alone(hasher: str, disk: str, tmp_path: Path) -> None:
    length, parts = 3 * BLOCK, []
    for number in range(40):
        if number != 11:
            (tmp_path / str(number)).write_bytes(DATA[:length])
        parts.append(FileRange(os.fsencode(tmp_path / str(number)), 0, length))
    told: list[int] = []
    with JoinedFiles(parts) as read:
        found = list(InterleavedPieces(40 * length, length, [length] * 40).hashed(read, told.append, v1=True, v2=False))
    expected = hashlib.sha1(DATA[:length]).digest()
    assert [number for number, one in enumerate(found) if one.error or one.sha1 != expected] == [11]
    assert found[11].error
    assert found[11].error.filename == os.fsencode(tmp_path / "11")
    assert sum(told) == 39 * length


def test_what_is_in_memory_is_read_anywhere_and_what_is_not_there_is_not(tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:  # tmpfs does not say what is in memory: all of it is
        file.write(bytes(50_000))
        file.flush()
        try:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            pytest.skip("/var/tmp does not say what is in memory")
        with JoinedFiles([FileRange(os.fsencode(file.name), 0, 50_000), FileRange(None, 0, 9)]) as read:
            assert read.reads_anywhere([0, 49_999, 50_000])
    with JoinedFiles([FileRange(os.fsencode(tmp_path / "gone"), 0, 50_000)]) as read:
        assert not read.reads_anywhere([0])


def test_few_files_stay_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"%02d" % number)
    with JoinedFiles([FileRange(os.fsencode(tmp_path / str(number)), 0, 2) for number in range(100)]) as read:
        space = memoryview(bytearray(200))
        read(0, space)
        assert bytes(space) == b"".join(b"%02d" % number for number in range(100))
        assert len(os.listdir("/proc/self/fd")) < before + 40
    assert len(os.listdir("/proc/self/fd")) == before
