"""Folders and files with the characters of patterns and of key=value paths in their names: only names."""

import json
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.end_to_end.test_growing import release
from tests.helpers.projects import Project, make_project, write_tone

Capture = pytest.CaptureFixture[str]
HOSTILE = ["a[b]*", "size=7", "q?{x,y}", "b\\[c]", "kind='z'"]


def run(capsys: Capture, *arguments: str) -> str:
    """Run a command and return its output; it must end with 0."""
    capsys.readouterr()
    code = main(list(arguments))
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out


@pytest.mark.parametrize("name", HOSTILE)
def test_a_project_lives_in_a_folder_of_any_name(tmp_path: Path, capsys: Capture, name: str) -> None:
    # What a pattern would take for this folder as well.
    for other in ("ab", "ax", "b", "qx{x,y}"):
        make_project(tmp_path / other, files=1)
    project = make_project(tmp_path / name, files=6)
    (project.root / "records.csv").write_text("id,path,title\nr-1,notes.txt,Notes\n")
    text = (project.root / "packager.toml").read_text()
    text = text.replace('source = "source"', 'source = "so[u]r?ce*"')
    project.source.rename(project.root / "so[u]r?ce*")
    text = text.replace("[shards]", "[records]\nfiles = ['records.csv']\n[shards]\nfolder = 'sh[a]rds*'").replace(
        "[release]", "[site]\nfolder = '*'\n[release]"
    )
    (project.root / "packager.toml").write_text(text)
    plain = make_project(tmp_path / "plain", files=6)
    (plain.root / "records.csv").write_text("id,path,title\nr-1,notes.txt,Notes\n")
    plain.write_config(collection='[records]\nfiles = ["records.csv"]')
    expected = release(plain, capsys)

    assert project.run(capsys, "release").code == 0
    first = json.loads((project.root / "*" / "release.json").read_text())
    assert [shard["infohash_v1"] for shard in first["shards"]] == [s["infohash_v1"] for s in expected["shards"]]
    # Later releases compare with what is published, by other queries.
    assert project.run(capsys, "withdraw", "--yes", "r-1", "--reason", "a test").code == 0
    write_tone(project.root / "so[u]r?ce*" / "album 0" / "new [x].wav", 900)
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    second = json.loads((project.root / "*" / "release.json").read_text())
    assert second["serial"] == 2
    assert [each["id"] for each in second["withdrawals"]] == ["r-1"]
    assert project.run(capsys, "estimate").code == 0

    shards, site = project.root / "sh[a]rds*", project.root / "*"
    run(capsys, "verify", str(shards), "--release", str(site))
    live = next(s["name"] for s in second["shards"] if s["phase"] == "audio")
    to = tmp_path / "[to]*"
    run(capsys, "extract", str(shards / f"{live}.tar"), "--release", str(site), "--to", str(to), "--path", "*[b].wav")
    assert list(to.rglob("*tone [[]b].wav"))
    got = tmp_path / "{got}?"
    run(capsys, "get", "album 0/new [x].wav", "--release", str(site), "--from", str(shards), "--to", str(got))
    assert [path.name for path in got.rglob("*.wav")] == ["new [x].wav"]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A published project with folders that patterns with brackets would confuse."""
    project = make_project(tmp_path_factory.mktemp("released") / "project", files=1)
    for path in ("Album [FLAC]/1.wav", "Album [FLAC]/cd 2/2.wav", "Album F/2.wav", "what?/3.wav", "whatever/3.wav"):
        (project.source / path).parent.mkdir(parents=True, exist_ok=True)
        write_tone(project.source / path, 500 + len(path), pitch=len(path))
    (project.source / "{a,b}").write_bytes(b"braces")
    (project.source / "a").write_bytes(b"a")
    project.release()
    return project


@pytest.fixture
def albums(released: Project, tmp_path: Path) -> Project:
    return released.copy(tmp_path / "project")


MEANT = [
    ("Album [FLAC]/*", ["Album [FLAC]/1.wav", "Album [FLAC]/cd 2/2.wav"]),
    ("what?/3.wav", ["what?/3.wav"]),
    ("{a,b}", ["{a,b}"]),
    ("*[FLAC]*2.wav", ["Album [FLAC]/cd 2/2.wav"]),
]


@pytest.mark.parametrize(("pattern", "expected"), MEANT)
def test_withdraw_takes_a_path_as_it_is_written(
    albums: Project, capsys: Capture, pattern: str, expected: list[str]
) -> None:
    arguments = ("withdraw", "--yes", "--path", pattern, "--reason", "a test", "--dry-run", "--json")
    report = json.loads(albums.run(capsys, *arguments).out)
    assert [record["path"] for record in report["records"]] == expected


@pytest.mark.parametrize("pattern", ["2.wav", "Album [FLAC]", "[!a]", "cd 2/2.wav"])
def test_withdraw_matches_the_complete_path(albums: Project, capsys: Capture, pattern: str) -> None:
    ran = albums.run(capsys, "withdraw", "--yes", "--path", pattern, "--reason", "a test", "--dry-run")
    assert ran.code == 2, ran.out


@pytest.mark.parametrize(("pattern", "expected"), MEANT[:2])
def test_extract_takes_a_path_as_it_is_written(
    albums: Project, tmp_path: Path, capsys: Capture, pattern: str, expected: list[str]
) -> None:
    names = [path for path in sorted((albums.root / "shards").iterdir()) if "-audio-" in path.name]
    found: list[str] = []
    for tar in names:
        to = tmp_path / tar.stem
        main(
            [
                "extract",
                str(tar),
                "--release",
                str(albums.root / "site"),
                "--to",
                str(to),
                "--path",
                pattern,
                "--source-names",
            ]
        )
        found += [path.relative_to(to).as_posix() for path in to.rglob("*.wav")]
    capsys.readouterr()
    assert sorted(found) == expected
