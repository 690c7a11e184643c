"""jsonl_zst_reader.py reads what jsonl_zst_writer.py and zstd write, whole or frame by frame."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.engine.tables import jsonl_zst_reader, jsonl_zst_writer
from packager.errors import InputError

LINES = [b'{"id":"%d","title":"%s"}\n' % (number, b"x" * (number % 100)) for number in range(30_000)]


def test_the_frames_are_the_lines_that_were_written(tmp_path: Path) -> None:
    jsonl_zst_writer.write_jsonl_zst(tmp_path / "x.zst", LINES)
    frames = list(jsonl_zst_reader.read_jsonl_zst(tmp_path / "x.zst"))
    assert b"".join(frames) == b"".join(LINES)
    assert len(frames) > 1
    assert all(frame.endswith(b"\n") for frame in frames)


def test_a_file_of_no_lines_has_no_frames(tmp_path: Path) -> None:
    jsonl_zst_writer.write_jsonl_zst(tmp_path / "x.zst", [])
    assert list(jsonl_zst_reader.read_jsonl_zst(tmp_path / "x.zst")) == []


@pytest.mark.interop
def test_zstd_reads_it_whole_and_its_own_files_lack_a_seek_table(tmp_path: Path, program: Callable[[str], str]) -> None:
    zstd = program("zstd")
    jsonl_zst_writer.write_jsonl_zst(tmp_path / "x.zst", LINES)
    assert subprocess.run([zstd, "-dc", tmp_path / "x.zst"], capture_output=True, check=True).stdout == b"".join(LINES)
    (tmp_path / "y").write_bytes(b"".join(LINES))
    subprocess.run([zstd, "-q", tmp_path / "y"], check=True)
    with pytest.raises(InputError, match="no seek table"):
        next(jsonl_zst_reader.read_jsonl_zst(tmp_path / "y.zst"))


def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    """The frames carry checksums; the seek table must account for every byte."""
    jsonl_zst_writer.write_jsonl_zst(tmp_path / "x.zst", LINES[:20])
    whole = (tmp_path / "x.zst").read_bytes()
    for at in range(len(whole)):
        (tmp_path / "y.zst").write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            assert b"".join(jsonl_zst_reader.read_jsonl_zst(tmp_path / "y.zst")) == b"".join(LINES[:20])
        except InputError:
            continue
