"""Bad pieces become byte ranges, and byte ranges the members and tag files that they touch."""

import tarfile
from io import BytesIO
from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.core.reports import faults
from packager.core.reports.faults import (
    ExpectedStream,
    NamedRanges,
    file_extents,
    file_fault,
    gap_fault,
    merge_faults,
    piece_faults,
    size_fault,
    tar_extents,
)
from packager.core.shards.layout import LiteralBytes
from packager.core.shards.tar_layout import TarLayout, tar_layout
from packager.model import MEMBERS, ShardName

SIZES = (700, 0, 512, 1, 9000)


def layout() -> TarLayout:
    rows = [
        {"id": str(at), "path": f"a/{at}.bin", "offset": 0, "size": size, "sha256": bytes(32), "kind": "other"}
        for at, size in enumerate(SIZES)
    ]
    return tar_layout(ShardName("tones-all-00001"), "Source-Organization: us\n", pa.Table.from_pylist(rows, MEMBERS))


def tar_bytes(made: TarLayout) -> bytes:
    parts = made.segments(digests=bytes(32 * len(SIZES)))
    return b"".join(part.data if isinstance(part, LiteralBytes) else bytes(part.stop - part.start) for part in parts)


def known(size: int, piece_length: int, extents: NamedRanges = faults.NOTHING) -> ExpectedStream:
    return ExpectedStream(PieceHashes(size, piece_length, None, b"", bytes(20 * -(-size // piece_length))), extents)


@given(numbers=st.sets(st.integers(0, 200)))
@settings(max_examples=60)
def test_merged_ranges_hold_the_numbers_and_no_two_are_neighbours(numbers: set[int]) -> None:
    ranges = merge_faults(sorted(numbers))
    assert [number for run in ranges for number in run] == sorted(numbers)
    assert all(one.stop < other.start for one, other in pairwise(ranges))


def test_the_extents_of_a_tar_are_where_tarfile_finds_its_files() -> None:
    made = layout()
    extents = tar_extents(made)
    with tarfile.open(fileobj=BytesIO(tar_bytes(made))) as archive:
        infos = archive.getmembers()
    names = [info.name.partition("/")[2].removeprefix("data/") for info in infos]
    assert [extents.name(number) for number in range(len(infos))] == names
    assert extents.starts.tolist() == [info.offset for info in infos]
    assert extents.stops.tolist() == [info.offset_data + info.size for info in infos]


@given(data=st.data())
@settings(max_examples=100)
def test_what_a_range_touches_is_what_overlaps_it(data: st.DataObject) -> None:
    made = layout()
    extents = tar_extents(made)
    start = data.draw(st.integers(0, made.size - 1))
    stop = data.draw(st.integers(start + 1, made.size))
    overlapping = [
        extents.name(number)
        for number, (begin, end) in enumerate(zip(extents.starts.tolist(), extents.stops.tolist(), strict=True))
        if begin < stop and end > start
    ]
    members, tag_files = extents.touched(start, stop)
    assert [name for name in overlapping if name.startswith("a/")] == members
    assert [name for name in overlapping if not name.startswith("a/")] == tag_files


def test_neighbouring_bad_pieces_are_one_fault_with_its_bytes_and_members() -> None:
    extents = file_extents(["one", "two", "three"], [0, 40, 60], [40, 20, 45])
    found = piece_faults(b"x", known(105, 10, extents), [10, 3, 4], {})
    assert [(fault.kind, fault.first_piece, fault.last_piece, fault.start, fault.stop) for fault in found] == [
        ("bad", 3, 4, 30, 50),
        ("bad", 10, 10, 100, 105),
    ]
    assert [fault.members for fault in found] == [("one", "two"), ("three",)]


def test_unreadable_pieces_with_other_words_are_other_faults() -> None:
    found = piece_faults(b"x", known(100, 10), [0], {1: "Input/output error", 2: "Input/output error", 3: "Gone"})
    assert [(fault.kind, fault.first_piece, fault.last_piece, fault.detail) for fault in found] == [
        ("bad", 0, 0, ""),
        ("unreadable", 1, 2, "Input/output error"),
        ("unreadable", 3, 3, "Gone"),
    ]


def test_a_cut_file_leaves_the_piece_that_it_ends_in_unproved() -> None:
    extents = file_extents(["one", "two"], [0, 55], [55, 45])
    fault = gap_fault(size_fault(b"x", 57, 100), known(100, 10, extents))
    assert (fault.kind, fault.start, fault.stop, fault.first_piece, fault.last_piece) == ("short", 57, 100, 5, 9)
    assert fault.members == ("one", "two")


def test_a_file_in_the_middle_of_a_stream_leaves_its_neighbours_pieces_unproved() -> None:
    extents = file_extents(["one", "two", "three"], [0, 55, 58], [55, 3, 42])
    fault = gap_fault(file_fault("missing", b"two").of_range(0, 3), known(100, 10, extents), at=55)
    assert (fault.first_piece, fault.last_piece, fault.members) == (5, 5, ("one", "two", "three"))


def test_a_fault_is_told_in_one_line_and_a_name_that_is_not_utf8_is_kept() -> None:
    fault = file_fault("unreadable", b"a\xff", "Input/output error")
    assert (fault.path, fault.path_b64) == ("a\ufffd", "Yf8=")
    assert fault.sentence() == "unreadable: Input/output error"
    assert size_fault(b"x", 5, 3).sentence() == "long: has 5 bytes, not 3, bytes 3 to 5"
    assert file_fault("missing", b"x").sentence() == "missing"
