"""Seekable JSON lines: any zstd reads them whole, and the seek table gives each frame alone."""

import base64
import json
import os
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.engine.tables import jsonl_zst_writer
from packager.errors import IncompleteError

Mount = Callable[[str], Path]


def lines(count: int, width: int) -> list[bytes]:
    return [json.dumps({"id": n, "text": str(n % 97) * width}).encode() + b"\n" for n in range(count)]


def seek_table(packed: bytes) -> list[tuple[int, int]]:
    """Return (packed, plain) bytes of each frame, read by the words of the Zstandard Seekable Format 0.1.0."""
    count, descriptor, magic = struct.unpack("<IBI", packed[-9:])
    assert (descriptor, magic) == (0, 0x8F92EAB1)
    start = len(packed) - 9 - 8 * count
    assert struct.unpack("<II", packed[start - 8 : start]) == (0x184D2A5E, 8 * count + 9)
    table = [struct.unpack("<II", packed[at : at + 8]) for at in range(start, len(packed) - 9, 8)]
    assert sum(size for size, _ in table) == start - 8
    return [(int(size), int(plain)) for size, plain in table]


def unpacked(path: Path) -> bytes:
    """Return what a stream reader makes of the file."""
    with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        return reader.read()


CASES: dict[str, list[bytes]] = {
    "nothing": [],
    "one line": [b"{}\n"],
    "just under a frame": [b"x" * (jsonl_zst_writer.FRAME - 2) + b"\n"],
    "just a frame": [b"x" * (jsonl_zst_writer.FRAME - 1) + b"\n"],
    "a frame and a line": [b"x" * (jsonl_zst_writer.FRAME - 1) + b"\n", b"{}\n"],
    "a line longer than two frames": [b"a\n", b"x" * (2 * jsonl_zst_writer.FRAME) + b"\n", b"b\n"],
    "many lines": lines(30_000, 40),
}


@pytest.mark.parametrize("written", CASES.values(), ids=CASES)
def test_a_reader_of_zstd_reads_the_lines(tmp_path: Path, written: list[bytes]) -> None:
    path = tmp_path / "a.jsonl.zst"
    size = jsonl_zst_writer.write_jsonl_zst(path, written)
    assert size == path.stat().st_size
    assert unpacked(path) == b"".join(written)
    assert os.listdir(tmp_path) == ["a.jsonl.zst"]


@pytest.mark.interop
@pytest.mark.parametrize("written", CASES.values(), ids=CASES)
def test_the_zstd_program_reads_the_lines(tmp_path: Path, written: list[bytes], program: Callable[[str], str]) -> None:
    path = tmp_path / "a.jsonl.zst"
    jsonl_zst_writer.write_jsonl_zst(path, written)
    done = subprocess.run([program("zstd"), "--decompress", "--stdout", path], capture_output=True, check=True)
    assert done.stdout == b"".join(written)


@pytest.mark.parametrize("written", CASES.values(), ids=CASES)
def test_each_frame_read_alone_holds_whole_lines(tmp_path: Path, written: list[bytes]) -> None:
    path = tmp_path / "a.jsonl.zst"
    jsonl_zst_writer.write_jsonl_zst(path, written)
    packed = path.read_bytes()
    at, held = 0, []
    for size, plain in seek_table(packed):
        frame = packed[at : at + size]
        parameters = zstandard.get_frame_parameters(frame)
        assert (parameters.content_size, parameters.has_checksum) == (plain, True)
        data = zstandard.ZstdDecompressor().decompress(frame)
        assert len(data) == plain
        assert data.endswith(b"\n")
        held.append(data)
        at += size
    assert b"".join(held) == b"".join(written)
    assert all(len(data) >= jsonl_zst_writer.FRAME for data in held[:-1])
    longest = max(map(len, written), default=0)
    assert all(len(data) < jsonl_zst_writer.FRAME + longest for data in held)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 3000), max_size=10))
def test_the_bytes_do_not_hang_on_how_the_lines_come(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    written = lines(3000, 300)
    bounds = [0, *sorted(cuts), len(written)]
    pieces = [b"".join(written[start:stop]) for start, stop in pairwise(bounds)]
    folder = tmp_path_factory.mktemp("lines")
    jsonl_zst_writer.write_jsonl_zst(folder / "a", written)
    jsonl_zst_writer.write_jsonl_zst(folder / "b", pieces)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    assert len(seek_table((folder / "a").read_bytes())) == 1 + len(b"".join(written)) // (jsonl_zst_writer.FRAME + 1000)


def test_a_stopped_write_leaves_nothing(tmp_path: Path) -> None:
    def stopping() -> Iterator[bytes]:
        yield b"x" * jsonl_zst_writer.FRAME + b"\n"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jsonl_zst_writer.write_jsonl_zst(tmp_path / "a", stopping())
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_in_one_sentence(mount: Mount) -> None:
    path = mount("tmpfs") / "a"
    noise = (base64.b64encode(random.Random(n).randbytes(1 << 20)) + b"\n" for n in range(5))
    with pytest.raises(IncompleteError, match="/a: No space left on device; at least "):
        jsonl_zst_writer.write_jsonl_zst(path, noise)
    assert os.listdir(path.parent) == []
