"""A tar made of its sources is the tar, byte for byte in every range, and never of a source that changed."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.files.file_body import SMALL, WAITING, FileBody, FileChunk, read_chunk
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.open_file_cache import OpenFileCache
from packager.engine.files.range_readers import UnreadableError
from packager.engine.published.virtual_tar import FolderSourceOpener, VirtualTar
from tests.helpers.strategies import MEMBER_ROWS, Sample, sample, samples

BIG = 9 << 20


def at_home(made: Sample) -> Sample:
    """Return a sample whose members have the same path at their source: those are distinct to every file system."""
    rows = made.layout.members
    for name in ("source_path", "source_path_b64"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.nulls(rows.num_rows, pa.string()))
    return sample(rows, made.layout.name, made.layout.bag_info.decode())


def laid_out(root: Path, made: Sample) -> VirtualTar:
    """Write a sample's members where its rows say, and return its tar by them."""
    times = []
    for path, data in zip(made.layout.members["path"].to_pylist(), made.contents, strict=True):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        times.append(place.stat().st_mtime_ns)
    return VirtualTar(
        made.layout, made.digests, FolderSourceOpener(made.layout, root, np.array(times, np.int64), OpenFileCache(2))
    )


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@settings(max_examples=40)
@given(made=samples(), data=st.data())
def test_every_range_is_that_of_the_tar(
    tmp_path_factory: pytest.TempPathFactory, made: Sample, data: st.DataObject
) -> None:
    made = at_home(made)
    tar = laid_out(tmp_path_factory.mktemp("loose"), made)
    assert tar.size == len(made.tar)
    assert read_chunk(tar.parts(0, tar.size)) == made.tar
    for _ in range(8):
        start = data.draw(st.integers(0, tar.size))
        stop = data.draw(st.integers(start, tar.size))
        tar.check(start, stop)
        assert read_chunk(tar.parts(start, stop)) == made.tar[start:stop]


def of_sizes(*sizes: int) -> Sample:
    rows = [{"id": str(n), "path": f"{n}.flac", "kind": "audio", "size": size} for n, size in enumerate(sizes)]
    return sample(pa.Table.from_pylist(rows, MEMBER_ROWS))


def test_large_members_are_given_as_slices_and_the_last_byte_of_each_is_read_when_the_file_was_found_unchanged(
    tmp_path: Path,
) -> None:
    made = of_sizes(BIG, 0, 10, SMALL + 1)
    parts = list(laid_out(tmp_path, made).parts(0, made.layout.size))
    slices = [(part.start, part.stop) for part in parts if isinstance(part, FileChunk)]
    assert slices == [(0, 4 << 20), (4 << 20, 8 << 20), (8 << 20, BIG - 1), (0, SMALL)]
    assert read_chunk(laid_out(tmp_path, made).parts(0, made.layout.size)) == made.tar


def change_time(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def remove(path: Path) -> None:
    path.unlink()


def shrink(path: Path) -> None:
    os.truncate(path, 7)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.symlink_to(path.with_suffix(".old"))


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [change_time, remove, shrink, link, fifo])
def test_a_source_that_changed_is_named_and_gives_no_byte_and_others_do(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    made = of_sizes(3000, BIG, 3000)
    tar = laid_out(tmp_path, made)
    before = open_files()
    change(tmp_path / "1.flac")
    first, second, third = (int(offset) for offset in made.layout.offsets)
    for start, stop in ((second, second + 1), (second + BIG - 1, second + BIG), (0, tar.size), (first, second + 1)):
        with pytest.raises(UnreadableError, match=r"1\.flac: "):
            tar.check(start, stop)
        with pytest.raises(UnreadableError, match=r"1\.flac: "):
            read_chunk(tar.parts(start, stop))
    for start, stop in ((0, second), (first, first + 3000), (third, tar.size)):
        tar.check(start, stop)
        assert read_chunk(tar.parts(start, stop)) == made.tar[start:stop]
    assert open_files() <= before + 2  # as many stay open


@pytest.mark.parametrize("change", [change_time, shrink])
def test_a_source_that_changes_while_it_is_sent_is_never_sent_to_its_last_byte(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    made = of_sizes(BIG)
    tar = laid_out(tmp_path, made)
    start = int(made.layout.offsets[0])
    parts = tar.parts(start, start + BIG)
    assert next(step for step in parts if step != WAITING)
    change(tmp_path / "0.flac")
    with pytest.raises(UnreadableError, match=r"0\.flac: "):
        list(parts)


def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    rows = [{"id": "0", "path": "0.flac", "source_path": "../secret", "kind": "audio", "size": 3}]
    made = sample(pa.Table.from_pylist(rows, MEMBER_ROWS))
    (tmp_path / "secret").write_bytes(b"abc")
    sources = FolderSourceOpener(made.layout, tmp_path / "loose", np.zeros(1, np.int64), OpenFileCache(2))
    tar = VirtualTar(made.layout, made.digests, sources)
    with pytest.raises(UnreadableError, match="its path at the source is none"):
        read_chunk(tar.parts(0, tar.size))


def test_a_file_that_changes_while_it_is_sent_is_never_sent_to_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(bytes(BIG))
    file = FileBody(os.fsencode(path))
    parts = file.parts(0, file.size)
    next(step for step in parts if step != WAITING)
    path.write_bytes(b"x" * BIG)
    os.utime(path, ns=(1, 1))
    with pytest.raises(UnreadableError, match="it was written to"):
        list(parts)
    file.close()


def test_files_stay_open_as_many_as_are_wanted_and_those_in_use_beyond_that(tmp_path: Path) -> None:
    files = OpenFileCache(1)
    stamps = []
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 5)
        stamps.append(FileStamp(5, (tmp_path / name).stat().st_mtime_ns))
    first, second = (os.fsencode(tmp_path / name) for name in ("a", "b"))
    one = files.open(first, stamps[0])
    other = files.open(second, stamps[1])
    assert files.held(first, stamps[0]) is None
    assert os.pread(one.descriptor, 5, 0) == b"xxxxx"  # still in use
    files.release(one)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(one.descriptor)
    files.release(other)
    held = files.held(second, stamps[1])
    assert held is other
    files.release(other)
    assert files.held(second, FileStamp(6, stamps[1].mtime_ns)) is None
    os.replace(tmp_path / "a", tmp_path / "b")
    assert files.held(second, stamps[1]) is None
