"""Headers are what every tar reads, and as long as said beforehand."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import paths
from packager.core.shards import build_tar_header
from tests.helpers.strategies import names

GIB = 1 << 30
PATHS = {
    "1": "a",
    "100": "n" * 100,
    "100 in folders": "s/data/" + "n" * 93,
    "101 in one name": "n" * 101,
    "prefix 1": "p/" + "n" * 100,
    "prefix 155, name 100": "p" * 155 + "/" + "n" * 100,
    "prefix 156": "p" * 156 + "/" + "n" * 100,
    "prefix 155, name 101": "p" * 155 + "/" + "n" * 101,
    "prefix 154, name 100": "p" * 154 + "/" + "n" * 100,
    "many folders of 256": "/".join(["f" * 15] * 16) + "x",
    "slash at every place": "/".join("abcdefgh" * 16),
    "99 and a slash": "p" * 99 + "/n",
    "not ASCII": "s/data/é.flac",
    "not ASCII, 100 characters": "é" * 100,
    "not ASCII with a slash 100 from its end": "é" + "a" * 20 + "/" + "n" * 99,
    "emoji and combining": "s/\U0001f3b5/e\u0301",
    "1,024 bytes": "s/" + "/".join(["d" * 200] * 5) + "/" + "n" * 17,
    "1,024 bytes, not ASCII": "s/" + "/".join(["é" * 100] * 5) + "/" + "n" * 17,
    "pax record of 99 bytes": "é" + "n" * 88,
    "pax record of 101 bytes": "é" + "n" * 89,
    "pax record of 512 bytes": "é/" + "n" * 499,
    "pax record of 513 bytes": "é/" + "n" * 500,
    "odd but kept": "s/data/ -a [b] 'c' \"{d}\" ~ $e",
}  # fmt: skip
SIZES = [0, 1, 512, 8 * GIB - 1, 8 * GIB, 1 << 40]


def read_header(header: bytes) -> tarfile.TarInfo:
    """Return what Python's tarfile makes of a header."""
    with tarfile.open(fileobj=io.BytesIO(header + build_tar_header.END), mode="r:") as archive:
        member = archive.next()
    assert member is not None
    return member


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_header_says_its_path_and_size_and_nothing_of_the_machine(path: str, size: int) -> None:
    header = build_tar_header.build_tar_header(path, size)
    member = read_header(header)
    assert (member.name, member.size) == (path, size)
    assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
    assert (member.mode, member.mtime, member.type) == (0o644, build_tar_header.MTIME, tarfile.REGTYPE)
    assert member.offset_data == len(header) == build_tar_header.header_size(path, size)


@pytest.mark.parametrize(
    ("path", "size", "blocks"),
    [
        (PATHS["100"], 8 * GIB - 1, 1),
        (PATHS["prefix 155, name 100"], 0, 1),
        (PATHS["prefix 156"], 0, 3),
        (PATHS["prefix 155, name 101"], 0, 3),
        (PATHS["100"], 8 * GIB, 3),
        (PATHS["not ASCII"], 0, 3),
        (PATHS["pax record of 512 bytes"], 0, 3),
        (PATHS["pax record of 513 bytes"], 0, 4),
    ],
)
def test_a_pax_header_stands_only_where_a_field_does_not_fit(path: str, size: int, blocks: int) -> None:
    assert len(build_tar_header.build_tar_header(path, size)) == blocks * build_tar_header.BLOCK


@given(st.lists(names().map(paths.safe_name), min_size=1, max_size=6).map("/".join), st.integers(0, 1 << 50))
def test_the_size_of_a_header_is_known_without_making_it(path: str, size: int) -> None:
    header = build_tar_header.build_tar_header(path, size)
    assert build_tar_header.header_size(path, size) == len(header)
    assert (read_header(header).name, read_header(header).size) == (path, size)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_reader_without_pax_is_never_given_an_absolute_path(path: str) -> None:
    last = build_tar_header.build_tar_header(path, 0)[-build_tar_header.BLOCK :]
    prefix, name = last[345:500].rstrip(b"\0"), last[:100].rstrip(b"\0")
    assert name
    assert not name.startswith(b"/")
    assert not prefix.startswith(b"/")


@pytest.mark.parametrize(("size", "zeros"), [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)])
def test_data_is_padded_to_whole_blocks(size: int, zeros: int) -> None:
    assert build_tar_header.padding(size) == zeros


@pytest.mark.interop
@pytest.mark.parametrize("path", ["track.flac", PATHS["prefix 155, name 100"], PATHS["100 in folders"]])
def test_gnu_tar_writes_the_same_archive_of_a_plain_file(
    tmp_path: Path, program: Callable[[str], str], path: str
) -> None:
    data = b"d" * 700
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(data)
    options = ["--format=ustar", "--blocking-factor=1", f"--mtime=@{build_tar_header.MTIME}", "--mode=0644"]
    owner = ["--owner=0", "--group=0", "--numeric-owner"]
    done = subprocess.run(
        [program("tar"), *options, *owner, "--create", "--file=-", path], cwd=tmp_path, capture_output=True, check=True
    )
    assert (
        build_tar_header.build_tar_header(path, len(data))
        + data
        + bytes(build_tar_header.padding(len(data)))
        + build_tar_header.END
        == done.stdout
    )


@pytest.mark.interop
def test_gnu_tar_lists_every_path_and_size(tmp_path: Path, program: Callable[[str], str]) -> None:
    wanted = [(path, size) for path in PATHS.values() for size in (0, 513)]
    archive = tmp_path / "all.tar"
    archive.write_bytes(
        b"".join(
            build_tar_header.build_tar_header(path, size) + b"x" * size + bytes(build_tar_header.padding(size))
            for path, size in wanted
        )
        + build_tar_header.END
    )
    assert listed(program("tar"), archive) == [("-rw-r--r--", "0/0", size, path) for path, size in wanted]


@pytest.mark.interop
@pytest.mark.parametrize("size", [8 * GIB - 1, 8 * GIB, 1 << 40])
def test_gnu_tar_lists_a_huge_file(tmp_path: Path, program: Callable[[str], str], size: int) -> None:
    archive = tmp_path / "huge.tar"
    with open(archive, "wb") as file:
        file.write(build_tar_header.build_tar_header("s/é", size))
        file.truncate(file.tell() + size + build_tar_header.padding(size))
        file.seek(0, 2)
        file.write(build_tar_header.build_tar_header("s/after", 0) + build_tar_header.END)
    assert listed(program("tar"), archive) == [("-rw-r--r--", "0/0", size, "s/é"), ("-rw-r--r--", "0/0", 0, "s/after")]


def listed(program: str, archive: Path) -> list[tuple[str, str, int, str]]:
    """Return (mode, owner, size, path) of each file as GNU tar lists it; it must say nothing on stderr."""
    command = [program, "--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--file", archive]
    done = subprocess.run(command, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", "TZ": "UTC"})
    assert done.stderr == b""
    rows = []
    for line in done.stdout.decode().splitlines():
        mode, owner, size, date, time, path = line.split(maxsplit=5)
        assert (date, time) == ("1980-01-01", "00:00")
        rows.append((mode, owner, int(size), path))
    return rows
