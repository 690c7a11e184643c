"""A shard's stream as a list of segments: literal bytes, or a stretch of a file. Read piece by piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.second_implementation.problems import must

STEP = 1 << 20


@dataclass(frozen=True)
class Slice:
    """Bytes [start, start + size) of a file."""

    path: Path
    start: int
    size: int


Segment: TypeAlias = bytes | Slice


def size_of(segment: Segment) -> int:
    """Return the bytes of a segment."""
    return segment.size if isinstance(segment, Slice) else len(segment)


def read(segment: Segment) -> Iterator[bytes]:
    """Yield a segment's bytes, at most STEP at once."""
    if isinstance(segment, bytes):
        yield from (segment[at : at + STEP] for at in range(0, len(segment), STEP))
        return
    with segment.path.open("rb") as file:
        file.seek(segment.start)
        left = segment.size
        while left:
            data = file.read(min(left, STEP))
            must(bool(data), f"{segment.path} ends {left} bytes early")
            left -= len(data)
            yield data


def cut(segments: Iterable[Segment], length: int) -> Iterator[bytes]:
    """Yield the segments' bytes in pieces of `length`, the last one shorter."""
    held = bytearray()
    for segment in segments:
        for data in read(segment):
            held += data
            while len(held) >= length:
                yield bytes(held[:length])
                del held[:length]
    if held:
        yield bytes(held)
