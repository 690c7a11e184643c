"""The same bag as a folder: its stream is that of a multi-file torrent, any range of it is the same of the whole."""

from hashlib import sha256
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent.file_offsets import sort_key
from packager.core.bittorrent.merkle import BLOCK
from packager.core.shards import bag
from packager.core.shards.folder_layout import FolderLayout, folder_layout
from packager.core.shards.layout import MemberRange
from packager.engine.hashing.stream_hasher import FileTree, FolderHasher, StreamHasher
from packager.model import ShardName
from tests.helpers.strategies import MEMBER_ROWS, content, members_tables, read, sample

FEW = settings(max_examples=25)
LENGTHS = st.sampled_from([512, 1024])  # no real piece is as short; the stream's rules are the same


def made_of(
    members: pa.Table, piece_length: int = 512, *, aligned: bool = True
) -> tuple[FolderLayout, list[bytes], bytes]:
    made = folder_layout(
        ShardName("demo-audio-00001"), "Source: a test\n", members, piece_length=piece_length, aligned=aligned
    )
    contents = [content(row, size) for row, size in enumerate(members["size"].to_pylist())]
    return made, contents, b"".join(sha256(data).digest() for data in contents)


def by_hand(made: FolderLayout, contents: list[bytes], digests: bytes, *, aligned: bool) -> dict[str, bytes]:
    """Every file of the folder by its path, in BEP 52's order, pads after each."""
    files = {name: b"".join(made.tag_file(name, digests)) for name in (*bag.TAGGED, bag.TAGMANIFEST)}
    files |= {f"data/{path}": data for path, data in zip(made.members["path"].to_pylist(), contents, strict=True)}
    in_order = {path: files[path] for path in sorted(files, key=sort_key)}
    length = made.space.piece_length
    return {path: data + bytes(-len(data) % length if aligned else 0) for path, data in in_order.items()}


@FEW
@given(members_tables(), LENGTHS, st.booleans())
def test_the_stream_is_every_file_in_order_with_zeros_between(members: pa.Table, length: int, aligned: bool) -> None:
    made, contents, digests = made_of(members, length, aligned=aligned)
    files = by_hand(made, contents, digests, aligned=aligned)
    whole = read(list(made.segments(digests=digests)), contents)
    assert whole == b"".join(files.values())
    assert len(whole) == made.size
    assert [path for path, _, _ in made.files()] == list(files)
    assert made.disk_size == sum(size for _, _, size in made.files())
    for member, (offset, data) in enumerate(zip(made.offsets.tolist(), contents, strict=True)):
        assert whole[offset : offset + len(data)] == data
        assert made.path(member) == f"demo-audio-00001/data/{members['path'][member].as_py()}"


@FEW
@given(members_tables(), LENGTHS, st.booleans(), st.data())
def test_any_range_is_the_same_range_of_the_whole(
    members: pa.Table, length: int, aligned: bool, data: st.DataObject
) -> None:
    made, contents, digests = made_of(members, length, aligned=aligned)
    whole = b"".join(by_hand(made, contents, digests, aligned=aligned).values())
    edges = st.sampled_from(made.space.starts.tolist()).flatmap(lambda at: st.integers(at - 1, at + 1))
    place = (st.integers(0, made.size) | edges).map(lambda at: min(max(at, 0), made.size))
    start, stop = sorted((data.draw(place), data.draw(place)))
    assert read(list(made.segments(start, stop, digests)), contents) == whole[start:stop]
    inside = [
        member
        for member in made.order.tolist()
        if max(start, made.offsets[member]) < min(stop, made.offsets[member] + made.sizes[member])
    ]
    assert list(made.touched(start, stop)) == inside


