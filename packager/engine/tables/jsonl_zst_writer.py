"""JSON lines in seekable zstd: independent frames and a seek table, so one line is one small read.

Any zstd reads it whole; a reader that knows the seek table (zstd's contrib/seekable_format, "Zstandard
Seekable Format" 0.1.0) reads one frame. `seekable` reads it back.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

import zstandard

from packager.engine.files import atomic_files
from packager.units import MIB

FRAME = MIB  # bytes of lines in a frame, at least; a frame ends at the end of a line
_LEVEL = 9
_SKIPPABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1


def write_jsonl_zst(path: Path, lines: Iterable[bytes]) -> int:
    """Write `lines` (pieces that end at a line's end) durably as seekable zstd; return the file's bytes.

    Memory: one frame, and eight bytes for each.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    table: list[tuple[int, int]] = []
    with atomic_files.replace_file(path) as file:
        for frame in _frames(lines):
            packed = compressor.compress(frame)
            file.write(packed)
            table.append((len(packed), len(frame)))
        file.write(_seek_table(table))
        return file.tell()


def _frames(lines: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the lines in frames of FRAME bytes or a little more."""
    held = bytearray()
    for piece in lines:
        held += piece
        while len(held) >= FRAME:
            cut = held.find(b"\n", FRAME - 1) + 1 or len(held)
            yield bytes(held[:cut])
            del held[:cut]
    if held:
        yield bytes(held)


def _seek_table(table: list[tuple[int, int]]) -> bytes:
    """Return the skippable frame that says how long each frame is, packed and unpacked."""
    entries = b"".join(struct.pack("<II", packed, plain) for packed, plain in table)
    footer = struct.pack("<IBI", len(table), 0, _SEEKABLE)
    return struct.pack("<II", _SKIPPABLE, len(entries) + len(footer)) + entries + footer
