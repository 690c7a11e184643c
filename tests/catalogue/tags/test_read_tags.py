"""Tags of real small files, and of broken and hostile ones."""

import os
import random
import struct
import wave
import zlib
from pathlib import Path

import pytest
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.id3 import TDRC, TIT2, TPE1, TRCK, TSRC, WCOP
from mutagen.mp3 import MP3
from mutagen.wave import WAVE

from packager.catalogue.records.field_rules import TEXT_MAX, clean_text
from packager.catalogue.tags.bounded_file import READ_MAX
from packager.catalogue.tags.read_tags import Tags, read_many, read_tags
from tests.helpers.catalogue_projects import MEDIA

SINE = Tags("Sine", "Nobody", "Tones", 3, "1999-04-12", 1999, "ZZXXX9900001", 0.2)
ID3 = (TIT2(3, ["Sine"]), TPE1(3, ["Nobody", "Someone"]), TRCK(3, ["3/12"]), TDRC(3, ["1999-04-12"]), TSRC(3, ["X"]))


def make_wave(path: Path, seconds: float = 0.2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(16000 * seconds)))


def make_aiff(path: Path) -> None:
    common = struct.pack(">hLh10s", 1, 1600, 16, bytes.fromhex("400bfa00000000000000"))  # 8 kHz as an 80-bit float
    body = b"AIFFCOMM" + struct.pack(">L", len(common)) + common + b"SSND" + struct.pack(">L", 3208) + bytes(3208)
    path.write_bytes(b"FORM" + struct.pack(">L", len(body)) + body)


def id3_file(frames: bytes) -> bytes:
    size = len(frames)
    return b"ID3\x03\0\0" + bytes((size >> shift) & 127 for shift in (21, 14, 7, 0)) + frames


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("sine.flac", SINE._replace(codec="flac")),
        ("sine.ogg", SINE._replace(codec="vorbis")),
        ("sine.opus", SINE._replace(codec="opus")),
        ("sine.mp3", SINE._replace(codec="mp3", duration=0.288)),  # whole MPEG frames
        ("sine.m4a", SINE._replace(codec="aac", duration=0.264, isrc=None)),  # ffmpeg writes no ISRC there
        ("alac.m4a", SINE._replace(codec="alac", isrc=None)),
    ],
)
def test_each_format_tells_its_tags(name: str, tags: Tags) -> None:
    assert read_tags(os.fsencode(MEDIA / name)) == tags


@pytest.mark.parametrize(("make", "kind", "name"), [(make_wave, WAVE, "a.wav"), (make_aiff, AIFF, "a.aiff")])
def test_wav_and_aiff_tell_their_id3_tags(tmp_path: Path, make, kind, name: str) -> None:
    make(tmp_path / name)
    assert read_tags(os.fsencode(tmp_path / name)) == Tags(duration=0.2, codec="pcm")
    audio = kind(tmp_path / name)
    audio.add_tags()
    for frame in (*ID3, WCOP(url="https://creativecommons.org/publicdomain/zero/1.0/")):
        audio.tags.add(frame)
    audio.save()
    assert read_tags(os.fsencode(tmp_path / name)) == Tags(
        title="Sine",
        artist="Nobody; Someone",
        track=3,
        date="1999-04-12",
        year=1999,
        isrc="X",
        duration=0.2,
        codec="pcm",
        licence="https://creativecommons.org/publicdomain/zero/1.0/",
    )


def test_several_values_are_joined_and_a_licence_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes((MEDIA / "sine.flac").read_bytes())
    audio = FLAC(path)
    audio["artist"] = ["One", "Two", "One"]
    audio["license"] = "CC0-1.0"
    audio["date"] = "12 April 1999"
    audio["tracknumber"] = "A3"
    audio["title"] = "  spaced\x00"
    audio.save()
    tags = read_tags(os.fsencode(path))
    assert (tags.artist, tags.licence, tags.year, tags.track, tags.title) == (
        "One; Two",
        "CC0-1.0",
        1999,
        None,
        "spaced",
    )


