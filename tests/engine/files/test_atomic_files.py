"""A file is the old one or the new one, whatever stops the write; one process writes a project at a time."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.engine.files import atomic_files
from packager.engine.files.direct_writer import DirectWriter
from packager.errors import IncompleteError, InputError

Mount = Callable[[str], Path]
AsNobody = Callable[[str, str], list[str]]
FULL = "No space left on device; at least 3 MiB (3145728 bytes) are needed here (free: 2.0 MiB); make room and run"


def test_a_written_file_stands_whole_with_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "a.json"
    atomic_files.write_bytes(path, b"one")
    atomic_files.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(5, "Input/output error")])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_write_that_is_stopped_leaves_what_was_there(tmp_path: Path, error: BaseException, old: bytes | None) -> None:
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises((type(error), IncompleteError)):
        _write_half(path, error)
    assert (path.read_bytes() if path.exists() else None) == old
    assert os.listdir(tmp_path) == (["a"] if old else [])


def _write_half(path: Path, error: BaseException) -> None:
    with atomic_files.replace_file(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [PermissionError(1, "no"), OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_file_that_has_its_name_stays_whole_though_its_folder_cannot_be_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fsync_folder = atomic_files.fsync_folder

    def refuse(folder: Path) -> None:
        fsync_folder(folder)
        if "a" in os.listdir(folder):
            raise error

    monkeypatch.setattr(atomic_files, "fsync_folder", refuse)
    with pytest.raises((type(error), IncompleteError)):
        atomic_files.write_bytes(tmp_path / "a", b"all of it")
    assert (tmp_path / "a").read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["a"]


def test_nothing_stands_under_the_name_before_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_files.replace_file(path) as file:
        file.write(b"x" * 100_000)
        file.flush()
        assert os.listdir(tmp_path) == [".a.partial"]
        assert atomic_files.partial_path(path).name == ".a.partial"
    assert path.stat().st_size == 100_000


def test_what_a_killed_write_left_is_replaced_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic_files.partial_path(path).write_bytes(b"a longer file that a kill left")
    atomic_files.write_bytes(path, b"short")
    assert path.read_bytes() == b"short"
    assert os.listdir(tmp_path) == ["a"]


def test_a_write_killed_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from packager.engine.files import atomic_files\n"
        "with atomic_files.replace_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_full_disk_is_told_in_one_sentence_and_nothing_is_left(mount: Mount) -> None:
    path = mount("tmpfs") / "a"
    atomic_files.write_bytes(path, b"old")
    with pytest.raises(IncompleteError) as error:
        atomic_files.write_bytes(path, bytes(3 << 20))
    assert str(error.value) == f"{path}: {FULL} the command again"
    assert error.value.exit_code == 3
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["a"]


def test_a_folder_in_the_place_of_the_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IncompleteError, match="/a: Is a directory; move away"):
        atomic_files.write_bytes(tmp_path / "a", b"x")
    (tmp_path / ".b.partial").mkdir()
    with pytest.raises(IncompleteError, match="/b: Is a directory; move away"):
        atomic_files.write_bytes(tmp_path / "b", b"x")
    assert not (tmp_path / ".a.partial").exists()


def test_a_folder_and_those_above_it_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    assert atomic_files.make_folder(folder) == folder == atomic_files.make_folder(folder)
    assert folder.is_dir()


def test_a_file_in_the_place_of_a_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "link").symlink_to("nowhere")
    for name, what in (("a", "Not a directory"), ("link", "File exists")):
        for folder in (tmp_path / name, tmp_path / name / "b" / "c"):
            with pytest.raises(IncompleteError, match="; move away what is in its place") as error:
                atomic_files.make_folder(folder)
            assert str(error.value).startswith(f"{tmp_path / name}: {what}")


def test_a_folder_without_rights_is_told_in_one_sentence(tmp_path: Path, as_nobody: AsNobody) -> None:
    (tmp_path / "seen" / "kept" / "x").mkdir(parents=True)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "seen").chmod(0o555)
    lines = as_nobody(
        "from pathlib import Path\n"
        "from packager.engine.files import atomic_files\n"
        "from packager.errors import PackagerError\n",
        "def tell(call, *args):\n"
        "    try: call(*args); print('done')\n"
        "    except PackagerError as error: print(error.exit_code, error.what)\n"
        "tell(atomic_files.make_folder, Path('closed/a/b'))\n"
        "tell(atomic_files.write_bytes, Path('closed/a'), b'x')\n"
        "tell(atomic_files.write_bytes, Path('seen/a'), b'x')\n"
        "tell(atomic_files.remove_tree, Path('seen/kept'))\n"
        "tell(lambda: atomic_files.lock_state_folder(Path('seen'), 'scan').__enter__())\n",
    )
    assert lines == ["3 Permission denied"] * 5


def test_a_tree_is_removed_if_it_is_there(tmp_path: Path) -> None:
    atomic_files.write_bytes(tmp_path / "a" / "b" / "c", b"x")
    atomic_files.remove_tree(tmp_path / "a")
    atomic_files.remove_tree(tmp_path / "a")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IncompleteError, match="/file: Not a directory; move away"):
        atomic_files.remove_tree(tmp_path / "file")


HOLD = (
    "import sys; from pathlib import Path; from packager.engine.files import atomic_files\n"
    "with atomic_files.lock_state_folder(Path(sys.argv[1]), 'mirror sync'):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def test_a_second_process_is_told_the_first_until_that_one_ends_though_it_may_be_stopped(tmp_path: Path) -> None:
    state = tmp_path / ".packager"
    with subprocess.Popen([sys.executable, "-c", HOLD, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        owner.send_signal(signal.SIGSTOP)  # a process that is stopped holds on
        with pytest.raises(InputError) as error, atomic_files.lock_state_folder(state, "scan"):
            pytest.fail("two processes hold the lock")
        assert str(error.value) == (
            f"{state}: in use by packager mirror sync, process {owner.pid} on {os.uname().nodename};"
            " wait until it ends, or stop it"
        )
        owner.kill()
        assert owner.wait() == -signal.SIGKILL
        with atomic_files.lock_state_folder(state, "scan"):
            assert (state / "lock").read_text() == f"packager scan, process {os.getpid()} on {os.uname().nodename}\n"


def test_the_lock_can_be_held_again_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_files.lock_state_folder(tmp_path, "scan"):
        raise ZeroDivisionError
    with atomic_files.lock_state_folder(tmp_path, "scan"):
        pass


def test_a_full_disk_takes_no_lock_and_says_so(mount: Mount) -> None:
    folder = mount("tmpfs")
    with open(folder / "fill", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with (
        pytest.raises(IncompleteError, match="/lock: No space left on device; at least"),
        atomic_files.lock_state_folder(folder, "scan"),
    ):
        pytest.fail("a lock that names no owner")


def test_what_is_fleeting_is_whole_and_not_fsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr("os.fsync", flushed.append)
    (tmp_path / "scratch").mkdir()
    with atomic_files.without_fsync(tmp_path / "scratch"):
        atomic_files.write_bytes(tmp_path / "scratch" / "a" / "file", b"1")
        assert flushed == []
        atomic_files.write_bytes(tmp_path / "file", b"2")
        assert len(flushed) == 2
    atomic_files.write_bytes(tmp_path / "scratch" / "a" / "file", b"3")
    assert len(flushed) == 4
    assert (tmp_path / "scratch" / "a" / "file").read_bytes() == b"3"


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_where_a_file_is_written_first_is_removed_and_not_followed(
    tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.write_bytes(b"somebody's")
    state.mkdir()
    make(victim, atomic_files.partial_path(state / "mirror.json"))
    atomic_files.write_bytes(state / "mirror.json", b"ours")
    make(victim, state / "lock")
    with atomic_files.lock_state_folder(state, "test"):
        assert b"packager test" in (state / "lock").read_bytes()
    make(victim, atomic_files.partial_path(state / "a.tar", "owner"))
    with DirectWriter(state / "a.tar", 3, owner="owner") as sink:
        buffer = sink.buffer()
        buffer[:3] = b"tar"
        sink.put(buffer, 3)
    assert (state / "mirror.json").read_bytes() == b"ours"
    assert (state / "a.tar").read_bytes() == b"tar"
    assert victim.read_bytes() == b"somebody's"


def test_a_link_to_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    (tmp_path / ".a.partial").symlink_to(tmp_path / "made")
    (tmp_path / "lock").symlink_to(tmp_path / "made")
    atomic_files.write_bytes(tmp_path / "a", b"ours")
    with atomic_files.lock_state_folder(tmp_path, "test"):
        assert (tmp_path / "a").read_bytes() == b"ours"
    assert not (tmp_path / "made").exists()
