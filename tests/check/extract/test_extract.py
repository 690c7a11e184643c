"""Members taken out of a shard: whole and checked, under a name below the folder they go to, or not at all."""

import hashlib
import json
import os
import random
import resource
import shutil
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from packager.core.shards.path_formats import add_number, folded_path, make_distinct, original_path, parse_path_format
from packager.engine.files.output_folder import OutputFolder
from packager.engine.published.published_shard import open_published_shard, shard_files
from packager.paths import is_safe_path, safe_name
from tests.helpers.error_lines import as_sentence
from tests.helpers.failing_disk import FailingDisk
from tests.helpers.projects import Project, Ran, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released project that no test writes to."""
    project = make_project(tmp_path_factory.mktemp("released") / "project")
    project.write_config(collection="[records]\nfile_times = true")
    for path in project.source.rglob("*"):
        os.utime(path, ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
    assert main(["release", "--json", "--config", str(project.root / "packager.toml"), "--workers", "1"]) == 0
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    shutil.copytree(made, tmp_path / "project")
    return Project(tmp_path / "project")


def run(capsys: Capture, *arguments: object) -> Ran:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def files_of(folder: Path) -> dict[bytes, bytes]:
    """Return every file below a folder, hidden ones too."""
    top = os.fsencode(folder)
    return {
        os.path.relpath(os.path.join(at, name), top): Path(os.fsdecode(os.path.join(at, name))).read_bytes()
        for at, _, names in os.walk(top)
        for name in names
    }


def shards(project: Project) -> list[Path]:
    return sorted((project.root / "shards").glob("*.tar"))


def test_every_member_of_every_shard_comes_out_with_its_time(project: Project, tmp_path: Path, capsys: Capture) -> None:
    for tar in shards(project):
        ran = run(capsys, "extract", tar, "--to", tmp_path / "out" / tar.stem)
        assert ran.code == 0, ran.err
        published = open_published_shard(shard_files(project.root / "site" / "manifests" / f"{tar.stem}.manifest.json"))
        found = files_of(tmp_path / "out" / tar.stem)
        assert {path.decode(): hashlib.sha256(data).digest() for path, data in found.items()} == dict(
            zip(published.members["path"].to_pylist(), published.members["sha256"].to_pylist(), strict=True)
        )
    taken = tmp_path / "out" / "tones-rest-00001" / "notes.txt"
    assert taken.stat().st_mtime_ns == 1_234_567_890_123_456_789


def test_it_goes_by_default_to_a_folder_with_the_shards_name(
    project: Project, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "extract", project.root / "shards" / "tones-rest-00001.tar").code == 0
    assert (tmp_path / "tones-rest-00001" / "notes.txt").read_bytes() == b"made of sines\n"


def test_a_second_run_writes_nothing_and_another_file_is_left_alone_unless_told(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    tar, out = shards(project)[0], tmp_path / "out"
    assert run(capsys, "extract", tar, "--to", out).code == 0
    before = {path: path.stat().st_ino for path in out.rglob("*")}
    again = run(capsys, "extract", tar, "--to", out, "--json")
    report = json.loads(again.out)
    assert (again.code, report["written"], report["unchanged"]) == (0, 0, report["selected"])
    assert {path: path.stat().st_ino for path in out.rglob("*")} == before
    own = next(path for path in out.rglob("*.wav"))
    whole = own.read_bytes()
    for other in (b"mine", whole[:-1] + b"x"):
        own.write_bytes(other)
        refused = run(capsys, "extract", tar, "--to", out)
        assert refused.code == 3
        assert own.name in refused.err
        assert own.read_bytes() == other
    assert run(capsys, "extract", tar, "--to", out, "--overwrite").code == 0
    assert own.read_bytes() == whole


def test_members_are_chosen_by_id_path_and_sql(project: Project, tmp_path: Path, capsys: Capture) -> None:
    tar = project.root / "shards" / "tones-rest-00001.tar"

    def chosen(*options: str) -> list[str]:
        ran = run(capsys, "extract", tar, "--dry-run", "--json", *options)
        assert ran.code == 0, ran.err
        return [file["member"] for file in json.loads(ran.out)["files"]]

    every = chosen()
    assert len(every) == 4
    assert chosen("notes.txt") == ["notes.txt"]
    assert chosen("notes.txt", "--path", "cover 100%*") == ["cover 100_~972f7df4.png", "notes.txt"]
    assert chosen("--where", "size > 100 AND kind = 'artwork'") == ["cover 100_~972f7df4.png"]
    assert chosen("--path", "*.txt", "--where", "size = 0") == ["empty.txt"]
    assert chosen("--where", "title IS NULL -- a comment") == every
    assert chosen("--where", "title = 'x'") == []
    assert not (tmp_path / "tones-rest-00001").exists()


WRONG = {
    ("nosuch",): 'no file has the id, path or ISRC "nosuch"',
    ("--path", "*.ape"): '--path: no member matches "*.ape"',
    ("--where", "titel = 'x'"): '--where: unknown column "titel"; did you mean "title"?',
    ("--where", "size"): '"size" gives BIGINT, not true or false',
    ("--where", "true); SELECT (1"): "--where:",
    ("--where", "size IN (SELECT 1)"): "a sub-query is not allowed",
    ("--where", "id IN (SELECT content FROM read_text('/etc/passwd'))"): "a sub-query is not allowed",
    ("--where", "getenv('HOME') = 'x'"): "getenv",
    ("--where", "CAST(path AS INTEGER) = 1"): "--where:",
    ("--where", ""): "--where: is empty",
    ("--rename", "{titel}"): '--rename: unknown field "titel"; did you mean "{title}"?',
    ("--rename", "{title.__class__}"): 'unknown field "title.__class__"',
    ("--rename", "{title:>9999999}"): "cannot be written so",
    ("--rename", "{track:999999999}"): "cannot be written so",
    ("--rename", "{title!r}"): "cannot be written so",
    ("--rename", "{title"): "--rename:",
    ("--rename", "../{title}"): 'has the name ".."',
    ("--rename", "/{title}"): 'has the name ""',
    ("--rename", "{title}/"): 'has the name ""',
    ("--rename", "{title}", "--source-names"): "--source-names cannot be used with --rename",
    ("--release", "nosuch"): "nosuch: no release.json is there",
    ("--manifest", "nosuch.manifest.json"): "nosuch.manifest.json: not found",
}


@pytest.mark.parametrize("options", WRONG)
def test_a_wrong_option_is_one_sentence(
    options: tuple[str, ...], made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(capsys, "extract", made / "shards" / "tones-rest-00001.tar", *options)
    assert ran.code == 2
    assert WRONG[options] in as_sentence(ran.err)
    assert len(as_sentence(ran.err).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_original_names_come_back(project: Project, tmp_path: Path, capsys: Capture) -> None:
    (project.source / os.fsdecode(b"caf\xe9?.txt")).write_bytes(b"latin")
    (project.source / "twin.txt").write_bytes(b"low")
    (project.source / "TWIN.txt").write_bytes(b"high")
    for name in ("site", "shards", ".packager"):
        shutil.rmtree(project.root / name)
    assert project.run(capsys, "release").code == 0
    for tar in shards(project)[:-1]:
        assert run(capsys, "extract", tar, "--to", tmp_path / "other").code == 0
    ran = run(capsys, "extract", shards(project)[-1], "--to", tmp_path / "out", "--source-names")
    assert ran.code == 0, ran.err
    source = {path: data for path, data in files_of(project.source).items() if not path.endswith(b".wav")}
    assert files_of(tmp_path / "out") == source


def test_a_layout_names_files_from_tags_and_parts_twins(project: Project, tmp_path: Path, capsys: Capture) -> None:
    with (project.source / "records.csv").open("w") as file:
        file.write("path,title,artist,album,track\n")
        for number in range(4):
            file.write(f"album {number % 3}/{number:02d} tone [b].wav,Same/../Title,..,A/B?,{number + 7}\n")
    text = (project.root / "packager.toml").read_text()
    (project.root / "packager.toml").write_text(
        text.replace("[records]\n", '[records]\nfiles = ["source/records.csv"]\n').replace(
            'size = "64 KiB"', 'size = "1 MiB"'
        )
    )
    for folder in ("site", ".packager", "shards"):
        shutil.rmtree(project.root / folder)
    assert project.run(capsys, "release").code == 0
    tar = project.root / "shards" / "tones-audio-00001.tar"
    options = ("--where", "title IS NOT NULL", "--rename", "{artist}/{album}/{title}", "--to", tmp_path / "out")
    assert run(capsys, "extract", tar, *options).code == 0
    found = sorted(os.fsdecode(path) for path in files_of(tmp_path / "out"))
    assert {path.rpartition("/")[0] for path in found} == {f"{safe_name(b'..')}/{safe_name(b'A_B?')}"}
    assert [path.rpartition("/")[2] for path in found] == [
        "Same_.._Title.wav",
        "Same_.._Title~2.wav",
        "Same_.._Title~3.wav",
        "Same_.._Title~4.wav",
    ]
    options = ("--rename", "{track:02}", "--number", "--dry-run", "--json")
    files = json.loads(run(capsys, "extract", tar, "--where", "track < 10", *options).out)["files"]
    assert sorted(file["path"] for file in files) == ["1 07.wav", "2 08.wav", "3 09.wav"]


def test_a_flipped_bit_spoils_one_member_and_the_others_come_out(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    tar = project.root / "shards" / "tones-rest-00001.tar"
    published = open_published_shard(
        shard_files(project.root / "site" / "manifests" / "tones-rest-00001.manifest.json")
    )
    bad = published.members["path"].to_pylist().index("notes.txt")
    data = bytearray(tar.read_bytes())
    data[published.members["offset"][bad].as_py() + 3] ^= 1
    data[published.members["offset"][0].as_py() - 512] ^= 1  # a header: nobody needs it where documents are
    tar.write_bytes(data)
    ran = run(capsys, "extract", tar, "--to", tmp_path / "out")
    assert ran.code == 1
    assert "notes.txt: its SHA-256 is not" in ran.err
    assert sorted(files_of(tmp_path / "out")) == sorted(
        path.encode() for path in published.members["path"].to_pylist() if path != "notes.txt"
    )


def test_a_tar_cut_short_gives_the_members_before_the_cut(project: Project, tmp_path: Path, capsys: Capture) -> None:
    tar = shards(project)[0]
    whole = open_published_shard(shard_files(project.root / "site" / "manifests" / f"{tar.stem}.manifest.json"))
    os.truncate(tar, whole.members["offset"][1].as_py() + 10)
    ran = run(capsys, "extract", tar, "--to", tmp_path / "out")
    assert ran.code == 1
    assert "the tar ends at byte" in ran.err
    assert list(files_of(tmp_path / "out")) == [whole.members["path"][0].as_py().encode()]


def test_a_tar_alone_is_held_against_its_own_manifest(project: Project, tmp_path: Path, capsys: Capture) -> None:
    tar = tmp_path / "alone" / "renamed.tar"
    tar.parent.mkdir()
    shutil.move(project.root / "shards" / "tones-rest-00001.tar", tar)
    ran = run(capsys, "extract", tar, "--source-names", "--to", tmp_path / "out")
    assert ran.code == 0
    assert "no published documents found" in ran.err
    source = {path: data for path, data in files_of(project.source).items() if not path.endswith(b".wav")}
    assert files_of(tmp_path / "out") == source
    data = bytearray(tar.read_bytes())
    at = data.index(b"made of sines")
    data[at] ^= 1
    tar.write_bytes(data)
    ran = run(capsys, "extract", tar, "--to", tmp_path / "again")
    assert ran.code == 1
    assert "notes.txt: its SHA-256 is not" in ran.err
    assert b"notes.txt" not in files_of(tmp_path / "again")


def make_tar(path: Path, entries: dict[str, bytes | tarfile.TarInfo], manifest: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in {**entries, "bag/manifest-sha256.txt": manifest}.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if isinstance(data, bytes):
                info.size = len(data)
                tar.addfile(info, BytesIO(data))
            else:
                tar.addfile(info)


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def test_hostile_entries_of_a_tar_stay_out_and_the_good_ones_come_out(tmp_path: Path, capsys: Capture) -> None:
    good = hashlib.sha256(b"good").hexdigest()
    names = ("data/ok.txt", "data/../../up.txt", "data/a/../b", "data/con", "data/x\\y", "data/%41")
    entries: dict[str, bytes | tarfile.TarInfo] = {
        "bag/data/ok.txt": b"good",
        "bag/data/../../up.txt": b"good",
        "/etc/data/abs.txt": b"good",
        "bag/data/a/../b": b"good",
        "bag/data/link": link("/etc"),
        "bag/data/link/through.txt": b"good",
        "bag/data/hard": link("bag/data/ok.txt", tarfile.LNKTYPE),
        "bag/data/dev": link("", tarfile.CHRTYPE),
        "bag/data/con": b"good",
        "bag/data/x\\y": b"good",
    }
    manifest = "".join(f"{good}  {name}\n" for name in (*names, "data/link/through.txt", "data/nowhere")).encode()
    make_tar(tmp_path / "bag.tar", entries, manifest)
    (tmp_path / "work").mkdir()
    ran = run(capsys, "extract", tmp_path / "bag.tar", "--to", tmp_path / "work" / "out")
    assert ran.code == 1
    for name in ("up.txt", "abs.txt", "bag/data/link:", "bag/data/hard", "bag/data/dev", "nowhere: is in"):
        assert name in ran.err
    names = (b"con", b"x\\y")
    safe = {b"out/" + safe_name(name).encode() for name in names}
    assert set(files_of(tmp_path / "work")) == {b"out/ok.txt", b"out/link/through.txt", *safe}


def test_a_huge_pax_header_takes_no_memory(tmp_path: Path, capsys: Capture) -> None:
    info = tarfile.TarInfo("bag/data/x")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    with (tmp_path / "bomb.tar").open("wb") as file:
        file.write(info.tobuf())
        file.truncate(9 << 30)
    ran = run(capsys, "extract", tmp_path / "bomb.tar", "--to", tmp_path / "out")
    assert ran.code == 2
    assert "not a readable tar" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 600, bytes(10240), b"\x1f\x8b" + bytes(600)])
def test_what_is_no_bag_is_refused(content: bytes, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "some.tar").write_bytes(content)
    ran = run(capsys, "extract", tmp_path / "some.tar")
    assert ran.code == 2
    assert len(as_sentence(ran.err).splitlines()) == 1
    assert run(capsys, "extract", tmp_path).code == 2
    assert run(capsys, "extract", tmp_path / "nosuch.tar").code == 2


def poison(project: Project, name: str, **columns: object) -> Path:
    """Write into a shard's members table what only a liar would, in its first row."""
    path = project.root / "site" / "manifests" / f"{name}.members.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0] |= columns
    pq.write_table(type(table).from_pylist(rows, table.schema), path)
    return project.root / "shards" / f"{name}.tar"


