"""A written file is byte for byte what was put, on any file system, or is not there at all."""

import fcntl
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.engine.files import atomic_files
from packager.engine.files.direct_writer import BUFFER, DirectWriter, Discard
from packager.errors import IncompleteError

Mount = Callable[[str], Path]


def pattern(size: int) -> bytes:
    """Return bytes of which no two pages are alike."""
    return b"".join(b"%08d" % n for n in range(size // 8 + 1))[:size]


def write(path: Path, data: bytes) -> None:
    """Write data as a pass does: full buffers, the last one short."""
    with DirectWriter(path, len(data)) as writer:
        put_all(writer, data)


def put_all(writer: DirectWriter, data: bytes) -> None:
    for start in range(0, len(data), BUFFER):
        part = data[start : start + BUFFER]
        buffer = writer.buffer()
        buffer[: len(part)] = part
        writer.put(buffer, len(part))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the list of calls that write a file, make it durable or rename it, each with the file's name."""
    made: list[tuple[str, str]] = []

    def noted(name: str) -> None:
        call = getattr(os, name)

        def note(file: int | Path, *arguments: object, **options: object) -> object:
            place = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else file
            made.append((name, Path(place).name))
            return call(file, *arguments, **options)

        monkeypatch.setattr(os, name, note)

    for name in ("pwrite", "fsync", "replace"):
        noted(name)
    return made


SIZES = [1, 511, 4095, 4096, 4097, BUFFER - 512, BUFFER - 1, BUFFER, BUFFER + 1, BUFFER + 4096, 5 * BUFFER + 1536]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_holds_what_was_put_whatever_its_size(tmp_path: Path, size: int) -> None:
    data = pattern(size)
    path = tmp_path / "shards" / "s.tar"
    write(path, data)
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["s.tar"]


@pytest.mark.parametrize("claimed", [False, True])
def test_a_tar_that_has_its_name_stays_whole_though_its_folder_cannot_be_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, claimed: bool
) -> None:
    path = tmp_path / "s.tar"
    atomic_files.partial_path(path).touch()

    def refuse(folder: Path) -> None:
        if path.exists():
            raise OSError(5, "Input/output error", str(folder))

    monkeypatch.setattr(atomic_files, "fsync_folder", refuse)
    with pytest.raises(IncompleteError), DirectWriter(path, 5000, claimed=claimed) as writer:
        put_all(writer, pattern(5000))
    assert path.read_bytes() == pattern(5000)
    assert os.listdir(tmp_path) == ["s.tar"]


@pytest.mark.parametrize("size", [1, BUFFER, 5 * BUFFER + 1536])
def test_every_byte_is_durable_before_the_file_has_its_name(
    size: int, tmp_path: Path, calls: list[tuple[str, str]]
) -> None:
    path = tmp_path / "s.tar"
    with DirectWriter(path, size) as writer:
        put_all(writer, pattern(size))
        if size > BUFFER:
            writer.keep()  # for a note that a killed run goes on from
            assert ("fsync", atomic_files.partial_path(path).name) in calls
    last = [call for call in calls if call[1] == atomic_files.partial_path(path).name]
    assert last[-2:] == [
        ("fsync", atomic_files.partial_path(path).name),
        ("replace", atomic_files.partial_path(path).name),
    ]
    assert calls[-1] == ("fsync", tmp_path.name)


@pytest.mark.parametrize("kind", ["tmpfs", "ext2"])  # without O_DIRECT before Linux 6.6; without fallocate
@pytest.mark.parametrize("size", [1, 4096, 5000, 1 << 20])
def test_a_file_system_without_the_modern_calls_takes_the_same_file(mount: Mount, kind: str, size: int) -> None:
    path = mount(kind) / "s.tar"
    write(path, pattern(size))
    assert path.read_bytes() == pattern(size)


def test_the_page_cache_is_passed_by_where_the_file_system_allows_it(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    try:
        os.close(os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip("this file system takes no O_DIRECT")
    with DirectWriter(path, BUFFER) as writer:
        flags = fcntl.fcntl(writer._descriptor, fcntl.F_GETFL)
        put_all(writer, pattern(BUFFER))
    assert flags & os.O_DIRECT


def test_the_new_file_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    path.write_bytes(b"old")
    atomic_files.partial_path(path).write_bytes(bytes(3 * 4096))
    with DirectWriter(path, 5000) as writer:
        put_all(writer, pattern(5000))
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == pattern(5000)
    assert os.listdir(tmp_path) == ["s.tar"]


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt(), IncompleteError("a.flac", "changed")])
def test_a_pass_that_is_stopped_leaves_nothing_but_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "s.tar"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        _stopped(path, error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["s.tar"]


def _stopped(path: Path, error: BaseException) -> None:
    with DirectWriter(path, 3 * BUFFER) as writer:
        put_all(writer, pattern(2 * BUFFER))
        raise error


@pytest.mark.parametrize("kind", ["tmpfs", "ext2"])
def test_a_disk_without_the_room_says_how_many_bytes_are_needed(mount: Mount, kind: str) -> None:
    path = mount(kind) / "s.tar"
    path.write_bytes(b"old")
    before = sorted(os.listdir(path.parent))
    with pytest.raises(IncompleteError) as error:
        write(path, pattern((12 << 20) + 512))
    needed = r"at least 12.0 MiB \(12583424 bytes\) are needed here \(free: [12].* MiB\)"
    assert re.fullmatch(
        f"{path}: No space left on device; {needed}; make room and run the command again", str(error.value)
    )
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(path.parent)) == before


def test_a_disk_that_fills_stops_the_pass_soon(mount: Mount) -> None:
    path = mount("ext2") / "s.tar"
    puts: list[int] = []
    told = r"No space left on device; at least 100 MiB .*\(free: 1.9 MiB\)"  # the pass's own bytes are free again
    with pytest.raises(IncompleteError, match=told):
        _put_for_ever(path, puts)
    assert len(puts) < 30


def _put_for_ever(path: Path, puts: list[int]) -> None:
    with DirectWriter(path, 100 * BUFFER) as writer:
        while True:
            writer.put(writer.buffer(), BUFFER)
            puts.append(BUFFER)


def test_a_folder_in_the_place_of_the_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    path.mkdir()
    with pytest.raises(IncompleteError, match=r"/s.tar: Is a directory; move away what is in its place"):
        write(path, pattern(5000))
    assert os.listdir(tmp_path) == ["s.tar"]


def test_no_file_and_no_thread_stays_open(tmp_path: Path) -> None:
    write(tmp_path / "a", pattern(5000))
    with pytest.raises(ZeroDivisionError):
        _stopped(tmp_path / "b", ZeroDivisionError())
    held = [path for each in Path("/proc/self/fd").iterdir() if (path := _target(each)).startswith(f"{tmp_path}/")]
    assert held == []
    assert "writer" not in {thread.name for thread in threading.enumerate()}


def _target(descriptor: Path) -> str:
    """Return the path of an open file; that of the listing is closed by now."""
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:
        return ""


def test_a_pass_that_only_hashes_keeps_nothing() -> None:
    sink = Discard()
    buffer = sink.buffer()
    assert len(buffer) == BUFFER
    sink.put(buffer, 5)
    assert len(sink.buffer()) == BUFFER
