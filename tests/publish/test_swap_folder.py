"""The new site takes the old one's place in one step, and nobody else's files are ever replaced."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packager.engine.files import atomic_files
from packager.errors import IncompleteError, InputError
from packager.publish import swap_folder


def build(site: Path, serial: int) -> Path:
    built = swap_folder.new_site_folder(site)
    (built / "release.json").write_text(str(serial))
    (built / "index.html").write_text(str(serial))
    return built


def test_a_reader_always_finds_a_whole_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    swap_folder.swap_site(build(site, 0), site)
    stop, seen, missing = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            for name in ("release.json", "index.html"):
                try:
                    seen.add((site / name).read_text())
                except FileNotFoundError:
                    missing.append(name)

    thread = threading.Thread(target=read)
    thread.start()
    for serial in range(1, 100):
        swap_folder.swap_site(build(site, serial), site)
    stop.set()
    thread.join()
    assert missing == []
    assert "" not in seen
    assert (site / "release.json").read_text() == "99"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_where_the_system_cannot_exchange_the_old_site_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap_folder, "_exchange", lambda *_: False)
    site = tmp_path / "site"
    for serial in range(3):
        swap_folder.swap_site(build(site, serial), site)
    assert (site / "release.json").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_a_killed_run_left_is_built_anew(tmp_path: Path) -> None:
    site = tmp_path / "site"
    left = build(site, 1)
    (left / "half").write_text("x")
    assert not (build(site, 2) / "half").exists()


@pytest.mark.parametrize("kind", ["folder with other files", "file", "link"])
def test_what_is_no_site_of_ours_is_never_replaced(kind: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    if kind == "file":
        site.write_text("mine")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        site.symlink_to("elsewhere")
    else:
        site.mkdir()
        (site / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"site\.folder"):
        swap_folder.new_site_folder(site)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    swap_folder.swap_site(build(site, 1), site)
    assert (site / "release.json").read_text() == "1"


def build_release(site: Path, serial: int) -> Path:
    """Build a site of as many shards as its serial says: their documents never change, the page does."""
    built = swap_folder.new_site_folder(site)
    documents = {f"torrents/{number}.torrent": f"torrent {number}" for number in range(serial)}
    (built / "torrents").mkdir()
    for path, text in {**documents, "index.html": f"{serial} shards"}.items():
        (built / path).write_text(text)
    sums = {path.relative_to(built).as_posix(): digest(path.read_bytes()) for path in built.rglob("*.*")}
    (built / "SHA256SUMS").write_text(json.dumps(sums))
    (built / "release.json").write_text(json.dumps(documents))
    return built


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def reading(read: Callable[[], None]) -> Iterator[list[Exception]]:
    """Call `read` again and again in a thread while the block runs; yield what it raised."""
    stop, raised = threading.Event(), list[Exception]()

    def loop() -> None:
        while not stop.is_set():
            try:
                read()
            except (OSError, AssertionError, ValueError) as error:
                raised.append(error)
                return

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield raised
    finally:
        stop.set()
        thread.join()


def test_what_an_opened_release_names_is_there_before_and_after_a_swap(tmp_path: Path) -> None:
    site = tmp_path / "site"
    swap_folder.swap_site(build_release(site, 1), site)
    reads = []

    def read() -> None:
        named = json.loads((site / "release.json").read_text())
        for path, text in named.items():
            assert (site / path).read_text() == text
        reads.append(len(named))

    with reading(read) as raised:
        for serial in range(2, 40):
            swap_folder.swap_site(build_release(site, serial), site)
    read()
    assert raised == []
    assert reads == sorted(reads)
    assert len(set(reads)) > 1


def test_who_holds_the_folder_open_reads_one_site_alone_for_as_long_as_it_is_there(tmp_path: Path) -> None:
    site = tmp_path / "site"
    swap_folder.swap_site(build_release(site, 1), site)
    whole = []

    def read() -> None:
        folder = os.open(site, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for path, expected in json.loads(data_in(folder, "SHA256SUMS")).items():
                assert digest(data_in(folder, path)) == expected, path
            whole.append(folder)
        except FileNotFoundError:
            pass  # an old site that is being removed
        finally:
            os.close(folder)

    with reading(read) as raised:
        for serial in range(2, 40):
            swap_folder.swap_site(build_release(site, serial), site)
    read()
    assert raised == []
    assert whole


def data_in(folder: int, path: str) -> bytes:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=folder)) as file:
        return file.read()


def test_a_kill_between_the_two_steps_of_moving_aside_is_mended_by_the_next_swap(tmp_path: Path) -> None:
    site = tmp_path / "site"
    swap_folder.swap_site(build(site, 1), site)
    site.rename(tmp_path / ".site.old")
    swap_folder.swap_site(build(site, 2), site)
    assert (site / "release.json").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_every_file_and_folder_is_flushed_before_the_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, flushed = tmp_path / "site", list[str]()
    built = build_release(site, 3)
    within = {str(built), *map(str, built.rglob("*"))}
    flush, rename = atomic_files.fsync_path, os.rename

    def note(path: Path | str) -> None:
        flush(path)
        flushed.append(str(path))

    def check(source: Path, target: Path) -> None:
        assert set(flushed) == within
        rename(source, target)

    monkeypatch.setattr(atomic_files, "fsync_path", note)
    monkeypatch.setattr(os, "rename", check)
    swap_folder.swap_site(built, site)
    assert sorted(flushed) == sorted([*within, str(tmp_path)])  # the folder with both names, after the rename


def test_a_refused_swap_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    swap_folder.swap_site(build(site, 1), site)
    built = build(site, 2)

    def refuse(_: Path, other: Path) -> bool:
        raise OSError(16, os.strerror(16), str(other))

    monkeypatch.setattr(swap_folder, "_exchange", refuse)
    with pytest.raises(IncompleteError, match=r"site: .*busy"):
        swap_folder.swap_site(built, site)
    assert (site / "release.json").read_text() == "1"


def test_a_mount_point_is_refused_since_no_folder_can_take_its_place() -> None:
    with pytest.raises(InputError, match="is a mount point"):
        swap_folder.new_site_folder(Path("/proc"))
