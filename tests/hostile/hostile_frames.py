"""Seekable zstd with one fault each. Frames are put together by hand (RFC 8878), so no zstd's version shows in them."""

import struct

LINE = b'{"id":"a"}\n'
MAGIC = struct.pack("<I", 0xFD2FB528)


def block(data: bytes, *, last: bool = True) -> bytes:
    """A raw block."""
    return struct.pack("<I", len(data) << 3 | last)[:3] + data


def zeros(size: int, *, last: bool = True) -> bytes:
    """An RLE block: `size` zeros in four bytes, at most 128 KiB."""
    return struct.pack("<I", size << 3 | 1 << 1 | last)[:3] + b"\0"


def frame(data: bytes = LINE, size: int | None = None) -> bytes:
    """A single-segment frame with its content size in eight bytes."""
    return MAGIC + b"\xe0" + struct.pack("<Q", len(data) if size is None else size) + block(data)


def bomb(size: int) -> bytes:
    """A frame of `size` zeros, a multiple of 128 KiB; its window is as large."""
    step = 128 << 10
    count = size // step
    return MAGIC + b"\xe0" + struct.pack("<Q", size) + zeros(step, last=False) * (count - 1) + zeros(step, last=True)


def table(*entries: tuple[int, int], descriptor: int = 0, magic: int = 0x8F92EAB1, count: int | None = None) -> bytes:
    body = b"".join(struct.pack("<II", *entry) for entry in entries)
    body += struct.pack("<IBI", len(entries) if count is None else count, descriptor, magic)
    return struct.pack("<II", 0x184D2A5E, len(body)) + body


def seekable(packed: bytes, plain: int) -> bytes:
    return packed + table((len(packed), plain))


GOOD = frame()
CHECKED = MAGIC + b"\xe4" + struct.pack("<Q", len(LINE)) + block(LINE) + b"\0\0\0\0"
WINDOWED = MAGIC + b"\x80" + b"\xa8" + struct.pack("<I", len(LINE)) + block(LINE)  # window log 31
DICTIONARY = MAGIC + b"\xe3" + struct.pack("<IQ", 4711, len(LINE)) + block(LINE)

MADE = {
    "catalogue-bomb-of-16-mib-frames.jsonl.zst": (one := bomb(16 << 20)) * 20 + table(*[(len(one), 16 << 20)] * 20),
    "catalogue-bomb-of-one-frame.jsonl.zst": seekable(bomb(512 << 20), 512 << 20),
    "catalogue-bomb-the-table-hides.jsonl.zst": seekable(bomb(512 << 20), 11),
    "catalogue-checksum-wrong.jsonl.zst": seekable(CHECKED, len(LINE)),
    "catalogue-cut-short.jsonl.zst": seekable(GOOD[:-4], len(LINE)),
    "catalogue-dictionary.jsonl.zst": seekable(DICTIONARY, len(LINE)),
    "catalogue-frame-in-the-middle-of-a-line.jsonl.zst": seekable(frame(LINE[:-1]), len(LINE) - 1),
    "catalogue-frame-is-junk.jsonl.zst": seekable(b"\x28\xb5\x2f\xfd" + b"junk" * 8, 99),
    "catalogue-frame-that-is-skipped.jsonl.zst": seekable(
        GOOD + struct.pack("<II", 0x184D2A50, 4) + b"junk", len(LINE)
    ),
    "catalogue-frame-says-1-tib.jsonl.zst": seekable(frame(LINE, 1 << 40), len(LINE)),
    "catalogue-line-is-a-list.jsonl.zst": seekable(frame(b"[1]\n"), 4),
    "catalogue-line-is-not-json.jsonl.zst": seekable(frame(b'{"id":\n'), 7),
    "catalogue-table-counts-4-billion.jsonl.zst": GOOD + table((len(GOOD), len(LINE)), count=0xFFFFFFFF),
    "catalogue-table-missing.jsonl.zst": GOOD,
    "catalogue-table-of-other-lengths.jsonl.zst": GOOD + table((len(GOOD) + 5, len(LINE))),
    "catalogue-table-with-reserved-bits.jsonl.zst": GOOD + table((len(GOOD), len(LINE)), descriptor=0x7C),
    "catalogue-window-of-2-gib.jsonl.zst": seekable(WINDOWED, len(LINE)),
}
