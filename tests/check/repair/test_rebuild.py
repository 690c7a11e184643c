"""A shard written again from loose files: the same bytes, or nothing and a list of what is missing."""

import hashlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from packager import api
from packager.check.repair import rebuild as rebuilding
from packager.cli.app import main
from packager.core.shards.layout import Layout
from packager.engine.files.output_lock import lock_output
from packager.engine.files.range_readers import LooseFileReader, OpenRanges, Range, RangeReader, TarRangeReader
from packager.engine.published.published_shard import PublishedShard, open_published_shard, shard_files
from packager.progress import SILENT, Progress, Silent
from tests.helpers.error_lines import as_sentence
from tests.helpers.failing_disk import FailingDisk
from tests.helpers.projects import Ran, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released project that no test writes to."""
    project = make_project(tmp_path_factory.mktemp("released") / "project")
    text = (project.root / "packager.toml").read_text()
    (project.root / "packager.toml").write_text(text.replace("[shards]", "[shards]\ntar_sha256 = true"))
    assert main(["release", "--json", "--config", str(project.root / "packager.toml"), "--workers", "1"]) == 0
    return project.root


@pytest.fixture
def loose(made: Path, tmp_path: Path) -> Path:
    """A copy of the source."""
    shutil.copytree(made / "source", tmp_path / "loose")
    return tmp_path / "loose"


def run(capsys: Capture, *arguments: object) -> Ran:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def rebuild(capsys: Capture, made: Path, loose: Path, tmp_path: Path, *options: object, name: str = "rest") -> Ran:
    where = ("--release", made / "site", "--to", tmp_path / "new.tar", "--index", tmp_path / "index")
    return run(capsys, "rebuild", f"tones-{name}-00001", "--from", loose, "--workers", "1", *where, *options)


def published(made: Path, name: str = "rest") -> PublishedShard:
    return open_published_shard(shard_files(made / "site" / "manifests" / f"tones-{name}-00001.manifest.json"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_source_gives_every_shard_again(made: Path, loose: Path, tmp_path: Path, capsys: Capture) -> None:
    exports = made / ".packager" / "plan" / "metadata.export"
    for tar in sorted((made / "shards").glob("*.tar")):
        out = tmp_path / tar.name
        options = ("--from", exports, "--index", tmp_path / "index", "--workers", "1", "--json")
        ran = run(capsys, "rebuild", tar, "--to", out, "--from", loose, *options)
        assert ran.code == 0, ran.err
        report = json.loads(ran.out)
        assert (report["found_by_path"], report["found_by_content"]) == (report["members"], 0)
        assert digest(out) == digest(tar)
    assert hidden(tmp_path) == []


def test_an_extracted_copy_with_every_file_renamed_gives_the_same_tar(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    copy = tmp_path / "copy"
    for tar in (made / "shards").glob("*.tar"):
        assert run(capsys, "extract", tar, "--to", copy / "in").code == 0
    (copy / "elsewhere").mkdir()
    for number, path in enumerate(sorted(path for path in (copy / "in").rglob("*") if path.is_file())):
        path.rename(copy / "elsewhere" / f"{number} renamed [b].bin")
    shutil.rmtree(copy / "in")
    for tar in sorted((made / "shards").glob("*.tar")):
        out = tmp_path / tar.name
        ran = run(capsys, "rebuild", tar, "--to", out, "--from", copy, "--index", tmp_path / "index", "--json")
        assert ran.code == 0, ran.err
        report = json.loads(ran.out)
        assert report["found_by_path"] == 0
        assert digest(out) == digest(tar)


def test_the_manifests_path_or_the_tars_place_name_the_shard_too(
    made: Path, loose: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tar = made / "shards" / "tones-rest-00001.tar"
    manifest = made / "site" / "manifests" / "tones-rest-00001.manifest.json"
    assert run(capsys, "rebuild", manifest, "--from", loose).code == 0
    assert digest(Path("tones-rest-00001.tar")) == digest(tar)
    copy = tmp_path / "moved" / tar.name
    assert run(capsys, "rebuild", copy, "--manifest", manifest, "--from", loose).code == 0
    assert digest(copy) == digest(tar)
    assert (tmp_path / "cache" / "packager" / "files.sqlite").is_file()


def test_an_extracted_bag_is_a_folder_of_loose_files(made: Path, tmp_path: Path, capsys: Capture) -> None:
    tar = made / "shards" / "tones-rest-00001.tar"
    shutil.unpack_archive(tar, tmp_path / "bag", filter="data")
    for folder in (tmp_path / "bag", tmp_path / "bag" / "tones-rest-00001"):
        ran = rebuild(capsys, made, folder, tmp_path, "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["found_by_path"] == 4
        (tmp_path / "new.tar").unlink()


class Recorded(Silent):
    """A Progress that keeps what was begun."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, str]] = []

    def begin(self, what: str, total: int | None, unit: str = "B") -> None:
        self.begun.append((what, total, unit))


