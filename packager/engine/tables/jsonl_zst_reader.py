"""JSON lines in seekable zstd (`jsonl` writes them), read back frame by frame and checked against the seek table.

A stranger may have made the file: frames and the whole are unpacked within limits, since a kilobyte of
zstd can say that it is a terabyte.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from packager.engine.files.limited_read import open_regular
from packager.errors import InputError, from_os_error
from packager.paths import display_text
from packager.units import MIB, format_size

SKIPPABLE, SEEKABLE = 0x184D2A5E, 0x8F92EAB1  # the seek table's frame, and the end of it
FRAME_MOST = 16 * MIB  # bytes of an unpacked frame; ours have one and the rest of a line
WINDOW_MOST = 16 * MIB  # bytes that a frame may ask a reader to keep
ROOM, RATIO = 64 * MIB, 200  # bytes that any file may unpack to, and for each of its own bytes
_FOOTER = struct.Struct("<IBI")  # frames, descriptor, magic number
_HEAD = struct.Struct("<II")  # magic number, bytes that follow
_CHECKSUMS = 0x80  # descriptor: each entry ends with four bytes of its frame's checksum
_RESERVED = 0x7C
_STEP = 1024  # packed bytes that are unpacked before the size is looked at: 32 MiB of zeros at most


def read_jsonl_zst(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes of each frame in order.

    Raises InputError: no seek table, one that does not fit the file, a frame that is not what the table
    says or does not unpack, or more bytes than the limits allow. Memory: a frame, and eight bytes for each.
    """
    where = display_text(str(path))
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            table = _read_table(file, size, where)
            limit = ROOM + RATIO * size
            if sum(plain for _, plain in table) > limit:
                raise InputError(where, f"says it unpacks to more than the {format_size(limit)} that such a file may")
            file.seek(0)
            for number, (packed, plain) in enumerate(table, 1):
                yield _unpack(file.read(packed), plain, f"{where}: frame {number}")
    except OSError as error:
        raise from_os_error(error, where) from error


def _read_table(file: BinaryIO, size: int, where: str) -> list[tuple[int, int]]:
    """Return (packed, unpacked) bytes of each frame from the seek table, which must account for every byte."""
    file.seek(max(0, size - _FOOTER.size))
    footer = file.read(_FOOTER.size)
    frames, descriptor, magic = _FOOTER.unpack(footer) if len(footer) == _FOOTER.size else (0, 0, 0)
    if magic != SEEKABLE:
        raise InputError(where, "has no seek table at its end, so no line of it can be read alone")
    if descriptor & _RESERVED:
        raise InputError(where, f"its seek table has the descriptor {descriptor}, of which reserved bits are set")
    entry = struct.Struct("<III" if descriptor & _CHECKSUMS else "<II")
    length = frames * entry.size + _FOOTER.size
    if length + _HEAD.size > size:
        raise InputError(where, f"its seek table says it has {frames} frames, more than {size} bytes can hold")
    file.seek(size - length - _HEAD.size)
    if _HEAD.unpack(file.read(_HEAD.size)) != (SKIPPABLE, length):
        raise InputError(where, "its seek table does not begin as a frame that is skipped, of its own length")
    table = [(fields[0], fields[1]) for fields in entry.iter_unpack(file.read(frames * entry.size))]
    total = sum(packed for packed, _ in table)
    if total != size - length - _HEAD.size:
        raise InputError(
            where, f"its seek table adds up to {total} bytes, not the {size - length - _HEAD.size} before it"
        )
    return table


def _unpack(packed: bytes, plain: int, where: str) -> bytes:
    """Return a frame's bytes, which must be `plain` many. Raises InputError."""
    if plain > FRAME_MOST or len(packed) > FRAME_MOST + MIB:
        raise InputError(where, f"unpacks to {plain} bytes, more than the {format_size(FRAME_MOST)} of a frame")
    try:
        said = zstandard.get_frame_parameters(packed)
        if said.content_size not in (plain, zstandard.CONTENTSIZE_UNKNOWN):
            raise InputError(where, f"says it unpacks to {said.content_size} bytes, and the seek table {plain}")
        if said.window_size > WINDOW_MOST or said.dict_id:
            raise InputError(where, "asks for a window or a dictionary that no frame of ours needs")
        reader = zstandard.ZstdDecompressor(max_window_size=WINDOW_MOST).decompressobj()
        found = bytearray()
        for at in range(0, len(packed), _STEP):
            found += reader.decompress(packed[at : at + _STEP])
            if len(found) > plain or reader.eof:
                break
        whole = reader.eof and not reader.unused_data and at + _STEP >= len(packed)
    except zstandard.ZstdError as error:
        raise InputError(where, f"does not unpack ({error})") from error
    if len(found) != plain or not whole:
        raise InputError(where, f"is not one whole frame of {plain} bytes, as the seek table says")
    return bytes(found)
