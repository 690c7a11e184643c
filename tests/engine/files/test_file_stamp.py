"""A file's stamp: one way to make it, one way to compare it, whatever time a file system stores."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.engine.files.file_stamp import FileStamp
from packager.engine.stores.base import StoreStat

MIN, MAX = -(1 << 63), (1 << 63) - 1


def status(size: int, mtime_ns: int, inode: int = 1) -> os.stat_result:
    """Return what os.stat says of a file with these facts."""
    fields = (0o100644, inode, 1, 1, 0, 0, size, 0, mtime_ns // 10**9, 0)
    return os.stat_result(fields, {"st_mtime_ns": mtime_ns, "st_mtime": float(mtime_ns // 10**9)})


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (MIN - 1, MIN),
        (MIN, MIN),
        (MIN + 1, MIN + 1),
        (-1, -1),
        (0, 0),
        (1_234_567_890_123_456_789, 1_234_567_890_123_456_789),
        (MAX - 1, MAX - 1),
        (MAX, MAX),
        (MAX + 1, MAX),
        (13_569_465_600 * 10**9, MAX),  # 2400
        (-(1 << 63) * 10**9, MIN),  # the first second that Linux can store
    ],
)
def test_a_time_beyond_64_bits_becomes_the_nearest_within(found: int, kept: int) -> None:
    assert FileStamp.of(status(5, found)) == FileStamp(5, kept, 1)
    assert FileStamp.bounded(5, found) == FileStamp(5, kept)


@given(st.integers(-(1 << 63) * 10**9, (1 << 63) * 10**9), st.integers(0, MAX), st.integers(0, (1 << 64) - 1))
def test_every_part_of_a_stamp_fits_64_bits_and_equals_itself(mtime_ns: int, size: int, inode: int) -> None:
    stamp = FileStamp.of(status(size, mtime_ns, inode))
    assert all(each is not None and MIN <= each <= MAX for each in stamp)
    assert stamp.difference(FileStamp.of(status(size, mtime_ns, inode))) == ""


def test_the_first_difference_is_reported_and_what_is_unknown_is_none() -> None:
    before = FileStamp(5, 7, 9)
    assert before.difference(FileStamp(6, 8, 9)) == "it has 6 bytes, not 5"
    assert before.difference(FileStamp(5, 8, 9)) == "it was written to"
    assert before.difference(FileStamp(5, 7, 8)) == "another file has its name"
    assert before.difference(FileStamp(5, None)) == FileStamp(5, None).difference(before) == ""
    assert FileStamp(5, 7).difference(before) == ""


@pytest.mark.parametrize("seconds", [13_569_465_600, -13_569_465_600, 0, 4_000_000_000])
def test_the_version_of_a_stored_file_is_a_stamp_too(seconds: int) -> None:
    one, other = StoreStat(3, seconds, "one").stamp, StoreStat(3, seconds, "other").stamp
    assert all(MIN <= (each.mtime_ns or 0) <= MAX and each.size == 3 for each in (one, other))
    assert bool(one.difference(other)) == (abs(seconds) < 9_223_372_036)
