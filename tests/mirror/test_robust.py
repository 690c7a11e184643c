"""A mirror that no release, no broken file and no forgotten option can break."""

import errno
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from packager.cli.app import main
from packager.core.releases import documents
from packager.errors import IncompleteError
from packager.mirror import local_shards
from packager.mirror.state import MirrorFolder
from packager.model import Release
from packager.units import count_of
from tests.helpers.publisher import Archive, pack, state_of
from tests.mirror.test_attacks import Mirror

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return pack(tmp_path_factory.mktemp("archive") / "project", shards=4)


@pytest.fixture
def mirror(packed: Archive, tmp_path: Path) -> Iterator[Mirror]:
    archive = Archive(packed.root, packed.shards)
    archive.publish(4)
    with archive.served() as site:
        yield Patient(archive, site, tmp_path / "mirror")


class Patient(Mirror):
    """A mirror for which no release is old."""

    def follow(self, *more: str) -> int:
        return super().follow("--warn-age", "36500 d", *more)


def named(path: str) -> Callable[[Release], Release]:
    """A change by which the first shard's torrent has another path."""

    def changed(release: Release) -> Release:
        first, *others = release.shards
        torrent = msgspec.structs.replace(first.torrent, path=path)
        return msgspec.structs.replace(release, shards=(msgspec.structs.replace(first, torrent=torrent), *others))

    return changed


RESERVED = ["releases", "Releases/7.json", "release.json", "RELEASE.JSON.minisig", "release.json/x", "index.html"]


@pytest.mark.parametrize("path", [*RESERVED, "torrents/.x.partial", ".release.json.partial"])
@pytest.mark.parametrize("unsigned", [True, False])
def test_a_release_with_a_reserved_name_is_refused_by_name_and_leaves_no_trace(
    packed: Archive, tmp_path: Path, path: str, unsigned: bool, capsys: Capture
) -> None:
    archive = Archive(packed.root, packed.shards)
    archive.publish(4, named(path))
    site = tmp_path / "site"
    for name in ("release.json", "release.json.minisig"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(archive.files[name])
    trust = ["--allow-unsigned"] if unsigned else ["--key", archive.key]
    to = tmp_path / "mirror"
    assert main(["mirror", "follow", str(site), str(to), "--budget", "1 MB", "--client", "none", *trust]) == 1
    assert f'"{path}" is a reserved name' in capsys.readouterr().err
    assert not to.exists()
    to.mkdir()
    (to / "mine.txt").write_bytes(b"mine")
    assert main(["mirror", "follow", str(site), str(to), "--budget", "1 MB", "--client", "none", *trust]) == 1
    assert [path.name for path in to.iterdir()] == ["mine.txt"]


def test_options_that_are_not_given_keep_their_values_and_the_plan_shows_what_changes(
    mirror: Mirror, capsys: Capture
) -> None:
    archive = mirror.archive
    first = [
        "--strategy",
        "oldest",
        "--phase",
        "audio",
        "--where",
        "size > 1",
        "--warn-age",
        "9 d",
        "--seed-counts",
        "list",
    ]
    assert mirror.follow("--key", archive.key, *first, "--mirror-id", "mine", "--reserve", "1 kB") == 0
    kept = MirrorFolder(mirror.folder).required().settings
    capsys.readouterr()
    assert mirror.run("follow", mirror.site.address, "--budget", "2 MB", "--dry-run") == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("changed: ")] == ["changed: budget: 1 MB -> 2 MB"]
    assert mirror.run("follow", mirror.site.address, "--budget", "2 MB") == 0
    assert MirrorFolder(mirror.folder).required().settings == msgspec.structs.replace(kept, budget=2_000_000)
    capsys.readouterr()
    again = ["--phase", "*", "--where", "", "--client", f"watch:{mirror.folder.parent / 'watch'}", "--json"]
    (mirror.folder.parent / "watch").mkdir()
    assert mirror.run("follow", mirror.site.address, *again) == 0
    changed = {each["name"]: each["now"] for each in json.loads(capsys.readouterr().out)["plan"]["changed"]}
    assert changed == {"phases": "all", "where": "all", "client": f"watch:{mirror.folder.parent / 'watch'}"}
    now = MirrorFolder(mirror.folder).required().settings
    assert (now.phases, now.where, now.strategy, now.reserve, now.warn_age) == (None, None, "oldest", 1000, 777600)


def test_an_empty_host_clears_or_replaces_the_hosts_that_are_kept(mirror: Mirror, capsys: Capture) -> None:
    def hosts(*given: str) -> tuple[str, ...]:
        options = [part for host in given for part in ("--allow-host", host)]
        assert mirror.run("follow", mirror.site.address, "--budget", "1 MB", *options) == 0
        return MirrorFolder(mirror.folder).required().settings.allow_hosts

    assert mirror.follow("--key", mirror.archive.key, "--allow-host", "10.0.0.1") == 0
    assert hosts() == ("10.0.0.1",)
    assert hosts("10.0.0.2") == ("10.0.0.2",)
    assert hosts("") == ()
    assert "changed: allow-hosts: 10.0.0.2 -> none\n" in capsys.readouterr().out
    assert hosts("", "10.0.0.3") == ("10.0.0.3",)
    assert mirror.run("sync", "--allow-host", "") == 0  # for one run
    assert MirrorFolder(mirror.folder).required().settings.allow_hosts == ("10.0.0.3",)