def rebuild_here(
    made: Path,
    roots: Sequence[Path],
    tmp_path: Path,
    *,
    name: str = "rest",
    fetch: OpenRanges | None = None,
    progress: Progress = SILENT,
) -> rebuilding.RebuildReport:
    shard = published(made, name)
    (tmp_path / "new.tar").unlink(missing_ok=True)
    index = tmp_path / "index"
    return rebuilding.rebuild(
        shard, roots, tmp_path / "new.tar", index=index, workers=1, fetch=fetch, progress=progress
    )


def test_a_folder_is_looked_at_and_hashed_once_and_only_what_may_be_a_member(
    made: Path, loose: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(path for path in loose.rglob("*") if path.is_file())):
        path.rename(loose / f"{number}.bin")
    (loose / "stranger.bin").write_bytes(bytes(123_457))
    shard = published(made)
    seen = Recorded()
    assert rebuild_here(made, [loose], tmp_path, progress=seen).complete
    assert seen.begun == [
        ("Listing", None, "file"),
        ("Hashing", shard.manifest.payload, "B"),
        ("Rebuilding", shard.manifest.size, "B"),
    ]
    seen = Recorded()
    assert rebuild_here(made, [loose], tmp_path, progress=seen).complete
    assert seen.begun == [("Rebuilding", shard.manifest.size, "B")]
    seen = Recorded()
    assert rebuild_here(made, [loose], tmp_path, name="audio", progress=seen).complete
    audio = published(made, "audio").manifest
    assert seen.begun == [("Hashing", audio.payload, "B"), ("Rebuilding", audio.size, "B")]


def test_a_wrong_file_with_the_right_path_is_looked_for_by_content(made: Path, loose: Path, tmp_path: Path) -> None:
    members = published(made, "audio").members["path"].to_pylist()
    for path in members[1:]:
        whole = (loose / path).read_bytes()
        (loose / "kept").mkdir(exist_ok=True)
        (loose / "kept" / Path(path).name).write_bytes(whole)
        (loose / path).write_bytes(whole[:-1] + b"!")
    report = rebuild_here(made, [loose], tmp_path, name="audio")
    assert report.complete
    assert (report.found_by_path, report.found_by_content) == (1, len(members) - 1)
    assert digest(tmp_path / "new.tar") == digest(made / "shards" / "tones-audio-00001.tar")


def test_missing_members_are_listed_and_nothing_is_written(
    made: Path, loose: Path, tmp_path: Path, capsys: Capture
) -> None:
    (loose / "notes.txt").write_bytes(b"made of sinus\n")
    (loose / "cover 100%.png").unlink()
    (loose / "empty.txt").unlink()
    ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 3
    assert "notes.txt has its size, but other contents" in ran.err
    assert "cover 100_~972f7df4.png (3008 bytes, SHA-256" in ran.err
    assert "empty.txt" not in ran.err
    assert "2 of 4 members missing" in ran.out
    assert not (tmp_path / "new.tar").exists()
    assert hidden(tmp_path) == []
    (loose / "back").write_bytes((made / "source" / "cover 100%.png").read_bytes())
    (loose / "notes.txt").write_bytes(b"made of sines\n")
    assert rebuild(capsys, made, loose, tmp_path).code == 0


def test_what_is_no_plain_file_is_no_member(made: Path, loose: Path, tmp_path: Path, capsys: Capture) -> None:
    for name in ("notes.txt", "cover 100%.png"):
        (loose / name).unlink()
    os.mkfifo(loose / "notes.txt")
    (loose / "cover 100%.png").symlink_to(made / "source" / "cover 100%.png")
    ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 3
    assert "2 of 4 members missing" in ran.out