@FEW
@given(members_tables(), st.lists(st.integers(0, 1 << 30), max_size=6))
def test_each_member_is_sliced_once_however_the_stream_is_cut(members: pa.Table, cuts: list[int]) -> None:
    made, contents, digests = made_of(members)
    bounds = sorted({0, made.size, *(cut % made.size for cut in cuts), made.manifest_start})
    held = [b""] * len(contents)
    seen = []
    for start, stop in pairwise(bounds):
        for part in made.segments(start, stop, digests):
            if isinstance(part, MemberRange):
                held[part.member] += contents[part.member][part.start : part.stop]
                seen.append(part.member)
    assert held == contents
    assert all(seen.count(member) == 1 for member, data in enumerate(contents) if not data)


@FEW
@given(members_tables(), LENGTHS, st.booleans(), st.data())
def test_any_range_is_parts_of_files_and_zeros(
    members: pa.Table, length: int, aligned: bool, data: st.DataObject
) -> None:
    made, contents, digests = made_of(members, length, aligned=aligned)
    files = by_hand(made, contents, digests, aligned=False)
    whole = b"".join(by_hand(made, contents, digests, aligned=aligned).values())
    start, stop = sorted((data.draw(st.integers(0, made.size)), data.draw(st.integers(0, made.size))))
    parts = list(made.named.parts(start, stop))
    assert (
        b"".join(bytes(n) if path is None else files[path][at : at + n] for path, at, n in parts) == whole[start:stop]
    )
    assert all(n for _, _, n in parts)


@FEW
@given(members_tables())
def test_nothing_before_the_manifest_hangs_on_digests(members: pa.Table) -> None:
    made, contents, digests = made_of(members)
    whole = read(list(made.segments(digests=digests)), contents)
    assert read(list(made.segments(0, made.manifest_start)), contents) == whole[: made.manifest_start]
    with pytest.raises(ValueError, match="digests"):
        list(made.segments(0, made.size))


@FEW
@given(members_tables())
def test_both_containers_hold_the_same_bag(members: pa.Table) -> None:
    made, contents, digests = made_of(members)
    files = by_hand(made, contents, digests, aligned=False)
    tar = sample(members)
    for name in (*bag.TAGGED, bag.TAGMANIFEST):
        data = b"".join(tar.layout.tag_file(name, tar.digests))
        assert files[name] == data
        assert data in tar.tar


@settings(max_examples=25)
@given(
    members_tables(sizes=st.sampled_from([0, 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 1]) | st.integers(0, 5 * BLOCK)),
    st.lists(st.integers(0, 1 << 30), max_size=6),
)
def test_one_pass_over_the_stream_finds_what_a_pass_over_each_file_finds(members: pa.Table, cuts: list[int]) -> None:
    length = 2 * BLOCK
    made, contents, digests = made_of(members, length)
    files = by_hand(made, contents, digests, aligned=True)
    whole = memoryview(b"".join(files.values()))
    found = FolderHasher(made.space, v1=True, v2=True)
    for start, stop in pairwise(sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})):
        found.update(whole[start:stop])
    alone = []
    for _, start, size in made.files():
        one = StreamHasher(size, length, v1=False, v2=True, flat=False)
        one.update(whole[start : start + size])
        ended = one.finish()
        alone.append(FileTree(ended.layer, ended.pieces_root))
    pieces = StreamHasher(len(whole), length, v1=True, v2=False, flat=False)
    pieces.update(whole)
    assert found.finish().pieces == pieces.finish().pieces
    assert list(found.finish().trees) == alone


def test_members_keep_their_numbers_and_stand_sorted_in_the_stream() -> None:
    rows = [{"id": str(n), "path": path, "kind": "audio", "size": 3} for n, path in enumerate(["b", "a/x", "a b", "a"])]
    made, _, _ = made_of(pa.Table.from_pylist(rows, MEMBER_ROWS))
    assert made.order.tolist() == [3, 1, 2, 0]
    assert np.argsort(made.offsets).tolist() == [3, 1, 2, 0]
    assert [made.file_number(member) for member in (3, 1)] == [4, 6]  # pads stand between them in the torrent's list
