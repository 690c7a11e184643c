"""SHA-256 and SHA-1 of several messages at once: by the compiled hashes.c where the processor can.

Elsewhere by hashlib, with the same results: on a processor without SHA instructions and AVX-512, where nothing was
compiled, where the library is not what was compiled from the hashes.c beside it, where it does not find what hashlib
does, and where the environment says PACKAGER_HASHES=hashlib. PACKAGER_HASHES=sha leaves AVX-512 alone.
"""

import ctypes
import os
from array import array
from errno import EINVAL
from functools import cache
from hashlib import sha1, sha256
from pathlib import Path
from stat import S_ISREG
from typing import TypeAlias

Data: TypeAlias = memoryview | bytes | bytearray

LIBRARY = Path(__file__).with_name("libhashes.so")
_LIMIT = 8 << 20  # bytes of the library or its source; they have some 40 thousand
LANES = 16  # messages that the library hashes at once
_BLOCK = 64  # bytes that SHA-1 and SHA-256 take at once (FIPS 180-4)
_LEAF = 16 * 1024  # bytes of a leaf's block (BEP 52)
_BY_SHA, _BY_AVX512 = 1, 2
_FEW = {_BY_SHA: (1, 1), _BY_AVX512: (8, 4)}  # so many messages, SHA-256 and SHA-1, hashlib hashes as quickly


def lanes() -> int:
    """Return how many messages are best hashed at once: 1 where hashlib hashes them."""
    return LANES if _lanes() else 1


def has_streams() -> bool:
    """Return whether `StreamHashes` can be used: the processor has SHA instructions, and the library is there."""
    return _streams() is not None


def name() -> str:
    """Return what hashes, in words; and of a library that is there and cannot be used, why."""
    found = [] if (several := _lanes()) is None else [_NAMES[several[1]]]
    words = " and ".join([*found, *(["stitched hashes (SHA-NI)"] if has_streams() else [])])
    return words or ("hashlib" if not (why := _library()[2]) else f"hashlib ({why})")


_NAMES = {_BY_SHA: "hashes four at once (SHA-NI)", _BY_AVX512: f"{LANES}-lane hashes (AVX-512)"}


def sha256_blocks(data: Data, size: int) -> bytes:
    """Return the SHA-256 of each block of `size` bytes, the last one shorter, joined: 32 bytes each."""
    several, count = _lanes(), len(data) // size
    if several and count % LANES <= _FEW[several[1]][0]:
        count -= count % LANES
    if not several or not count:
        return _one_by_one(memoryview(data), size)
    library, way = several
    digests = bytearray(32 * count)
    library.packager_sha256(way, _pointer(data), size, count, _pointer(digests))
    return bytes(digests) + _one_by_one(memoryview(data)[count * size :], size)


def _one_by_one(data: memoryview, size: int) -> bytes:
    """Do what `sha256_blocks` does by hashlib."""
    return b"".join([sha256(data[at : at + size]).digest() for at in range(0, len(data), size)])


class Sha1Lanes:
    """SHA-1 of messages of one length, at most LANES of them, fed side by side."""

    def __init__(self, count: int) -> None:
        """Begin `count` messages."""
        several = _lanes()
        self._library: ctypes.CDLL | None = None
        if several and count > _FEW[several[1]][1]:
            self._library, self._way = several
        self._count, self._size = count, 0
        self._states = [] if self._library else [sha1() for _ in range(count)]
        self._words = bytearray(4 * 5 * LANES)
        self._digests = b""
        if self._library:
            self._library.packager_sha1_start(_pointer(self._words))

    def update(self, data: memoryview, size: int) -> None:
        """Take the next `size` bytes of each message: its row in `data`. All but the last time a multiple of 64."""
        if not self._library:
            for number, state in enumerate(self._states):
                state.update(data[number * size : (number + 1) * size])
            return
        blocks, rest = divmod(size, _BLOCK)
        self._library.packager_sha1_update(self._way, _pointer(self._words), _pointer(data), size, self._count, blocks)
        self._size += size
        if rest:
            self._digests = self._finished(data[size - rest :], size, rest)

    def digests(self) -> bytes:
        """Return the digests, joined: 20 bytes each. Nothing is taken after that."""
        if not self._library:
            return b"".join([state.digest() for state in self._states])
        return self._digests or self._finished(b"", 0, 0)

    def _finished(self, data: Data, distance: int, rest: int) -> bytes:
        """Return the digests; `rest` bytes of each message are left."""
        assert self._library
        digests = bytearray(20 * self._count)
        numbers = distance, self._count, rest, self._size
        self._library.packager_sha1_finish(
            self._way, _pointer(self._words), _pointer(data), *numbers, _pointer(digests)
        )
        return bytes(digests)