def test_missing_members_come_from_the_ranges_that_somebody_has(made: Path, loose: Path, tmp_path: Path) -> None:
    (loose / "notes.txt").unlink()
    (loose / "Ærø é.txt").unlink()
    tar = made / "shards" / "tones-rest-00001.tar"
    asked: list[Range] = []

    def fetch(layout: Layout, ranges: Sequence[Range]) -> RangeReader:
        asked.extend(ranges)
        return TarRangeReader(tar)

    report = rebuild_here(made, [loose], tmp_path, fetch=fetch)
    assert (report.complete, report.fetched, report.fetched_bytes) == (True, 2, 21)
    assert [stop - start for start, stop in asked] == [14, 7]
    assert digest(tmp_path / "new.tar") == digest(tar)


@pytest.mark.parametrize("damage", ["bytes", "length"])
def test_ranges_that_are_wrong_are_not_taken(damage: str, made: Path, loose: Path, tmp_path: Path) -> None:
    (loose / "notes.txt").unlink()
    copy = tmp_path / "copy.tar"
    copy.write_bytes((made / "shards" / "tones-rest-00001.tar").read_bytes().replace(b"of sines", b"of lines"))
    if damage == "length":
        os.truncate(copy, 3000)
    report = rebuild_here(made, [loose], tmp_path, fetch=lambda _layout, _ranges: TarRangeReader(copy))
    assert not report.complete
    assert [member.path for member in report.missing] == ["notes.txt"]
    assert ("its SHA-256 is not" if damage == "bytes" else "ends at byte") in report.missing[0].reason
    assert not (tmp_path / "new.tar").exists()


def test_loose_files_answer_any_range_of_the_tar(made: Path) -> None:
    shard = published(made)
    whole = (made / "shards" / "tones-rest-00001.tar").read_bytes()
    finder = rebuilding.MemberFinder(shard.manifest.name, shard.members, [made / "source"])
    source = LooseFileReader(shard.layout, shard.digests, finder.places)
    chance = random.Random(5)
    for _ in range(200):
        start, stop = sorted(chance.randrange(len(whole) + 1) for _ in range(2))
        assert b"".join(source.read(start, stop)) == whole[start:stop]