@pytest.mark.parametrize("path", ["../up", "/abs", "a/../../up", "", "a//b", "nul", "x\0y", "a" * 300])
def test_a_members_table_whose_paths_leave_is_refused(
    path: str, project: Project, tmp_path: Path, capsys: Capture
) -> None:
    tar = poison(project, "tones-rest-00001", path=path)
    ran = run(capsys, "extract", tar, "--to", tmp_path / "out")
    assert ran.code == 1
    assert not (tmp_path / "out").exists()


def hostile_columns() -> Iterator[tuple[str | None, str | None]]:
    for source in ("../../up", "/tmp/abs", "a/../b", "a//b", "", "x\0y", "a/" * 3000 + "b", "n" * 256):
        yield source, None
    for base64 in ("Li4vLi4vdXA=", "!!!", "é", "L2Ficw=="):
        yield "x", base64


@pytest.mark.parametrize(("source", "base64"), list(hostile_columns()))
def test_an_original_name_that_leaves_is_not_given_back(source: str, base64: str | None) -> None:
    assert original_path(source, base64) is None


@pytest.mark.parametrize("value", ["..", "/", "../../x", "\0", "a/b", ".", "con", "x" * 5000, "\u202e", "~" * 255])
def test_no_tag_leads_a_layout_out_of_its_folder(value: str) -> None:
    for layout in ("{artist}/{album}/{title}", "{title}", "x/{title} {artist}", "{artist}{album}/y"):
        path = parse_path_format(layout).path({"artist": value, "album": value, "title": value}, ".flac").encode()
        assert path.count(b"/") == layout.count("/")
        for made in make_distinct([path, path, add_number(path, 7, 100)], folded_path):
            assert is_safe_path(made.decode()), made


