"""A layout is the whole tar before a byte is read: any range of it, its size, every offset."""

import io
import tarfile
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.shards import bag, build_tar_header, records_jsonl, tar_layout
from packager.core.shards.layout import LiteralBytes, MemberRange
from packager.model import ShardName
from tests.helpers.bagit_programs import bagit_faults, sha256sum_faults
from tests.helpers.strategies import MEMBER_ROWS, Sample, members_tables, read, sample, samples

FEW = settings(max_examples=15)  # a tar an example


def members_of(*sizes: int) -> pa.Table:
    rows = [{"id": str(n), "path": f"f{n}", "kind": "audio", "size": size} for n, size in enumerate(sizes)]
    return pa.Table.from_pylist(rows, MEMBER_ROWS)


@FEW
@given(samples())
def test_the_size_known_beforehand_is_the_size_of_the_tar(made: Sample) -> None:
    assert len(made.tar) == made.layout.size
    assert made.layout.size % build_tar_header.BLOCK == 0
    assert made.tar.endswith(build_tar_header.END)
    assert not made.tar[: -len(build_tar_header.END)].endswith(build_tar_header.END)


@FEW
@given(samples(), st.data())
def test_any_range_is_the_same_range_of_the_whole(made: Sample, data: st.DataObject) -> None:
    edges = [int(n) for n in (*made.layout.starts, *made.layout.offsets)]
    near = st.sampled_from(edges).flatmap(lambda at: st.integers(at - 1, at + 1))
    place = (st.integers(0, made.layout.size) | near).map(lambda at: min(max(at, 0), made.layout.size))
    start, stop = sorted((data.draw(place), data.draw(place)))
    segments = list(made.layout.segments(start, stop, made.digests))
    assert read(segments, made.contents) == made.tar[start:stop]
    assert all(segment.data for segment in segments if isinstance(segment, LiteralBytes))


@FEW
@given(samples(), st.lists(st.integers(0, 1 << 30), max_size=6))
def test_each_member_is_sliced_once_in_order_however_the_tar_is_cut(made: Sample, cuts: list[int]) -> None:
    bounds = sorted({0, made.layout.size, *(cut % made.layout.size for cut in cuts), made.layout.manifest_start})
    held = [b""] * len(made.contents)
    order = []
    for start, stop in pairwise(bounds):
        for part in made.layout.segments(start, stop, made.digests):
            if isinstance(part, MemberRange):
                assert part.start == len(held[part.member])
                held[part.member] += made.contents[part.member][part.start : part.stop]
                order.append(part.member)
    assert held == made.contents
    assert sorted(set(order)) == list(range(len(made.contents)))
    assert order == sorted(order)
    assert all(order.count(member) == 1 for member, data in enumerate(made.contents) if not data)


@pytest.mark.parametrize("sizes", [(0,), (0, 0), (5, 0), (0, 5), (512, 0, 0), (0, 512, 0)])
def test_the_payload_alone_has_one_slice_for_each_member_even_where_the_last_is_empty(sizes: tuple[int, ...]) -> None:
    made = sample(members_of(*sizes))
    payload = made.layout.segments(0, made.layout.manifest_start)
    assert [part for part in payload if isinstance(part, MemberRange)] == [
        MemberRange(n, 0, size) for n, size in enumerate(sizes)
    ]


@FEW
@given(samples())
def test_python_reads_the_same_names_sizes_and_offsets(made: Sample) -> None:
    name, members = made.layout.name, made.layout.members.to_pylist()
    with tarfile.open(fileobj=io.BytesIO(made.tar), mode="r:") as archive:
        found = archive.getmembers()
        bodies = [archive.extractfile(member).read() for member in found]  # type: ignore[union-attr]
    paths = [f"{name}/data/{row['path']}" for row in members]
    before = [f"{name}/{file}" for file in ("bagit.txt", "bag-info.txt", "records.jsonl")]
    assert [member.name for member in found] == [*before, *paths, f"{name}/{bag.MANIFEST}", f"{name}/{bag.TAGMANIFEST}"]
    payload = found[3:-2]
    assert [member.size for member in payload] == [row["size"] for row in members] == made.layout.sizes.tolist()
    assert [member.offset_data for member in payload] == made.layout.offsets.tolist()
    assert [member.offset for member in found[3:-1]] == made.layout.starts.tolist()
    assert bodies[3:-2] == made.contents
    assert [made.layout.path(row) for row in range(len(members))] == paths