class StreamHashes:
    """Of one stream SHA-1 of its pieces, SHA-256 of its leaves and of messages that lie in it: all in one loop.

    Each is a chain, which alone waits for its own last result. Only where `has_streams()`.
    """

    def __init__(self, piece_length: int, *, leaves: bool) -> None:
        """Begin. piece_length: a multiple of 64 bytes, 0 for no pieces. leaves: whether to hash BEP 52's blocks."""
        library = _streams()
        assert library
        self._library, self._chains = library, bytearray(library.packager_stream_size())
        self._lengths = piece_length, _LEAF if leaves else 0
        self._at = 0
        library.packager_stream_start(_pointer(self._chains), piece_length, leaves)

    def update(self, data: memoryview, spans: "array[int]") -> tuple[bytes, bytes, bytes]:
        """Take the next bytes, a multiple of 64; return the digests of the pieces, leaves and messages that end there.

        spans: three numbers each, in order: where in `data` bytes of a message begin, a multiple of 64, where they
        stop, and 1 where the message ends there, or else 0; it goes on with the first span of the next update.
        """
        start, self._at = self._at, self._at + len(data)
        pieces, leaves = (self._at // length - start // length if length else 0 for length in self._lengths)
        found = bytearray(20 * pieces), bytearray(32 * leaves), bytearray(32 * sum(spans[2::3]))
        self._library.packager_stream_update(
            _pointer(self._chains), _pointer(data), len(data), _pointer(spans), len(spans) // 3, *map(_pointer, found)
        )
        return bytes(found[0]), bytes(found[1]), bytes(found[2])

    def finish(self) -> tuple[bytes, bytes]:
        """Return the digests of the last piece and leaf where those are short; nothing is taken after that."""
        short = [length > 0 and self._at % length > 0 for length in self._lengths]
        piece, leaf = bytearray(20 * short[0]), bytearray(32 * short[1])
        self._library.packager_stream_finish(_pointer(self._chains), _pointer(piece), _pointer(leaf))
        return bytes(piece), bytes(leaf)


def _pointer(data: "Data | array[int]") -> object:
    """Return what the library takes as the address of bytes. What a view may not be written through is copied."""
    if isinstance(data, bytes) or not len(data):
        return bytes(data)
    if isinstance(data, memoryview) and data.readonly:
        return bytes(data)
    return ctypes.byref(ctypes.c_char.from_buffer(data))


@cache
def _lanes() -> tuple[ctypes.CDLL, int] | None:
    """Return the library and the way in which it hashes sixteen messages on this processor, if it does so rightly."""
    library, ways, _ = _library()
    way = _BY_AVX512 if ways & _BY_AVX512 else ways & _BY_SHA
    return (library, way) if library and way and _has_right_lanes(library, way) else None


@cache
def _streams() -> ctypes.CDLL | None:
    """Return the library if it hashes streams on this processor, and rightly."""
    library, ways, _ = _library()
    return library if library and ways & _BY_SHA and _has_right_streams(library) else None


@cache
def _library() -> tuple[ctypes.CDLL | None, int, str]:
    """Return the library and by what it can hash; or None, 0, and what is wrong with a library that is there."""
    asked = os.environ.get("PACKAGER_HASHES")
    if asked == "hashlib" or not os.path.lexists(LIBRARY):
        return None, 0, ""
    try:
        data = _as_compiled()
        if data is None:
            return None, 0, f"{LIBRARY.name} is not what was compiled; install archive-packager again"
        library = _opened(data)
    except (OSError, ValueError, AttributeError):  # ValueError: the sums are none
        return None, 0, f"{LIBRARY.name} cannot be loaded; install archive-packager again"
    return library, library.packager_ways() & (_BY_SHA if asked == "sha" else _BY_SHA | _BY_AVX512), ""


def _as_compiled() -> bytes | None:
    """Return the library's bytes, if they and the source are those that were compiled. Raises OSError, ValueError.

    A library that was cut short, or is of another version, ends the process when it is loaded or called.
    """
    noted = [line.split() for line in _read(LIBRARY.with_name(f"{LIBRARY.name}.sha256")).decode("ascii").splitlines()]
    found = {name: _read(LIBRARY.with_name(name)) for name in (LIBRARY.name, "hashes.c")}
    expected = {name: digest for digest, name in noted}
    same = expected == {name: sha256(data).hexdigest() for name, data in found.items()}
    return found[LIBRARY.name] if same else None


def _read(path: Path) -> bytes:
    """Return a small regular file; never wait for one that is none. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, os.strerror(EINVAL))
        return file.read(_LIMIT)


def _opened(data: bytes) -> ctypes.CDLL:
    """Load a library from a file in memory that holds these very bytes, whatever becomes of the one on the disk.

    Raises OSError, and AttributeError if it has not our functions.
    """
    descriptor = os.memfd_create(LIBRARY.name)  # stays open: by this name the loader tells libraries apart
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(data)
    library, way = ctypes.CDLL(f"/proc/self/fd/{descriptor}"), ctypes.c_int
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    library.packager_ways.argtypes = library.packager_stream_size.argtypes = ()
    library.packager_stream_size.restype = size
    for function, arguments in (
        (library.packager_sha256, (way, pointer, size, size, pointer)),
        (library.packager_sha1_start, (pointer,)),
        (library.packager_sha1_update, (way, pointer, pointer, size, size, size)),
        (library.packager_sha1_finish, (way, pointer, pointer, size, size, size, number, pointer)),
        (library.packager_stream_start, (pointer, number, ctypes.c_int)),
        (library.packager_stream_update, (pointer, pointer, size, pointer, size, pointer, pointer, pointer)),
        (library.packager_stream_finish, (pointer, pointer, pointer)),
    ):
        function.argtypes, function.restype = arguments, None
    return library


_SAMPLE = bytes(number * number % 251 for number in range(1600))


def _has_right_lanes(library: ctypes.CDLL, way: int) -> bool:
    """Return whether sixteen messages get the digests that hashlib finds; some microseconds."""
    size, words = len(_SAMPLE) // LANES, bytearray(4 * 5 * LANES)
    digests, digests1 = bytearray(32 * LANES), bytearray(20 * LANES)
    library.packager_sha256(way, _SAMPLE, size, LANES, _pointer(digests))
    library.packager_sha1_start(_pointer(words))
    library.packager_sha1_update(way, _pointer(words), _SAMPLE, size, LANES, 1)
    rest = size - _BLOCK
    library.packager_sha1_finish(way, _pointer(words), _SAMPLE[_BLOCK:], size, LANES, rest, size, _pointer(digests1))
    expected1 = b"".join([sha1(_SAMPLE[at : at + size]).digest() for at in range(0, len(_SAMPLE), size)])
    return digests == _one_by_one(memoryview(_SAMPLE), size) and digests1 == expected1


def _has_right_streams(library: ctypes.CDLL) -> bool:
    """Return whether a stream gets the digests that hashlib finds; some microseconds."""
    chains, spans = bytearray(library.packager_stream_size()), array("Q", (64, 300, 1))
    pieces, leaf, message = bytearray(20), bytearray(32), bytearray(32)
    library.packager_stream_start(_pointer(chains), len(_SAMPLE), 1)
    digests = _pointer(pieces), b"", _pointer(message)
    library.packager_stream_update(_pointer(chains), _SAMPLE, len(_SAMPLE), _pointer(spans), 1, *digests)
    library.packager_stream_finish(_pointer(chains), b"", _pointer(leaf))
    expected = sha1(_SAMPLE).digest(), sha256(_SAMPLE).digest(), sha256(_SAMPLE[64:300]).digest()
    return (bytes(pieces), bytes(leaf), bytes(message)) == expected