def test_no_link_in_the_folder_is_followed(project: Project, tmp_path: Path, capsys: Capture) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    tar = shards(project)[0]
    published = open_published_shard(shard_files(project.root / "site" / "manifests" / f"{tar.stem}.manifest.json"))
    folder = published.members["path"][0].as_py().partition("/")[0]
    (out / folder).symlink_to(outside)
    for options in ((), ("--overwrite",)):
        ran = run(capsys, "extract", tar, "--to", out, *options)
        assert ran.code == 3
        assert "where a folder should be" in ran.err
        assert list(outside.iterdir()) == []
    (out / folder).unlink()
    (outside / "precious").write_bytes(b"mine")
    name = published.members["path"][0].as_py()
    (out / folder).mkdir()
    (out / name).symlink_to(outside / "precious")
    assert run(capsys, "extract", tar, "--to", out).code == 3
    assert run(capsys, "extract", tar, "--to", out, "--overwrite").code == 0
    assert (outside / "precious").read_bytes() == b"mine"
    assert not (out / name).is_symlink()


@pytest.mark.parametrize("make", [os.link, os.symlink, shutil.copyfile])
def test_a_file_with_the_name_of_the_one_that_is_written_is_replaced_and_not_written_to(
    make: Callable[[Path, Path], object], tmp_path: Path
) -> None:
    victim, data = tmp_path / "victim", b"a member"
    victim.write_bytes(b"mine")
    (tmp_path / "out" / ".packager-writing").mkdir(parents=True)
    make(victim, tmp_path / "out" / ".packager-writing" / "file")
    with OutputFolder(tmp_path / "out") as destination:
        assert destination.put(b"a", [data], sha256_=hashlib.sha256(data).digest(), mtime_ns=None)
        make(victim, tmp_path / "out" / ".packager-writing" / "file")
        assert not destination.put(b"b", [data], sha256_=bytes(32), mtime_ns=None)
        assert destination.put(b"c", [data], sha256_=hashlib.sha256(data).digest(), mtime_ns=None)
    assert victim.read_bytes() == b"mine"
    assert files_of(tmp_path / "out") == {b"a": data, b"c": data}