def test_a_long_value_is_cut_with_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes((MEDIA / "sine.flac").read_bytes())
    audio = FLAC(path)
    audio["title"] = "t" * (TEXT_MAX + 1)
    audio.save()
    tags = read_tags(os.fsencode(path))
    assert tags.title == "t" * TEXT_MAX
    assert tags.fault == "its title was cut at 16,384 characters"


def test_text_becomes_what_utf8_can_hold() -> None:
    assert clean_text(" x\ud800y\0") == "x\ufffdy"
    assert clean_text("\0 ") is None


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("a.flac", b"", "its tags cannot be read: file said 4 bytes, read 0 bytes"),
        ("a.flac", b"fLaC", "its tags cannot be read: file said 1 bytes, read 0 bytes"),
        ("a.mp3", b"not audio", "its tags cannot be read: can't sync to MPEG frame"),
        ("a.kar", b"<html>not audio</html>", "its tags cannot be read: no known audio format"),
    ],
)
def test_a_broken_file_tells_its_fault(tmp_path: Path, name: str, data: bytes, fault: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_tags(os.fsencode(tmp_path / name)) == Tags(fault=fault)


def test_a_file_that_is_gone_is_a_fault_to_be_looked_at_again(tmp_path: Path) -> None:
    gone = Tags(fault="cannot be read (No such file or directory)", is_read=False)
    assert read_many([os.fsencode(tmp_path / "gone.flac")]) == [gone]


def test_a_link_or_fifo_in_the_place_of_a_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.flac")
    (tmp_path / "b.flac").symlink_to(MEDIA / "sine.flac")
    assert [tags.title for tags in read_many([os.fsencode(tmp_path / "a.flac"), os.fsencode(tmp_path / "b.flac")])] == [
        None,
        None,
    ]


def test_a_frame_that_unpacks_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    body = struct.pack(">L", READ_MAX + 1) + zlib.compress(bytes(READ_MAX + 1))
    (tmp_path / "bomb.mp3").write_bytes(id3_file(b"TIT2" + struct.pack(">LH", len(body), 0x80) + body))
    tags = read_tags(os.fsencode(tmp_path / "bomb.mp3"))
    assert tags == Tags(fault="its tags cannot be read: they need more than 64 MiB")


def test_a_small_packed_frame_is_read(tmp_path: Path) -> None:
    packed = zlib.compress(b"\0Sine")
    body = struct.pack(">L", 5) + packed
    frame = id3_file(b"TIT2" + struct.pack(">LH", len(body), 0x80) + body)
    (tmp_path / "a.mp3").write_bytes(frame + (MEDIA / "sine.mp3").read_bytes())
    assert read_tags(os.fsencode(tmp_path / "a.mp3")).title == "Sine"


def test_a_sparse_terabyte_is_not_read(tmp_path: Path) -> None:
    head = struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0) + struct.pack(">I4sQ", 1, b"moov", 1 << 40)
    for name, data in (("a.mp3", b""), ("a.m4a", head), ("a.wav", b"RIFF\xff\xff\xff\x7fWAVE"), ("a.ogg", b"OggS")):
        (tmp_path / name).write_bytes(data)
        os.truncate(tmp_path / name, 1 << 40)
        assert read_tags(os.fsencode(tmp_path / name)).fault is not None


def test_atoms_nested_without_end_are_a_fault(tmp_path: Path) -> None:
    data = b""
    for _ in range(3000):
        data = struct.pack(">I4s", len(data) + 8, b"moov") + data
    (tmp_path / "a.m4a").write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0) + data)
    assert read_tags(os.fsencode(tmp_path / "a.m4a")).fault == "its tags cannot be read: nested too deeply"


@pytest.mark.parametrize("name", sorted(path.name for path in MEDIA.glob("*.*") if path.suffix != ".md"))
def test_no_truncated_or_mutated_file_raises(tmp_path: Path, name: str) -> None:
    whole = (MEDIA / name).read_bytes()
    rng = random.Random(name)
    path = tmp_path / name
    for _ in range(150):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.5 else whole)
        for _ in range(rng.randrange(20)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        tags = read_tags(os.fsencode(path))
        assert tags.is_read


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes((MEDIA / "sine.mp3").read_bytes())
    path.chmod(0o400)
    before = path.stat()
    read_tags(os.fsencode(path))
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert MP3(path).tags["TIT2"].text == ["Sine"]
