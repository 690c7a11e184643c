"""Hashes side by side: every byte in order to each, buffers to the sink in order, no thread left, errors told."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.engine.files.direct_writer import BUFFER, DirectWriter, Discard
from packager.engine.hashing.hashing_writer import HashingWriter
from packager.engine.hashing.parallel_hashes import ParallelHashes
from packager.engine.hashing.stream_hasher import StreamHasher
from packager.errors import IncompleteError


class Kept(Discard):
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def put(self, buffer: memoryview, length: int) -> None:
        self.data += buffer[:length]
        super().put(buffer, length)


def test_hashes_of_unlike_speed_all_see_every_byte_and_the_sink_gets_them_in_order() -> None:
    seen: list[bytearray] = [bytearray(), bytearray(), bytearray()]

    def taking(number: int) -> Callable[[memoryview], None]:
        def take(data: memoryview) -> None:
            if len(seen[number]) // 16 % 3 == number:
                os.sched_yield()  # lets another thread go first
            seen[number].extend(data[:16])

        return take

    sink = Kept()
    lanes = ParallelHashes([taking(0), taking(1), taking(2)], sink)
    expected = b""
    for number in range(200):
        buffer = sink.buffer()
        buffer[:16] = b"%016d" % number
        expected += b"%016d" % number
        lanes.put(buffer, 16)
    lanes.stop()
    lanes.check()
    assert seen == [expected] * 3
    assert sink.data == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_stops_the_stream_soon_and_no_thread_stays(mount: Callable[[str], Path], threads: int) -> None:
    path = mount("ext2") / "s.tar"
    before = threading.active_count()
    written: list[int] = []
    with pytest.raises(IncompleteError, match="No space left on device"):
        _fill(path, threads, written)
    assert len(written) < 40
    assert not path.exists()
    assert threading.active_count() == before


def _fill(path: Path, threads: int, written: list[int]) -> None:
    hashes = StreamHasher(100 * BUFFER, BUFFER, v1=True, v2=True, flat=True)
    with (
        DirectWriter(path, 100 * BUFFER) as sink,
        HashingWriter(hashes, sink, written.append, threads=threads) as stream,
    ):
        for _ in range(100):
            stream.write(bytes(BUFFER))
