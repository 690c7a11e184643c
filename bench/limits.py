"""The limits of this machine, measured in the same run: hashing, the disk, copying in memory.

The limits of hashing are those of hashlib, which other programs use, too. The table also has the compiled hashes.
"""

import mmap
import os
import time
from array import array
from collections.abc import Callable
from hashlib import sha1, sha256
from multiprocessing import get_context
from pathlib import Path

from packager.native import hashes

CORES = len(os.sched_getaffinity(0))
_CHUNK = 1 << 20
_LEAF = 16 << 10  # a block of BEP 52
_SECONDS = 1.0


def _flat(data: memoryview) -> None:
    sha256(data)


def _piece(data: memoryview) -> None:
    sha1(data)


def _leaves(data: memoryview) -> None:
    for at in range(0, _CHUNK, _LEAF):
        sha256(data[at : at + _LEAF])


def _all(data: memoryview) -> None:
    """Compute all hashes of a hybrid shard: SHA-256 of the member, v1 piece, v2 block."""
    _flat(data)
    _piece(data)
    _leaves(data)


def _lanes_of_leaves(data: memoryview) -> None:
    hashes.sha256_blocks(data, _LEAF)


def _lanes_of_pieces(data: memoryview) -> None:
    hashes.Sha1Lanes(hashes.LANES).update(data, _CHUNK // hashes.LANES)


def _all_at_once(data: memoryview) -> None:
    hashes.StreamHashes(_CHUNK, leaves=True).update(data, array("Q", (0, _CHUNK, 1)))


def _compiled() -> dict[str, Callable[[memoryview], None]]:
    """Return the compiled hashes that this machine can use, by name."""
    lanes: dict[str, Callable[[memoryview], None]] = {
        "SHA-1 of 16 pieces at once, one core, compiled": _lanes_of_pieces,
        "SHA-256 of 16 KiB blocks at once, one core, compiled": _lanes_of_leaves,
    }
    stitched = {"all three hashes of each byte, one core, compiled": _all_at_once}
    return (lanes if hashes.lanes() > 1 else {}) | (stitched if hashes.has_streams() else {})


def _rate(work: Callable[[memoryview], None]) -> float:
    """Return the bytes per second of one process."""
    data = memoryview(mmap.mmap(-1, _CHUNK))
    data[:] = os.urandom(_CHUNK)
    began, rounds = time.monotonic(), 0
    while (spent := time.monotonic() - began) < _SECONDS:
        work(data)
        rounds += 1
    return rounds * _CHUNK / spent


def hash_limit() -> float:
    """Return the bytes per second at which all cores together compute all hashes of a hybrid shard."""
    with get_context("spawn").Pool(CORES) as pool:
        pool.map(_rate, [_leaves] * CORES)  # waits until all processes have started
        return sum(pool.map(_rate, [_all] * CORES, chunksize=1))


def write_limit(folder: Path, size: int) -> float:
    """Return the bytes per second of 1 MiB writes without the page cache."""
    path, data = folder / "limit", mmap.mmap(-1, _CHUNK)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT)
    try:
        os.posix_fallocate(descriptor, 0, size)
        began = time.monotonic()
        for at in range(0, size, _CHUNK):
            os.pwrite(descriptor, data, at)
        os.fsync(descriptor)
        return size / (time.monotonic() - began)
    finally:
        os.close(descriptor)


def read_limit(folder: Path) -> tuple[float, float]:
    """Read the file of write_limit, and remove it. Return the bytes per second without the page cache and from it."""
    path, space = folder / "limit", mmap.mmap(-1, _CHUNK)
    rates = []
    for flags in (os.O_DIRECT, 0, 0):
        descriptor = os.open(path, os.O_RDONLY | flags)
        began, size = time.monotonic(), 0
        while got := os.readv(descriptor, [space]):
            size += got
        rates.append(size / (time.monotonic() - began))
        os.close(descriptor)
    path.unlink()
    return rates[0], rates[2]


def measured(folder: Path, size: int) -> dict[str, float]:
    """Return each limit by name, in bytes per second. `size` bytes are written and read."""
    found = {
        "SHA-256, one core": _rate(_flat),
        "SHA-1, one core": _rate(_piece),
        "SHA-256 of 16 KiB blocks, one core": _rate(_leaves),
        "all three hashes of each byte, one core": _rate(_all),
        ALL_CORES: hash_limit(),
        **{name: _rate(work) for name, work in _compiled().items()},
        WRITE: write_limit(folder, size),
    }
    found["disk, read without the page cache"], found["copy from the page cache"] = read_limit(folder)
    return found


ALL_CORES = f"all three hashes of each byte, {CORES} cores"
WRITE = "disk, write without the page cache"


def table(found: dict[str, float]) -> str:
    """Return the limits as a Markdown table."""
    rows = [f"| {name} | {rate / 1e9:.2f} |" for name, rate in found.items()]
    return "\n".join(["### Limits of this machine", "", "| what | GB/s |", "| --- | ---: |", *rows]) + "\n"


def floor(folder: Path) -> tuple[int, float]:
    """Return the number of files, and the seconds in which one process opens, reads and closes all of them."""
    paths = [os.fsencode(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    space = [memoryview(mmap.mmap(-1, _CHUNK))]
    began = time.monotonic()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        while os.readv(descriptor, space):
            pass
        os.close(descriptor)
    return len(paths), time.monotonic() - began