def test_a_whole_tar_is_left_alone_and_another_file_is_not_overwritten(
    made: Path, loose: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert rebuild(capsys, made, loose, tmp_path).code == 0
    inode = (tmp_path / "new.tar").stat().st_ino
    ran = rebuild(capsys, made, loose, tmp_path)
    assert (ran.code, (tmp_path / "new.tar").stat().st_ino) == (0, inode)
    assert "Nothing to do: " in ran.out
    with (tmp_path / "new.tar").open("r+b") as file:
        file.seek(5000)
        file.write(b"!")
    ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 2
    assert "exists and differs from the shard" in ran.err
    assert hidden(tmp_path) == []


def test_members_that_do_not_make_the_published_sums_get_no_name(
    made: Path, loose: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copytree(made / "site", tmp_path / "site")
    manifest = tmp_path / "site" / "manifests" / "tones-rest-00001.manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"sha256": "0" * 64}))
    ran = run(capsys, "rebuild", manifest, "--from", loose, "--to", tmp_path / "new.tar", "--index", tmp_path / "index")
    assert ran.code == 1
    assert "do not match its published pieces" in ran.err
    assert not (tmp_path / "new.tar").exists()
    assert hidden(tmp_path) == []


def test_two_do_not_write_one_tar_at_once(made: Path, loose: Path, tmp_path: Path, capsys: Capture) -> None:
    with lock_output(tmp_path / "new.tar"):
        ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 2
    assert "another packager writes it" in ran.err


def test_a_file_that_is_no_index_is_refused_and_kept(made: Path, loose: Path, tmp_path: Path, capsys: Capture) -> None:
    (loose / "notes.txt").rename(loose / "renamed")
    (tmp_path / "index").write_bytes(b"my letters\n" * 100)
    ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 2
    assert "cannot be used as an index" in ran.err
    assert (tmp_path / "index").read_bytes() == b"my letters\n" * 100
    (tmp_path / "index").unlink()
    with sqlite3.connect(tmp_path / "index") as database:
        database.execute("CREATE TABLE letters (text)")
    database.close()
    ran = rebuild(capsys, made, loose, tmp_path)
    assert ran.code == 2
    assert "no index of files" in ran.err


def test_an_index_that_lies_costs_time_only(made: Path, loose: Path, tmp_path: Path, capsys: Capture) -> None:
    (loose / "notes.txt").rename(loose / "renamed")
    (loose / "another").write_bytes(b"made of lines\n")
    assert rebuild(capsys, made, loose, tmp_path).code == 0
    (tmp_path / "new.tar").unlink()
    right = hashlib.sha256(b"made of sines\n").digest()
    with sqlite3.connect(tmp_path / "index") as database:
        database.execute("UPDATE files SET sha256 = ? WHERE path LIKE '%another'", (right,))
    database.close()
    assert rebuild(capsys, made, loose, tmp_path).code == 0
    assert digest(tmp_path / "new.tar") == digest(made / "shards" / "tones-rest-00001.tar")


WRONG = {
    ("nosuch", "--from", "."): "nosuch: no nosuch.manifest.json is beside it",
    ("tones-rest-00001", "--from", ".", "--release", "nosuch"): "nosuch: no release.json is there",
    ("nosuch.manifest.json", "--from", "."): "nosuch.manifest.json: not found",
    ("tones-rest-00001", "--from", "nosuch", "--release", "OUTPUT"): "nosuch: is not a folder",
    ("tones-rest-00001", "--from", ".", "--release", "OUTPUT", "--workers", "0"): "--workers",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_argument_is_one_sentence(
    arguments: tuple[str, ...], made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(capsys, "rebuild", *(argument.replace("OUTPUT", str(made / "site")) for argument in arguments))
    assert ran.code == 2
    assert WRONG[arguments] in as_sentence(ran.err)
    assert len(as_sentence(ran.err).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_script_can_rebuild(made: Path, loose: Path, tmp_path: Path) -> None:
    tar = made / "shards" / "tones-rest-00001.tar"
    out = tmp_path / "new.tar"
    report = api.rebuild(tar, [loose], out, api.RebuildOptions(index=tmp_path / "index", workers=1))
    assert report.complete
    assert digest(out) == digest(tar)


def kill_and_go_on(made: Path, loose: Path, tmp_path: Path, disk: FailingDisk, *, seed: int, kills: int) -> None:
    name = "tones-audio-00001"
    for number, path in enumerate(sorted(path for path in loose.rglob("*") if path.is_file())):
        path.rename(loose / f"{number}.bin")
    whole, out, index = digest(made / "shards" / f"{name}.tar"), tmp_path / "new.tar", tmp_path / "index"
    where = ["--from", str(loose), "--release", str(made / "site"), "--workers", "1"]
    arguments = ["rebuild", name, *where, "--to", str(out), "--index", str(index)]
    chance = random.Random(seed)
    killed = 0
    calm = disk.calm(tmp_path, *arguments)
    assert calm.code == 0, calm.err
    while killed < kills:
        out.unlink(missing_ok=True)
        ended = disk.kill(tmp_path, chance.randint(1, calm.calls), *arguments)
        killed += ended.killed
        assert ended.killed or ended.code == 0, ended.err
        assert not out.exists() or digest(out) == whole
        if not ended.killed or chance.random() < 0.4:  # with an index there is less to change
            index.unlink(missing_ok=True)
    ended = disk.calm(tmp_path, *arguments)
    assert ended.code == 0, ended.err
    assert digest(out) == whole
    assert hidden(tmp_path) == []


def test_rebuild_killed_a_few_times_ends_right_and_gives_no_name_to_what_is_unproven(
    made: Path, loose: Path, tmp_path: Path, disk: FailingDisk
) -> None:
    kill_and_go_on(made, loose, tmp_path, disk, seed=20261121, kills=10)


@pytest.mark.soak
def test_rebuild_killed_many_times_ends_right(made: Path, loose: Path, tmp_path: Path, disk: FailingDisk) -> None:
    kill_and_go_on(made, loose, tmp_path, disk, seed=1, kills=50)