@FEW
@given(samples())
def test_the_manifests_hold_the_digests_of_what_the_tar_holds(made: Sample) -> None:
    with tarfile.open(fileobj=io.BytesIO(made.tar), mode="r:") as archive:
        held = {m.name.split("/", 1)[1]: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    for manifest in (bag.MANIFEST, bag.TAGMANIFEST):
        for line in held[manifest].decode().splitlines():
            digest, path = line.split("  ", 1)
            assert sha256(held[path]).hexdigest() == digest
    listed = [line.split(b"  ", 1)[1].decode() for line in held[bag.MANIFEST].splitlines()]
    assert listed == [path for path in held if path.startswith("data/")]
    assert held["records.jsonl"] == b"".join(records_jsonl.stream_lines(made.layout.members))
    assert held["bagit.txt"] == bag.BAGIT_TXT
    ends = made.layout.record_ends.tolist(), made.layout.manifest_ends.tolist()
    assert [end[-1] if end else 0 for end in ends] == [len(held["records.jsonl"]), len(held[bag.MANIFEST])]


@FEW
@given(members_tables(sizes=st.integers(0, 1 << 44)), st.integers(0, 400), st.sampled_from([1, 16, 79, 94, 150, 240]))
def test_the_costs_bound_the_tar_and_are_close(members: pa.Table, bag_info: int, name_length: int) -> None:
    name = "n" * name_length
    costs = tar_layout.member_costs(name, members, records_jsonl.line_sizes(members))
    bound = int(costs.total.sum()) + tar_layout.fixed_cost(name, bag_info)
    size = tar_layout.tar_layout(ShardName(name), "x" * bag_info, members).size
    assert size <= bound < size + 8192


@FEW
@given(members_tables(), st.data())
def test_costs_are_a_row_s_own_however_the_rows_are_batched(members: pa.Table, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, members.num_rows))
    stop = data.draw(st.integers(first, members.num_rows))
    whole = tar_layout.member_costs("s", members, records_jsonl.line_sizes(members))
    rows = members.slice(first, stop - first)
    part = tar_layout.member_costs("s", rows, records_jsonl.line_sizes(rows))
    assert part.total.tolist() == whole.of_rows(first, stop).total.tolist() == whole.total[first:stop].tolist()
    assert (whole.total >= build_tar_header.BLOCK).all()


def test_the_tar_of_huge_members_is_known_without_reading_one() -> None:
    made = tar_layout.tar_layout(ShardName("s"), "", members_of(8 << 30, (8 << 30) - 1, 1 << 42))
    assert (made.offsets - made.starts[:-1]).tolist() == [1536, 512, 1536]
    assert list(made.segments(int(made.offsets[2]) + (1 << 41), int(made.offsets[2]) + (1 << 41) + 7)) == [
        MemberRange(2, 1 << 41, (1 << 41) + 7)
    ]


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 1 << 40)])
def test_a_range_outside_the_tar_is_refused(start: int, stop: int) -> None:
    made = sample(members_of(3))
    with pytest.raises(ValueError, match="is outside the"):
        list(made.layout.segments(start, stop, made.digests))


@pytest.mark.parametrize("digests", [None, b"", bytes(31), bytes(64)])
def test_the_manifests_are_not_made_without_each_members_digest(digests: bytes | None) -> None:
    made = sample(members_of(3))
    with pytest.raises(ValueError, match="the manifests need the members' digests"):
        list(made.layout.segments(digests=digests))


def test_an_empty_range_has_no_segments() -> None:
    made = sample(members_of(600, 0))
    for at in {0, made.layout.size, *made.layout.starts.tolist(), *made.layout.offsets.tolist(), 5}:
        assert list(made.layout.segments(at, at, made.digests)) == []


def unpacked(folder: Path, made: Sample) -> Path:
    """Unpack a tar into a folder and return its bag."""
    with tarfile.open(fileobj=io.BytesIO(made.tar), mode="r:") as archive:
        archive.extractall(folder, filter="data")
    return folder / made.layout.name


BAG_INFO = bag.bag_info(
    {"External-Identifier": "demo-audio-00001", "Source": "é\n日本 \u2028 x", "Payload-Oxum": "1536.4"}
)
BAGS = {
    "empty members": sample(members_of(0, 0)),
    "sizes around a block": sample(members_of(0, 511, 512, 513), bag_info=BAG_INFO),
}


@pytest.mark.parametrize("made", BAGS.values(), ids=BAGS)
def test_bagit_py_validates_what_is_unpacked(tmp_path: Path, made: Sample) -> None:
    assert bagit_faults(unpacked(tmp_path, made)) == ""


@pytest.mark.interop
@pytest.mark.parametrize("made", [BAGS["empty members"], BAGS["sizes around a block"]])
def test_sha256sum_checks_both_manifests_of_what_is_unpacked(
    tmp_path: Path, made: Sample, program: Callable[[str], str]
) -> None:
    root = unpacked(tmp_path, made)
    for manifest in (bag.MANIFEST, bag.TAGMANIFEST):
        assert sha256sum_faults(program("sha256sum"), root, manifest) == ""


@settings(max_examples=4)  # a process an example
@given(made=samples().filter(lambda made: made.contents))
def test_bagit_py_validates_random_bags(tmp_path_factory: pytest.TempPathFactory, made: Sample) -> None:
    assert bagit_faults(unpacked(tmp_path_factory.mktemp("bag"), made)) == ""
