"""The header blocks of a stranger's tar, read: POSIX ustar, pax records, GNU numbers (IEEE Std 1003.1, pax). Pure.

`core/shards/build_tar_header` writes them.
"""

import re
from dataclasses import dataclass

from packager.core.shards.build_tar_header import BLOCK
from packager.errors import InputError

SIZE_END = 1 << 60  # bytes of an entry, which stay below it
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
TYPES = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",  # "contiguous", read as a file by all
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"5": "folder",
    b"6": "FIFO",
    b"S": "GNU sparse file",
}
PAX, PAX_GLOBAL, GNU_PATH, GNU_LINK = b"x", b"g", b"L", b"K"
EXTENDED = (PAX, PAX_GLOBAL, GNU_PATH, GNU_LINK)  # entries that say something of those after them


@dataclass(frozen=True)
class TarHeader:
    """One header block. Names are bytes as they stand; `size` is bytes."""

    path: bytes
    size: int
    typeflag: bytes
    link: bytes


def is_header(block: bytes) -> bool:
    """Return whether a file's first bytes look like a tar's: ustar's magic, or a block whose checksum is right."""
    if block[257:262] == b"ustar":
        return True
    if len(block) != BLOCK or not any(block):
        return False
    try:
        parse_block(block, "")
    except InputError:
        return False
    return True


def parse_block(block: bytes, where: object) -> TarHeader:
    """Return what a block of 512 bytes says. Raises InputError: wrong checksum, a size that is none."""
    if len(block) != BLOCK:
        raise ValueError(f"a header block has {BLOCK} bytes, not {len(block)}")
    said = _number(block[148:156], "checksum", where)
    counted = block[:148] + b" " * 8 + block[156:]
    signed = sum(counted) - 256 * sum(byte > 127 for byte in counted)  # what some old programs wrote
    if said not in (sum(counted), signed):
        raise InputError(where, f"the header's checksum is {said}, and its bytes make {sum(counted)}")
    path = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        path = _text(block[345:500]) + b"/" + path
    return TarHeader(path, _number(block[124:136], "size", where), block[156:157], _text(block[157:257]))


def _text(field: bytes) -> bytes:
    """Return a field up to its NUL."""
    return field.partition(b"\0")[0]


def _number(field: bytes, name: str, where: object) -> int:
    """Return a number in octal digits, or in GNU's base 256 where the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        if field[0] == 0x80:  # the sign is the second bit; 0x80 alone marks a positive number
            value = int.from_bytes(field[1:], "big")
    else:
        match = _OCTAL.fullmatch(field)
        if match is None:
            raise InputError(where, f"the header's {name} is not an octal number")
        value = int(match[1] or b"0", 8)
    if not 0 <= value < SIZE_END:
        raise InputError(where, f"the header's {name} is {value}, not from 0 to 1 EiB")
    return value


def parse_pax(data: bytes, where: object) -> dict[str, bytes]:
    r"""Return the records of a pax header, "LENGTH KEY=VALUE\n" each; the last of a key counts.

    Raises InputError if a length lies or a record has no key.
    """
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        match = _PAX_LENGTH.match(data, at)
        stop = at + int(match[1]) if match else 0
        if match is None or stop > len(data) or stop < match.end() or data[stop - 1 : stop] != b"\n":
            raise InputError(where, f"byte {at} of its pax header begins no record, or one whose length lies")
        key, equals, value = data[match.end() : stop - 1].partition(b"=")
        if not equals or not key:
            raise InputError(where, f"byte {at} of its pax header begins a record without a key")
        records[key.decode("utf-8", "replace")] = value
        at = stop
    return records


def pax_size(value: bytes, where: object) -> int:
    """Return the bytes that a pax record `size` says. Raises InputError."""
    if not re.fullmatch(rb"[0-9]{1,19}", value) or int(value) >= SIZE_END:
        raise InputError(where, "its pax size is not a whole number of bytes below 1 EiB")
    return int(value)
