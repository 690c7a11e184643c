"""A member that is not what the scan saw is caught when it is opened, while it is read, and when it is closed."""

import base64
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from packager.engine.files import source_files
from packager.engine.files.source_files import OpenSourceFile, SourceFile
from packager.errors import IncompleteError
from packager.model import PLANNED

AsNobody = Callable[[str, str], list[str]]
FIX = "; fix the file, or run packager release to take it as it is now"
DATA = b"0123456789" * 500


@pytest.fixture
def member(tmp_path: Path) -> SourceFile:
    """A member with the facts of a real file."""
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "track.flac"
    path.write_bytes(DATA)
    return SourceFile(b"a/track.flac", len(DATA), path.stat().st_mtime_ns, sha256(DATA).digest())


def read_all(root: Path, member: SourceFile, step: int = 999) -> bytes:
    """Read a member as a pass does."""
    held = bytearray()
    space = memoryview(bytearray(step))
    with OpenSourceFile(os.fsencode(root), member) as file:
        while len(held) < member.size:
            got = file.read(len(held), space[: member.size - len(held)])
            held += space[:got]
    source_files.check_digest(member, sha256(held).digest())
    return bytes(held)


def test_a_member_that_is_as_it_was_is_read_whole(tmp_path: Path, member: SourceFile) -> None:
    assert read_all(tmp_path, member) == DATA
    assert read_all(tmp_path, SourceFile(member.path, member.size, None, None)) == DATA
    assert source_files.changed(tmp_path, [member]) == []


def truncate(path: Path) -> None:
    path.write_bytes(DATA[:-1])


def grow(path: Path) -> None:
    path.write_bytes(DATA + b"x")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def delete(path: Path) -> None:
    path.unlink()


def delete_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unix_socket(path: Path) -> None:
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o644)


def file_for_folder(path: Path) -> None:
    delete_folder(path)
    path.parent.write_bytes(b"")


CHANGES: dict[Callable[[Path], None], str] = {
    truncate: "a/track.flac: changed since the scan: it has 4999 bytes, not 5000",
    grow: "a/track.flac: changed since the scan: it has 5001 bytes, not 5000",
    empty: "a/track.flac: changed since the scan: it has 0 bytes, not 5000",
    touch: "a/track.flac: changed since the scan: it was written to",
    delete: "a/track.flac: No such file or directory",
    delete_folder: "a/track.flac: No such file or directory",
    file_for_folder: "a/track.flac: Not a directory",
    link: "a/track.flac: is a symbolic link now",
    fifo: "a/track.flac: is no longer a regular file",
    folder: "a/track.flac: is no longer a regular file",
    unix_socket: "a/track.flac: No such device or address",
}


@pytest.mark.parametrize(("change", "sentence"), CHANGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_member_that_changed_since_the_scan_is_named(
    tmp_path: Path, member: SourceFile, change: Callable[[Path], None], sentence: str
) -> None:
    change(tmp_path / "a" / "track.flac")
    with pytest.raises(IncompleteError) as error:
        read_all(tmp_path, member)
    assert str(error.value) == sentence + FIX
    assert error.value.exit_code == 3
    assert [str(fault) for fault in source_files.changed(tmp_path, [member, member])] == [sentence + FIX] * 2


@pytest.mark.parametrize("change", [truncate, grow, touch, empty], ids=lambda change: change.__name__)
def test_a_member_that_changes_while_it_is_read_is_named(
    tmp_path: Path, member: SourceFile, change: Callable[[Path], None]
) -> None:
    with pytest.raises(IncompleteError) as error:
        _read_and(change, tmp_path, member)
    assert str(error.value) == CHANGES[change] + FIX


def _read_and(change: Callable[[Path], None], root: Path, member: SourceFile) -> None:
    with OpenSourceFile(os.fsencode(root), member) as file:
        file.read(0, memoryview(bytearray(100)))
        change(root / "a" / "track.flac")


def test_a_member_that_ends_early_is_named_at_once(tmp_path: Path, member: SourceFile) -> None:
    with OpenSourceFile(os.fsencode(tmp_path), SourceFile(member.path, member.size, None, None)) as file:
        os.truncate(tmp_path / "a" / "track.flac", 0)
        with pytest.raises(IncompleteError) as error:
            file.read(0, memoryview(bytearray(100)))
        os.truncate(tmp_path / "a" / "track.flac", member.size)
    assert str(error.value) == "a/track.flac: ended before its 5000 bytes" + FIX


def test_a_member_of_other_bytes_than_the_records_file_says_is_named(tmp_path: Path, member: SourceFile) -> None:
    claimed = SourceFile(member.path, member.size, member.mtime_ns, bytes(32))
    with pytest.raises(IncompleteError) as error:
        read_all(tmp_path, claimed)
    found = sha256(DATA).hexdigest()
    assert str(error.value) == f"a/track.flac: its SHA-256 is {found}, the records file says {'0' * 64}" + FIX


def test_an_exception_while_a_member_is_read_is_not_hidden_by_what_changed(tmp_path: Path, member: SourceFile) -> None:
    def stop(path: Path) -> None:
        truncate(path)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _read_and(stop, tmp_path, member)


def test_no_file_stays_open(tmp_path: Path, member: SourceFile) -> None:
    before = os.listdir("/proc/self/fd")
    read_all(tmp_path, member)
    truncate(tmp_path / "a" / "track.flac")
    source_files.changed(tmp_path, [member] * 3)
    assert os.listdir("/proc/self/fd") == before


def test_a_member_that_may_not_be_read_is_named(tmp_path: Path, member: SourceFile, as_nobody: AsNobody) -> None:
    (tmp_path / "a" / "track.flac").chmod(0o000)
    lines = as_nobody(
        "from pathlib import Path; from packager.engine.files.source_files import SourceFile, changed",
        f"for error in changed(Path('.'), [SourceFile({member.path!r}, {member.size}, None, None)]): print(error)",
    )
    fix = "fix its permissions or its disk, or move it out of the collection; then run packager release"
    assert lines == [f"a/track.flac: cannot be read (Permission denied); {fix}"]


def test_a_name_that_is_not_utf8_is_opened_exactly_and_shown_safely(tmp_path: Path) -> None:
    name = b"caf\xe9\x1b.mp3"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"abc")
    row = {
        "shard": 0, "id": "1", "path": name.decode("utf-8", "replace"), "path_b64": base64.b64encode(name).decode(),
        "member": "caf_~1.mp3", "kind": "audio", "size": 3,
    }  # fmt: skip
    planned = pa.Table.from_pylist([row, {**row, "path": "é.flac", "path_b64": None, "sha256": bytes(32)}], PLANNED)
    members = source_files.source_files(planned)
    assert members == [SourceFile(name, 3, None, None), SourceFile("é.flac".encode(), 3, None, bytes(32))]
    assert read_all(tmp_path, members[0]) == b"abc"
    with pytest.raises(IncompleteError, match=r"^caf\\xe9\\x1b.mp3: changed since the scan: it has 3 bytes, not 4"):
        read_all(tmp_path, SourceFile(name, 4, None, None))
