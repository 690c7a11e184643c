"""A library that is not what was compiled is never loaded: hashlib hashes then, and no signal ends the process."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.native import hashes

NATIVE = Path(hashes.__file__).parent
SUMS = f"{hashes.LIBRARY.name}.sha256"
DATA = bytes(number % 251 for number in range(1 << 14))
# Point the door to another folder, then use all of it.
PROGRAM = """
import hashlib, pathlib, sys
from packager.native import hashes
hashes.LIBRARY = pathlib.Path(sys.argv[1])
data = bytes(1 << 16)
assert hashes.sha256_blocks(data, 4096) == hashlib.sha256(data[:4096]).digest() * 16
lanes = hashes.Sha1Lanes(16)
lanes.update(memoryview(data), 4096)
assert lanes.digests() == hashlib.sha1(data[:4096]).digest() * 16
print(hashes.has_streams(), hashes.name())
"""


def used(library: Path) -> str:
    """Return what a process of its own says of a library: whether streams are hashed by it, and its name."""
    command = [sys.executable, "-c", PROGRAM, library]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.returncode, ran.stderr)
    return ran.stdout.strip()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of the compiled library, with its sums and its source."""
    for name in (hashes.LIBRARY.name, SUMS, "hashes.c"):
        if not (NATIVE / name).exists():
            pytest.skip("packager/native/hashes.c was not compiled")
        shutil.copy(NATIVE / name, tmp_path)
    return tmp_path / hashes.LIBRARY.name


def note(library: Path) -> None:
    """Write the sums of a library and its source, as hatch_build.py does."""
    source = library.with_name("hashes.c")
    source.touch()
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (library, source)]
    library.with_name(SUMS).write_text("".join(lines))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, afresh: None) -> Callable[[Path], str]:
    """Return a function that holds a library to be refused in this process, and returns what is said of it."""

    def hold(library: Path) -> str:
        monkeypatch.setattr(hashes, "LIBRARY", library)
        for cached in (hashes._lanes, hashes._streams, hashes._library):
            cached.cache_clear()
        assert (hashes.lanes(), hashes.has_streams()) == (1, False)
        assert hashes.sha256_blocks(DATA, 64)[:32] == hashlib.sha256(DATA[:64]).digest()
        return hashes.name()

    return hold


def test_a_copy_of_the_library_is_used_wherever_it_is(library: Path) -> None:
    assert used(library).split(maxsplit=1)[1] == hashes.name()


def test_a_library_that_is_cut_at_any_byte_is_left_alone(library: Path, refused: Callable[[Path], str]) -> None:
    size = library.stat().st_size
    lengths = [*range(size - 1, 0, -997), *(2**power for power in range(15)), 0]
    for length in sorted({min(length, size - 1) for length in lengths}, reverse=True):
        os.truncate(library, length)
        assert "not what was compiled" in refused(library), length
    assert used(library).startswith("False hashlib (libhashes.so is not what was compiled")


def test_a_library_in_which_any_bit_differs_is_left_alone(library: Path, refused: Callable[[Path], str]) -> None:
    whole = library.read_bytes()
    for at in range(0, len(whole), len(whole) // 50):
        library.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert "not what was compiled" in refused(library), at
    library.write_bytes(whole + b"\0")
    assert "not what was compiled" in refused(library)


@pytest.mark.parametrize("kind", ["missing", "a folder", "a pipe", "a loop", "unreadable"])
def test_what_is_no_readable_file_is_left_alone(kind: str, library: Path, refused: Callable[[Path], str]) -> None:
    library.unlink()
    if kind == "a folder":
        library.mkdir()
    elif kind == "a pipe":
        os.mkfifo(library)
    elif kind == "a loop":
        library.symlink_to(library.name)
    elif kind == "unreadable":
        library.write_bytes(b"")
        library.chmod(0)
    assert refused(library).startswith("hashlib")
    assert used(library).startswith("False hashlib")


@pytest.mark.parametrize(
    "sums", [None, b"", b"\xff\0", b"00  libhashes.so\n", b"one two three\n", "the library's alone"]
)
def test_a_library_without_right_sums_is_left_alone(
    sums: bytes | str | None, library: Path, refused: Callable[[Path], str]
) -> None:
    path = library.with_name(SUMS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    if sums is not None:
        path.write_bytes(lines[0] if isinstance(sums, str) else sums)
    assert refused(library).startswith("hashlib (libhashes.so ")


def test_a_library_of_another_source_is_left_alone(library: Path, refused: Callable[[Path], str]) -> None:
    with library.with_name("hashes.c").open("a") as source:
        source.write("/* another version */\n")
    assert "not what was compiled" in refused(library)


def test_a_library_of_another_machine_is_left_alone(library: Path, refused: Callable[[Path], str]) -> None:
    whole = bytearray(library.read_bytes())
    for at, value in ((18, 183), (4, 1), (5, 2), (0, 0)):  # ELF: AArch64; 32 bits; big-endian; no ELF at all
        changed = bytearray(whole)
        changed[at] = value
        library.write_bytes(changed)
        note(library)
        assert "cannot be loaded" in refused(library)
        assert used(library).startswith("False hashlib")


def test_a_library_that_is_cut_while_it_is_used_goes_on(library: Path) -> None:
    cut = PROGRAM.replace("data = ", "hashes.has_streams(); open(sys.argv[1], 'wb').close()\ndata = ")
    ran = subprocess.run([sys.executable, "-c", cut, library], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip().partition(" ")[2]) == (0, hashes.name()), ran.stderr


NAMES = ("sha256", "sha1_start", "sha1_update", "stream_start", "stream_update", "stream_finish")
YES = "unsigned long packager_stream_size(void) { return 144; } int packager_ways(void) { return 3; }\n"
NO = "unsigned long packager_stream_size(void) { return 144; } int packager_ways(void) { return 0; }\n"
NOTHING = "".join(f"void packager_{name}(void) {{}}\n" for name in NAMES)


@pytest.mark.interop
@pytest.mark.parametrize(
    "source",
    [
        YES + NOTHING + "void packager_sha1_finish(void) {}\n",
        NO + NOTHING + "void packager_sha1_finish(void) {}\n",
        YES + NOTHING,
    ],
    ids=["wrong digests", "another processor", "another version"],
)
def test_a_library_that_cannot_hash_is_left_alone(
    source: str, program: Callable[[str], str], tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    library = tmp_path / "libhashes.so"
    command = [program("cc"), "-shared", "-fPIC", "-x", "c", "-o", str(library), "-"]
    subprocess.run(command, input=source, text=True, check=True)
    note(library)
    assert refused(library).startswith("hashlib")
