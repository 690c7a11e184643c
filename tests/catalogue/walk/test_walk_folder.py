"""The walk: order, what is left out and why."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from packager.catalogue.walk.walk_folder import SkippedEntry, UnreadFolder, WalkedFile, sort_key, walk_folder
from packager.errors import IncompleteError, InputError
from tests.helpers.catalogue_projects import CatalogueProject


def seen(project: CatalogueProject) -> dict[bytes, str]:
    """Return what is odd below the source."""
    return {item.path: item.what for item in walk_folder(os.fsencode(project.source)) if isinstance(item, SkippedEntry)}


def unread(project: CatalogueProject) -> list[UnreadFolder]:
    """Return what cannot be read below the source."""
    return [item for item in walk_folder(os.fsencode(project.source)) if isinstance(item, UnreadFolder)]


def found(project: CatalogueProject) -> list[bytes]:
    """Return the files below the source, in the walk's order."""
    return [item.path for item in walk_folder(os.fsencode(project.source)) if isinstance(item, WalkedFile)]


def test_the_walk_is_in_the_order_of_names_bytes_folder_by_folder(project: CatalogueProject) -> None:
    names = [b"a/z", b"a-b", b"a/b/c", b"B", b"a.txt", b"\xc3\xa9", b"\xff", b"a/-"]
    for name in names:
        project.put(name)
    assert found(project) == sorted(names, key=lambda name: name.split(b"/")) == sorted(names, key=sort_key)


def test_links_are_not_followed_even_in_a_loop(project: CatalogueProject) -> None:
    project.put("album/song.flac")
    (project.source / "album" / "loop").symlink_to(project.source)
    (project.source / "link.flac").symlink_to("album/song.flac")
    (project.source / "dangling").symlink_to("nowhere")
    assert found(project) == [b"album/song.flac"]
    assert seen(project) == dict.fromkeys((b"album/loop", b"link.flac", b"dangling"), "a symbolic link, not followed")


def test_what_is_no_file_is_reported(project: CatalogueProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.source)  # a socket's path may not be long
    os.mkfifo("pipe")
    (project.source / "empty").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
        assert seen(project) == {
            b"empty": "an empty folder; shards contain only files",
            b"pipe": "a FIFO, not a file",
            b"sock": "a socket, not a file",
        }


def test_what_cannot_be_read_is_reported_and_left_out(unprivileged: CatalogueProject) -> None:
    unprivileged.put("good.flac")
    os.chmod(unprivileged.put("secret.flac"), 0)
    unprivileged.put("closed/song.flac")
    (unprivileged.source / "closed").chmod(0)
    assert found(unprivileged) == [b"good.flac"]
    assert not seen(unprivileged)
    assert unread(unprivileged) == [
        UnreadFolder(b"closed", "the folder cannot be read (Permission denied)", is_folder=True),
        UnreadFolder(b"secret.flac", "cannot be read (Permission denied)", is_folder=False),
    ]


def test_a_folder_that_vanishes_during_the_walk_is_unread(project: CatalogueProject) -> None:
    for name in ("a/1", "b/2", "c/3"):
        project.put(name)
    walked = walk_folder(os.fsencode(project.source))
    assert next(walked).path == b"a/1"
    shutil.rmtree(project.source / "b")
    (project.source / "c" / "3").unlink()
    what = "the folder cannot be read (No such file or directory)"
    empty = SkippedEntry(b"c", "an empty folder; shards contain only files")
    assert list(walked) == [UnreadFolder(b"b", what, is_folder=True), empty]


def test_a_folder_whose_names_may_be_listed_and_not_opened_is_unread_name_by_name(
    unprivileged: CatalogueProject,
) -> None:
    unprivileged.put("listed/song.flac")
    unprivileged.put("listed/below/song.flac")
    (unprivileged.source / "listed").chmod(0o444)
    assert [(item.path, item.is_folder) for item in unread(unprivileged)] == [
        (b"listed/below", True),
        (b"listed/song.flac", False),
    ]


def test_a_source_whose_permissions_are_missing_is_incomplete(unprivileged: CatalogueProject) -> None:
    unprivileged.source.chmod(0)
    with pytest.raises(IncompleteError, match=r"source: the source cannot be read \(Permission denied\); fix its"):
        unread(unprivileged)


def test_a_source_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"gone: the source cannot be read \(No such file or directory\); name the folder"
    ):
        list(walk_folder(os.fsencode(tmp_path / "gone")))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"file: the source cannot be read \(Not a directory\)"):
        list(walk_folder(os.fsencode(tmp_path / "file")))


def test_odd_sizes_and_times_are_files_like_any(project: CatalogueProject) -> None:
    project.put("zero", b"", mtime_ns=-(10**18))
    sparse = project.put("sparse", b"")
    os.truncate(sparse, 1 << 30)
    os.utime(sparse, ns=(0, 4 * 10**18))
    os.link(sparse, os.path.join(os.fsencode(project.source), b"twin"))
    facts = [
        (i.path, i.size, i.mtime_ns) for i in walk_folder(os.fsencode(project.source)) if isinstance(i, WalkedFile)
    ]
    assert facts == [(b"sparse", 1 << 30, 4 * 10**18), (b"twin", 1 << 30, 4 * 10**18), (b"zero", 0, -(10**18))]


def test_folders_far_down_are_walked(project: CatalogueProject) -> None:
    path = b"/".join([b"dd"] * 400) + b"/song.flac"
    project.put(path)
    (item,) = walk_folder(os.fsencode(project.source))
    assert isinstance(item, WalkedFile)
    assert item.path == path
    assert item.member.startswith("long-paths~/")
    assert item.why == "the path has more than 1,024 bytes"