def test_the_first_time_a_budget_is_needed(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.run("follow", mirror.site.address, "--key", mirror.archive.key) == 2
    assert "--budget is missing" in capsys.readouterr().err


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data.replace(b'"budget": 1', b'"budget": 3', 1)


def emptied(data: bytes) -> bytes:
    return data[:0]


@pytest.mark.parametrize("damage", [cut, emptied, lambda data: bytes(len(data)), lambda data: data + b"}"])
def test_a_damaged_cache_is_set_aside_and_rebuilt(
    mirror: Mirror, damage: Callable[[bytes], bytes], capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    for shard in mirror.archive.shards:
        (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))
    assert (mirror.verify(), mirror.run("status")) == (0, 0)
    state = mirror.folder / ".packager-mirror"
    (state / "verified.json").write_bytes(damage((state / "verified.json").read_bytes()))
    (state / "live.json").write_bytes(b"{")
    capsys.readouterr()
    assert mirror.run("status") == 0
    assert "it is set aside, and the tars are checked again" in capsys.readouterr().out
    assert mirror.run("sync") == 0
    assert (mirror.verify(), mirror.run("status")) == (0, 0)
    assert (state / "verified.json.damaged").exists()
    capsys.readouterr()
    assert mirror.run("status") == 0
    printed = capsys.readouterr().out
    assert "set aside" not in printed
    assert printed.splitlines()[-1].startswith("Healthy: 4 of 4 shards, release 1, checked 20")


@pytest.mark.parametrize("damage", [cut, flipped, emptied])
def test_a_damaged_state_is_named_with_the_way_out_and_following_again_keeps_the_tars(
    mirror: Mirror, damage: Callable[[bytes], bytes], capsys: Capture
) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    tar = mirror.folder / mirror.archive.shards[0].file
    tar.write_bytes(mirror.archive.tar(mirror.archive.shards[0].name))
    state = mirror.folder / ".packager-mirror" / "mirror.json"
    state.write_bytes(damage(state.read_bytes()))
    before = state_of(mirror.folder)
    for command in ("status", "sync", "magnets"):
        capsys.readouterr()
        assert mirror.run(command) == 2
        error = capsys.readouterr().err
        assert "Move it away and follow the release again; tars that are here are checked and kept" in error
    assert state_of(mirror.folder) == before
    state.unlink()
    assert mirror.follow("--key", mirror.archive.key) == 0
    assert tar.read_bytes() == mirror.archive.tar(mirror.archive.shards[0].name)
    assert mirror.run("sync") == 0


def test_a_damaged_copy_of_the_release_is_brought_again_by_sync(mirror: Mirror) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    kept = mirror.folder / ".packager-mirror" / "release" / "releases" / "1.json"
    kept.write_bytes(b"{")
    assert mirror.run("sync") == 0
    assert kept.read_bytes() == mirror.archive.files["release.json"]


@pytest.mark.parametrize("length", [1, 512, None])
@pytest.mark.parametrize("before", [True, False])
def test_an_unrelated_file_with_a_shards_name_is_left_alone_and_named(
    mirror: Mirror, length: int | None, before: bool, capsys: Capture
) -> None:
    shard = mirror.archive.shards[1]
    mine = b"mine" * shard.size
    mine = mine[: shard.size if length is None else length]
    if not before:
        assert mirror.follow("--key", mirror.archive.key) == 0
    mirror.folder.mkdir(exist_ok=True)
    (mirror.folder / shard.file).write_bytes(mine)
    capsys.readouterr()
    more = ["--client", "builtin", "--for", "0 s", "--listen", ":0", "--no-web-seeds"]
    mirror.follow("--key", mirror.archive.key, *more)
    size = count_of(len(mine), "byte")
    assert f"left out: {shard.file}: another file has this name ({size})" in capsys.readouterr().out
    assert (mirror.folder / shard.file).read_bytes() == mine
    mirror.run("status", "--json")
    states = {each["name"]: each["on_disk"] for each in json.loads(capsys.readouterr().out)["shards"]}
    if length is None:
        assert states[shard.name] == ("unchecked" if before else "blocked")
    else:
        assert states[shard.name] == ("partial" if before else "blocked")
    assert mirror.run("prune", "--yes") == 0
    assert (mirror.folder / shard.file).read_bytes() == mine
    shutil.copyfile(mirror.archive.root / "shards" / shard.file, mirror.folder / shard.file)
    mirror.run("sync", "--for", "0 s", "--listen", ":0", "--no-web-seeds")
    assert "left out" not in capsys.readouterr().out


def test_status_and_prune_go_on_where_a_tar_cannot_be_read_and_sync_stops(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(tar: Path, _: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(tar))  # a failing disk; or the tar is another user's

    assert mirror.follow("--key", mirror.archive.key) == 0
    shard = mirror.archive.shards[0]
    (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))
    monkeypatch.setattr(local_shards, "is_unrelated", fail)
    capsys.readouterr()
    assert mirror.run("status", "--json") == 3
    states = {each["name"]: each["on_disk"] for each in json.loads(capsys.readouterr().out)["shards"]}
    assert states[shard.name] == "unchecked"
    assert mirror.run("prune", "--yes") == 0
    assert mirror.run("sync") == 3
    assert shard.file in capsys.readouterr().err


def test_the_exit_code_of_status_is_for_monitors(mirror: Mirror, capsys: Capture) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    assert mirror.run("status") == 3  # nothing is here
    for shard in mirror.archive.shards:
        (mirror.folder / shard.file).write_bytes(mirror.archive.tar(shard.name))
    assert (mirror.verify(), mirror.run("status")) == (0, 0)
    tar = mirror.folder / mirror.archive.shards[0].file
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    assert (mirror.verify(), mirror.run("status")) == (1, 1)
    tar.unlink()
    assert mirror.run("status") == 3
    tar.write_bytes(mirror.archive.tar(mirror.archive.shards[0].name))
    assert mirror.follow("--warn-age", "1 s") == 0
    assert (mirror.verify(), mirror.run("status")) == (0, 3)
    assert capsys.readouterr().out.splitlines()[-1].startswith("Old release: 4 of 4 shards, release 1")
    assert mirror.follow("--where", "false", "--warn-age", "36500 d") == 0
    assert mirror.run("status") == 3


@pytest.mark.parametrize("by", ["folder", "address"])
def test_a_members_table_is_written_to_disk_as_it_comes(packed: Archive, tmp_path: Path, by: str) -> None:
    large = 160 << 20 if by == "folder" else 3 << 20  # release.json alone is read into a buffer of 48 MiB
    archive = Archive(packed.root, packed.shards)
    data = bytes(large)

    def larger(release: Release) -> Release:
        first, *others = release.shards
        table = msgspec.structs.replace(first.members_table, size=large, sha256=documents.digest(data))
        return msgspec.structs.replace(release, shards=(msgspec.structs.replace(first, members_table=table), *others))

    archive.publish(1, larger)
    archive.files[archive.shards[0].members_table.path] = data
    with archive.served() as site:
        source = site.address
        if by == "folder":
            source = str(tmp_path / "site")
            for name, content in archive.files.items():
                (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "site" / name).write_bytes(content)
        mirror = Patient(archive, site, tmp_path / "mirror")
        command = ["follow", source, "--budget", "1 GB", "--reserve", "0", "--client", "none", "--key", archive.key]
        assert mirror.run(*command, "--dry-run") == 0  # what is imported and kept once
        tracemalloc.start()
        try:
            assert mirror.run(*command) == 0
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    kept = tmp_path / "mirror" / ".packager-mirror" / "release" / archive.shards[0].members_table.path
    assert kept.stat().st_size == large
    if by == "folder":
        assert most < large / 2


@pytest.mark.parametrize("inner", ["", ".packager-mirror/release"])
def test_a_mirror_can_stand_in_for_the_publisher_for_the_shards_that_it_has(
    mirror: Mirror, tmp_path: Path, inner: str, capsys: Capture
) -> None:
    assert (
        mirror.follow("--key", mirror.archive.key, "--where", "name IN ('tones-audio-00002', 'tones-audio-00003')") == 0
    )
    capsys.readouterr()
    second = Patient(mirror.archive, mirror.site, tmp_path / "second")
    options = ["--budget", "1 GB", "--reserve", "0", "--client", "none", "--key", mirror.archive.key]
    assert second.run("follow", str(mirror.folder / inner), *options) == 0
    assert "left out: tones-audio-00001 and 1 more: the source does not have its documents" in capsys.readouterr().out
    kept = MirrorFolder(second.folder)
    assert sorted(each.name for each in kept.required().chosen) == ["tones-audio-00002", "tones-audio-00003"]
    assert all(kept.document(mirror.archive.shards[at].torrent).is_file() for at in (1, 2))
    assert second.run("sync") == 0
    mirror.archive.publish(4)
    assert second.run("follow", mirror.site.address) == 0  # the publisher again
    assert len(kept.required().chosen) == 4


def test_a_kept_document_with_a_flipped_bit_is_fetched_again(mirror: Mirror) -> None:
    assert mirror.follow("--key", mirror.archive.key) == 0
    place = MirrorFolder(mirror.folder).document(mirror.archive.shards[0].members_table)
    right = place.read_bytes()
    place.write_bytes(right[:-9] + bytes([right[-9] ^ 1]) + right[-8:])
    assert mirror.run("sync") == 0
    assert place.read_bytes() == right


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EACCES, "Permission denied"), (errno.EIO, "Input/output error"), (errno.ENOENT, None)]
)
def test_a_state_that_the_system_does_not_show_is_not_a_folder_without_a_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str | None
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "lstat", refuse)
    folder = MirrorFolder(tmp_path)
    if words is None:
        assert folder.load() is None
        return
    with pytest.raises(IncompleteError, match=f"mirror.json: {words}"):
        folder.load()
