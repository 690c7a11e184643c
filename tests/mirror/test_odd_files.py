"""What is not a file in a mirror's folder: links that lead nowhere, folders, pipes; and copies that are damaged."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.error_lines import as_sentence
from tests.helpers.publisher import Archive, pack
from tests.mirror.test_robust import Patient

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return pack(tmp_path_factory.mktemp("archive") / "project", shards=2)


@pytest.fixture
def mirror(packed: Archive, tmp_path: Path) -> Iterator[Patient]:
    archive = Archive(packed.root, packed.shards)
    archive.publish(2)
    with archive.served() as site:
        yield Patient(archive, site, tmp_path / "mirror")


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("on a disk that is not mounted"))


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_bytes(b"mine")


def too_large(path: Path) -> None:
    path.touch()
    os.truncate(path, 60 << 20)


@pytest.mark.parametrize("made", [dangling, loop, folder, os.mkfifo])
def test_what_is_no_file_in_a_tars_place_is_left_alone_and_the_others_are_fetched(
    mirror: Patient, made: Callable[[Path], None], capsys: Capture
) -> None:
    mirror.folder.mkdir()
    place = mirror.folder / mirror.archive.shards[0].file
    made(place)
    before = os.lstat(place)
    assert mirror.follow("--key", mirror.archive.key) == 0
    out = capsys.readouterr().out
    assert f"left out: {place.name}: another file has this name (" in out
    assert "may be removed" not in out
    assert "1 shard," in out
    assert (os.lstat(place).st_ino, os.lstat(place).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_folder_in_the_place_of_an_unfinished_tar_stops_only_that_one(mirror: Patient, capsys: Capture) -> None:
    mirror.folder.mkdir()
    place = mirror.folder / f".{mirror.archive.shards[0].file}.partial"
    folder(place)
    mirror.follow(
        "--key", mirror.archive.key, "--client", "builtin", "--for", "0 s", "--listen", ":0", "--no-web-seeds"
    )
    assert f"left out: {mirror.archive.shards[0].file}" in capsys.readouterr().out
    assert (place / "mine.txt").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("mirror.json", dangling),
        ("mirror.json", folder),
        ("mirror.json", os.mkfifo),
        ("mirror.json", too_large),
        ("mirror.json.sha256", folder),
        ("mirror.json.sha256", os.mkfifo),
    ],
)
def test_what_is_no_file_in_the_states_place_is_named_with_the_way_out(
    mirror: Patient, name: str, made: Callable[[Path], None], capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    state = mirror.folder / ".packager-mirror" / name
    state.unlink()
    made(state)
    for command in (("status",), ("sync",), ("follow", mirror.site.address, "--budget", "1 MB", "--yes")):
        capsys.readouterr()
        assert mirror.run(*command) == 2
        assert f"{name}: " in (told := capsys.readouterr().err)
        assert "ove it away" in told
    state.rename(state.with_name("away"))
    assert mirror.follow("--key", mirror.archive.key) == 0
    assert mirror.run("sync") == 0


@pytest.mark.parametrize("name", ["release.json", "release.json.minisig", "releases/1.json", "releases/1.json.minisig"])
@pytest.mark.parametrize("made", [Path.touch, dangling, os.mkfifo, too_large])
def test_a_damaged_copy_of_the_release_or_its_signature_is_brought_again_by_sync(
    mirror: Patient, name: str, made: Callable[[Path], None], capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    kept = mirror.folder / ".packager-mirror" / "release" / name
    right = kept.read_bytes()
    kept.unlink()
    made(kept)
    capsys.readouterr()
    if name == "releases/1.json":
        assert mirror.run("status") == 1
        assert "packager mirror sync" in capsys.readouterr().err
    assert mirror.run("sync") == 0
    assert kept.read_bytes() == right


def test_a_folder_in_the_place_of_a_document_is_named_and_to_be_moved_away(mirror: Patient, capsys: Capture) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    torrent = mirror.folder / ".packager-mirror" / "release" / mirror.archive.shards[0].torrent.path
    torrent.unlink()
    folder(torrent)
    capsys.readouterr()
    assert mirror.run("sync") == 3
    assert f"{torrent}: Is a directory; move away what is in its place" in as_sentence(capsys.readouterr().err)
    assert (torrent / "mine.txt").read_bytes() == b"mine"


@pytest.mark.parametrize("made", [dangling, loop, Path.touch, os.mkfifo])
def test_what_is_no_folder_in_the_place_of_one_is_named_and_to_be_moved_away(
    mirror: Patient, made: Callable[[Path], None], capsys: Capture
) -> None:
    mirror.folder.mkdir()
    made(mirror.folder / ".packager-mirror")
    assert mirror.follow("--key", mirror.archive.key) == 3
    told = capsys.readouterr().err
    assert f"{mirror.folder / '.packager-mirror'}: " in told
    assert "Move away what is in its place" in told


def test_a_link_where_documents_come_in_is_removed_and_not_followed(mirror: Patient, tmp_path: Path) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "x").write_bytes(b"x")
    (mirror.folder / ".packager-mirror" / "incoming").symlink_to(tmp_path / "theirs")
    assert mirror.run("sync") == 0
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["x"]


@pytest.mark.parametrize("named", [["--release", "here"], ["--release", "here", "--key", "theirs"]])
def test_the_tars_of_a_mirror_are_verified_and_one_that_it_has_no_documents_of_is_named(
    mirror: Patient, named: list[str], capsys: Capture
) -> None:
    first, second = mirror.archive.shards
    assert mirror.follow("--key", mirror.archive.key, "--where", f"name = '{first.name}'") == 0
    for shard in (first, second):
        (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))
    here = {"here": str(mirror.folder), "theirs": mirror.archive.key}
    capsys.readouterr()
    assert main(["verify", str(mirror.folder), *(here.get(each, each) for each in named), "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert f"{second.file}: extra" in out
    assert "lists this shard, but its documents are missing" in out
    assert "1 good, 1 bad" in out


def test_verify_of_a_mirror_checks_what_is_chosen_and_names_the_other_tars(mirror: Patient, capsys: Capture) -> None:
    first, second = mirror.archive.shards
    assert mirror.follow("--key", mirror.archive.key, "--where", f"name = '{first.name}'") == 0
    assert mirror.verify() == 2
    assert "no chosen shard of this mirror is complete" in capsys.readouterr().err
    for shard in (first, second):
        (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))
    (mirror.folder / f"{first.file}.aria2").write_bytes(b"of aria2, which shares the tar")
    assert (mirror.verify(), mirror.run("status", "--json")) == (0, 0)
    printed = capsys.readouterr()
    assert f"{second.file}: not checked: it is not a chosen shard of this mirror" in printed.err
    assert '"health": "healthy"' in printed.out
