"""Many messages at once have the digests that hashlib finds one by one, whatever hashes them."""

import hashlib
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.native import hashes
from packager.native.hashes import LANES, Sha1Lanes, StreamHashes, sha256_blocks

DATA = bytes(number * number * 7 % 251 for number in range(1 << 17))
SIZES = st.integers(1, 300) | st.sampled_from([1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 2048])

several = settings(max_examples=60)


@given(count=st.integers(0, 40), size=SIZES, rest=st.integers(0, 300), at=st.integers(0, 130))
@several
def test_blocks_have_the_sha256_that_hashlib_finds(hasher: str, count: int, size: int, rest: int, at: int) -> None:
    data = DATA[at : at + count * size + rest % size]
    expected = b"".join(hashlib.sha256(data[start : start + size]).digest() for start in range(0, len(data), size))
    assert sha256_blocks(data, size) == expected
    assert sha256_blocks(bytearray(data), size) == expected
    assert sha256_blocks(memoryview(DATA)[at : at + len(data)], size) == expected
    assert sha256_blocks(memoryview(bytearray(DATA))[at : at + len(data)], size) == expected


@given(
    count=st.integers(1, LANES),
    steps=st.lists(st.integers(1, 5).map(lambda blocks: 64 * blocks), max_size=4),
    last=st.integers(0, 300),
    at=st.integers(0, 70),
)
@several
def test_messages_side_by_side_have_the_sha1_that_hashlib_finds(
    hasher: str, count: int, steps: list[int], last: int, at: int
) -> None:
    lanes, expected = Sha1Lanes(count), [hashlib.sha1() for _ in range(count)]
    for size in [*steps, *([last] if last else [])]:
        window = memoryview(bytearray(DATA[at : at + count * size]))
        lanes.update(window, size)
        for row, state in enumerate(expected):
            state.update(window[row * size : (row + 1) * size])
        at += 1
    assert lanes.digests() == b"".join(state.digest() for state in expected)


def test_blocks_of_16_kib_and_long_messages_hash_alike(hasher: str) -> None:
    data = bytearray(DATA * 4)
    expected = b"".join(hashlib.sha256(data[at : at + 16384]).digest() for at in range(0, len(data), 16384))
    assert sha256_blocks(data, 16384) == expected
    lanes = Sha1Lanes(LANES)
    for at in range(0, len(data), len(data) // 4):
        lanes.update(memoryview(data)[at : at + len(data) // 4], len(data) // 4 // LANES)
    rows = [
        b"".join(bytes(data[part : part + 8192]) for part in range(8192 * row, len(data), len(data) // 4))
        for row in range(LANES)
    ]
    assert lanes.digests() == b"".join(hashlib.sha1(row).digest() for row in rows)


def test_the_environment_can_ask_for_hashlib(monkeypatch: pytest.MonkeyPatch, afresh: None) -> None:
    monkeypatch.setenv("PACKAGER_HASHES", "hashlib")
    assert (hashes.lanes(), hashes.name()) == (1, "hashlib")


@given(
    sizes=st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 3)), max_size=12),
    piece_length=st.sampled_from([0, 16384, 32768]),
    leaves=st.booleans(),
    cuts=st.lists(st.integers(0, 3_000), max_size=6),
)
@several
def test_a_stream_has_the_digests_that_hashlib_finds_however_it_is_cut(
    sizes: list[tuple[int, int]], piece_length: int, leaves: bool, cuts: list[int]
) -> None:
    if not hashes.has_streams():
        pytest.skip("packager/native/hashes.c was not compiled, or this processor has no SHA instructions")
    messages, at = [], 0
    for size, gap in sizes:
        at += 64 * gap
        messages.append((at, at + size))
        at += -(-size // 64) * 64
    data = (DATA * 4)[:at]
    stream = StreamHashes(piece_length, leaves=leaves)
    found = [b"", b"", b""]
    for start, stop in pairwise([0, *sorted(64 * min(cut, at // 64) for cut in cuts), at]):
        spans = array("Q")
        for first, end in messages:
            if (start < end and first < stop) or (first == end and start <= first < stop):
                spans.extend((max(first, start) - start, min(end, stop) - start, end <= stop))
        ended = stream.update(memoryview(bytearray(data[start:stop])), spans)
        found = [before + new for before, new in zip(found, ended, strict=True)]
    last = stream.finish()
    expected = [
        b"".join(sha(data[start : start + length]).digest() for start in range(0, at if length else 0, length or 1))
        for sha, length in ((hashlib.sha1, piece_length), (hashlib.sha256, 16384 * leaves))
    ]
    assert [found[0] + last[0], found[1] + last[1]] == expected
    counted = [message for message in messages if message[0] < message[1] or message[0] < at]
    assert found[2] == b"".join(hashlib.sha256(data[first:end]).digest() for first, end in counted)