def test_names_with_markup_and_escapes_are_printed_as_they_are(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("a[b].txt", "a[/b].txt", "\x1b[31mred\x1b[0m.txt"):
        (project.source / name).parent.mkdir(exist_ok=True)
        (project.source / name).write_bytes(b"x")
    for folder in ("site", ".packager", "shards"):
        shutil.rmtree(project.root / folder)
    assert project.run(capsys, "release").code == 0
    tar = next(path for path in shards(project) if "rest" in path.name)
    ran = run(capsys, "extract", tar, "--dry-run", "--source-names")
    assert "a[b].txt" in ran.out
    assert "a[/b].txt" in ran.out
    assert "\x1b" not in ran.out + ran.err
    assert run(capsys, "extract", tar, "--source-names", "--to", tmp_path / "out").code == 0


def test_a_disk_that_takes_no_more_ends_in_order(project: Project, tmp_path: Path, capsys: Capture) -> None:
    tar, out = shards(project)[0], tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        ran = run(capsys, "extract", tar, "--to", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ran.code == 3
    assert "File too large" in ran.err
    assert files_of(out) == {}
    assert run(capsys, "extract", tar, "--to", out).code == 0


def test_two_do_not_write_to_one_folder_at_once(project: Project, tmp_path: Path, capsys: Capture) -> None:
    with OutputFolder(tmp_path / "out"):
        ran = run(capsys, "extract", shards(project)[0], "--to", tmp_path / "out")
    assert ran.code == 2
    assert "another packager writes there" in ran.err


def kill_and_go_on(made: Path, tmp_path: Path, disk: FailingDisk, *, seed: int, kills: int) -> None:
    tar, out = made / "shards" / "tones-audio-00001.tar", tmp_path / "out"
    sums = {path: hashlib.sha256(data).digest() for path, data in files_of(made / "source").items()}
    chance = random.Random(seed)
    killed = 0
    calm = disk.calm(tmp_path, "extract", tar, "--to", tmp_path / "calm")
    assert calm.code == 0, calm.err
    while killed < kills:
        ended = disk.kill(tmp_path, chance.randint(1, calm.calls), "extract", tar, "--to", out)
        killed += ended.killed
        assert ended.killed or ended.code == 0, ended.err
        for path, data in files_of(out).items():
            if not path.startswith(b".packager-writing/"):
                assert hashlib.sha256(data).digest() == sums[path]
        if not ended.killed or chance.random() < 0.3:  # what is there already is not written again
            shutil.rmtree(out, ignore_errors=True)
    ended = disk.calm(tmp_path, "extract", tar, "--to", out)
    assert ended.code == 0, ended.err
    assert files_of(out) == files_of(tmp_path / "calm")


def test_extract_killed_a_few_times_ends_right_and_gives_no_name_to_what_is_unproven(
    made: Path, tmp_path: Path, disk: FailingDisk
) -> None:
    kill_and_go_on(made, tmp_path, disk, seed=20261121, kills=10)


@pytest.mark.soak
def test_extract_killed_many_times_ends_right(made: Path, tmp_path: Path, disk: FailingDisk) -> None:
    kill_and_go_on(made, tmp_path, disk, seed=1, kills=50)
