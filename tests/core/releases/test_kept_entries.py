"""What format 1 was fixed with: this version reads, verifies, continues and syncs the kept release and mirror."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.mirror.state import MirrorFolder
from tests.end_to_end.test_growing import assert_frozen, by_name, new_shards, read_release, release
from tests.helpers.error_lines import as_sentence
from tests.helpers.libtorrent_peer import seeding
from tests.helpers.projects import Project, Ran
from tests.helpers.serve_process import serving
from tests.helpers.site_contents import rows
from tests.second_implementation.minisign import Key
from tests.second_implementation.site import Site

Capture = pytest.CaptureFixture[str]
ARCHIVE = Path(__file__).parents[2] / "kept/format-1.tar.xz"
INSPECTED = (
    "manifest.json",
    "release.json",
    "members.parquet",
    "members.tsv.zst",
    ".torrent",
    "magnets.txt",
    ".minisig",
    ".pub",
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of project/ and mirror/; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def kept(unpacked: Path) -> Project:
    """The project, to be read only."""
    return Project(unpacked / "project")


@pytest.fixture
def project(unpacked: Path, tmp_path: Path) -> Project:
    """A copy of the project."""
    return Project(shutil.copytree(unpacked / "project", tmp_path / "project"))


@pytest.fixture
def mirror(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the mirror, which followed release 2."""
    return shutil.copytree(unpacked / "mirror", tmp_path / "mirror")


def run(capsys: Capture, *arguments: object) -> Ran:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def signed(project: Project) -> tuple[object, ...]:
    return "--release", project.root / "site", "--key", project.root / "second.pub"


def assert_format_1(project: Project) -> None:
    """The second implementation finds nothing wrong, with the key of release 1 and with the one on the site."""
    for key in (Key.parse((project.root / "first.pub").read_text()), None):
        assert Site(project.root / "site", project.root / "shards", project.source, key).check().problems == []


def listed(project: Project) -> list[Path]:
    """Every shard on the disk that the release lists, tar or folder."""
    names = set(by_name(read_release(project)))
    return sorted(path for path in (project.root / "shards").iterdir() if path.name.removesuffix(".tar") in names)


def test_the_kept_release_has_one_of_each_thing(kept: Project) -> None:
    release = read_release(kept)
    shards = by_name(release)
    assert (release["format"], release["serial"]) == (1, 4)
    assert {each["id"]: (each["since"], each.get("lifted"), "title" in each) for each in release["withdrawals"]} == {
        "k-08": (3, None, True),
        "k-09": (3, None, False),
        "k-10": (3, 4, True),
        "k-02": (4, None, True),
    }
    assert [phase["state"] for phase in release["phases"]] == [
        "published",
        "next",
        "published",
        "published",
        "published",
    ]
    assert shards["kept-singles-00001"]["superseded_by"] == ["kept-singles-00002"]
    assert shards["kept-singles-00002"]["container"] == "folder"
    assert (shards["kept-audio-00001"]["withdrawn"], "obsolete" in shards["kept-audio-00001"]) == (1, False)
    assert all(
        "twin_torrent" in shard and "sha256" in shard for shard in release["shards"] if shard["file"][-4:] == ".tar"
    )
    manifests = kept.root / "site/manifests"
    members = {path.name.partition(".")[0]: rows(path) for path in manifests.glob("*.parquet")}
    moved = next(row for row in members["kept-rest-00001"] if row["id"] == "Moves.txt")
    assert (moved["current_id"], moved["current_path"]) == ("texts/moved.txt", "texts/moved.txt")
    assert any(row["superseded"] for row in members["kept-rest-00002"])
    assert any(row["source_path_b64"] for row in members["kept-rest-00004"])
    assert not (kept.root / "shards/kept-audio-00003.tar").exists(), "it is virtual"
    assert [json.loads((kept.root / f"site/releases/{n}.json").read_text()).get("next_key") for n in (1, 2, 3, 4)] == [
        None,
        (kept.root / "second.pub").read_text().splitlines()[1],
        None,
        None,
    ]


# ---------------------------------------------------------------------------------------------------------------------
# the archivist


def test_a_release_continues_it_and_changes_nothing_that_is_published(project: Project, capsys: Capture) -> None:
    before = read_release(project)
    torrents = {path.name: path.read_bytes() for path in (project.root / "site/torrents").iterdir()}
    tars = {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    assert release(project, capsys) == before
    (project.source / "texts/new.txt").write_bytes(b"a new file\n")
    after = release(project, capsys)
    assert after["serial"] == before["serial"] + 1
    assert new_shards(before, after) == ["kept-metadata-00005", "kept-rest-00006"]
    assert_frozen(before, after)
    assert after["withdrawals"] == before["withdrawals"]
    for folder, files in (("site/torrents", torrents), ("shards", tars)):
        assert {name: (project.root / folder / name).read_bytes() for name in files} == files
    ran = project.run(capsys, "release", "--workers", "1")
    assert (ran.code, "Nothing to pack: " in ran.out, "is published; nothing changed." in ran.out) == (0, True, True)
    assert_format_1(project)


def test_its_state_folder_is_made_again_from_the_site(project: Project, capsys: Capture) -> None:
    shutil.rmtree(project.root / ".packager")
    ran = project.run(capsys, "release", "--workers", "1")
    assert (ran.code, "kept-later-00001.tar: already exists, but this project did not write it" in ran.err) == (2, True)
    (project.root / "shards/kept-later-00001.tar").unlink()
    before = read_release(project)
    assert release(project, capsys) == before


def test_a_withdrawal_of_it_is_lifted(project: Project, capsys: Capture) -> None:
    audio = "kept-audio-00001"
    assert audio not in (project.root / "site/magnets.txt").read_text()
    assert project.run(capsys, "withdraw", "--yes", "--undo", "k-02").code == 0
    after = release(project, capsys)
    assert [each.get("lifted") for each in after["withdrawals"] if each["id"] == "k-02"] == [5]
    assert "k-02" in {row["id"] for row in rows(project.root / f"site/manifests/{audio}.members.parquet")}
    assert audio in (project.root / "site/magnets.txt").read_text()


@pytest.mark.parametrize("name", ["texts/redacted.txt", "texts/withdrawn.txt"])
def test_its_withdrawn_content_stays_out_under_another_name(project: Project, capsys: Capture, name: str) -> None:
    before = read_release(project)
    (project.source / name).rename(project.source / "texts/renamed.txt")
    after = release(project, capsys)
    assert [shard for shard in new_shards(before, after) if "rest" in shard] == []
    assert b"renamed.txt" not in (project.root / "site/release.json").read_bytes()


def test_its_state_is_shown_and_its_tars_to_delete_are_listed(kept: Project, capsys: Capture) -> None:
    status = json.loads(kept.run(capsys, "status", "--json").out)
    assert (status["serial"], status["remaining_bytes"], status["next"]) == (4, 0, "")
    assert sum(phase["without_tars"] for phase in status["phases"]) == 2
    ran = kept.run(capsys, "prune", "--dry-run")
    assert (ran.code, "Dry run: would delete 4 tars" in ran.out) == (0, True), ran.out + ran.err
    assert "kept-rest-00002.tar: 57.5 KiB: 2 records in it were withdrawn" in ran.out


def test_a_virtual_shard_of_it_is_written(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "export", "kept-audio-00003").code == 0
    tar = project.root / "shards/kept-audio-00003.tar"
    assert run(capsys, "verify", tar, *signed(project)).code == 0


def test_it_is_served(kept: Project) -> None:
    with serving(kept) as served:
        assert served.get("/release.json")[2] == (kept.root / "site/release.json").read_bytes()
        tar = kept.root / "shards/kept-rest-00001.tar"
        assert served.get("/shards/kept-rest-00001.tar")[2] == tar.read_bytes()
        assert served.get("/shards/kept-audio-00003.tar", {"Range": "bytes=0-99"})[0] == 206, "it is virtual"
        assert served.get("/shards/kept-rest-00002.tar")[0] == 451
        assert served.get("/shards/kept-later-00001.tar")[0] in (404, 451)


# ---------------------------------------------------------------------------------------------------------------------
# seeders and listeners


def test_every_shard_of_it_verifies(kept: Project, capsys: Capture) -> None:
    ran = run(capsys, "verify", *listed(kept), *signed(kept), "--json", "--workers", 1)
    assert ran.code == 0, ran.out
    assert len(json.loads(ran.out)["targets"]) == len(listed(kept)) == 11
    ran = run(capsys, "verify", *listed(kept), "--release", kept.root / "site", "--key", kept.root / "first.pub")
    assert (ran.code, "wrong key id" in ran.err) == (1, True)


def test_members_are_extracted(kept: Project, tmp_path: Path, capsys: Capture) -> None:
    for name, file in (("kept-rest-00001", "Moves.txt"), ("kept-rest-00004", "not utf-8 _~1bd63151.txt")):
        ran = run(capsys, "extract", kept.root / f"shards/{name}.tar", *signed(kept), "--to", tmp_path / "to")
        assert ran.code == 0, ran.err
        assert (tmp_path / "to" / file).read_bytes().startswith(b"text of ")


@pytest.mark.parametrize(
    ("name", "target"), [("kept-rest-00001", "shards/kept-rest-00001.tar"), ("kept-audio-00003", "")]
)
def test_a_shard_is_rebuilt_from_loose_files(
    kept: Project, tmp_path: Path, capsys: Capture, name: str, target: str
) -> None:
    out = tmp_path / f"{name}.tar"
    ran = run(capsys, "rebuild", name, *signed(kept), "--from", kept.source, "--to", out, "--index", tmp_path / "index")
    assert ran.code == 0, ran.err
    if target:
        assert out.read_bytes() == (kept.root / target).read_bytes()


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("k-04", "audio/four.wav"),
        ("USS1Z9900001", "audio/one.wav"),
        ("Moves.txt", "texts/moved.txt"),
        ("texts/moved.txt", "texts/moved.txt"),
        ("k-10", "texts/lifted.txt"),
    ],
)
def test_a_member_is_fetched_by_its_id_isrc_and_old_and_new_path(
    kept: Project, tmp_path: Path, capsys: Capture, key: str, file: str
) -> None:
    ran = run(
        capsys, "get", key, *signed(kept), "--from", kept.root / "shards", "--no-web-seeds", "--to", tmp_path / "to"
    )
    [got] = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert (ran.code, got.read_bytes()) == (0, (kept.source / file).read_bytes()), ran.err


def test_every_document_of_it_is_inspected_without_a_fault(kept: Project, capsys: Capture) -> None:
    documents = [path for path in sorted((kept.root / "site").rglob("*")) if path.name.endswith(INSPECTED)]
    documents += [*(kept.root / "site/releases").glob("*.json"), *(kept.root / "shards").glob("*.tar")]
    assert len(documents) > 80
    for path in documents:
        ran = run(capsys, "inspect", path)
        assert ran.code == 0, f"{path}: {ran.out}{ran.err}"


def test_the_second_implementation_finds_it_as_format_1_says(kept: Project) -> None:
    assert_format_1(kept)


# ---------------------------------------------------------------------------------------------------------------------
# the mirror


def test_the_mirror_takes_the_later_releases_and_a_new_key(
    project: Project, mirror: Path, capsys: Capture, tmp_path: Path
) -> None:
    ran = run(capsys, "mirror", "status", mirror, "--offline")
    assert (ran.code, "kept, release 2 of 2026-02-10" in ran.out) == (3, True), ran.err
    shards = project.root / "shards"
    for name in ("kept-rest-00003", "kept-audio-00003"):
        assert project.run(capsys, "export", name).code == 0
    for name in ("kept-rest-00003.tar", "kept-rest-00005.tar"):
        shutil.copy2(shards / name, mirror / name)
    asked = ("--budget", "400 KiB", "--reserve", 0, "--phase", "rest", "--seed-counts", "list", "--client", "builtin")
    local = ("--no-web-seeds", "--listen", "127.0.0.2:0", "--yes", "--for", "200 s")
    with seeding(project.root / "site/torrents/kept-rest-00004.torrent", shards) as peer:
        ran = run(capsys, "mirror", "follow", project.root / "site", mirror, *asked, *local, "--peer", peer)
    assert ran.code == 0, ran.out + ran.err
    followed = MirrorFolder(mirror).required().followed
    assert (followed.serial, followed.keys[-1]) == (4, (project.root / "second.pub").read_text().splitlines()[1])
    assert (mirror / "kept-rest-00004.tar").read_bytes() == (shards / "kept-rest-00004.tar").read_bytes()
    assert run(capsys, "verify", mirror).code == 0
    ran = run(capsys, "mirror", "status", mirror, "--json", "--offline")
    held = {each["name"]: each["verified"] is not None for each in json.loads(ran.out)["shards"]}
    assert (ran.code, held) == (3, dict.fromkeys([f"kept-rest-0000{number}" for number in range(1, 6)], True))
    assert run(capsys, "mirror", "prune", mirror, "--yes").code == 0
    assert not (mirror / "kept-rest-00002.tar").exists()

    (project.source / "texts/new.txt").write_bytes(b"a new file\n")
    release(project, capsys)
    shutil.copy2(shards / "kept-rest-00006.tar", mirror / "kept-rest-00006.tar")
    ran = run(capsys, "mirror", "sync", mirror, *local)
    assert ran.code == 0, ran.out + ran.err
    kept = MirrorFolder(mirror).required()
    assert (kept.followed.serial, len(kept.chosen)) == (5, 5)


# ---------------------------------------------------------------------------------------------------------------------
# what later versions may write


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


EXTENSIONS = '"format": 1,\n  "extensions": {"a later version": [1.5, null, {"format": 9}]}'


@pytest.mark.parametrize("name", ["release.json", "manifests/kept-rest-00001.manifest.json"])
def test_unknown_extensions_are_ignored_and_another_format_is_refused(
    project: Project, capsys: Capture, name: str
) -> None:
    path = project.root / "site" / name
    changed(path, '"format": 1', EXTENSIONS)
    assert run(capsys, "inspect", path).code == 0
    changed(path, '"format": 1', '"format": 2')
    ran = run(capsys, "inspect", path)
    assert (ran.code, "format 2 is newer than 1" in ran.out) == (1, True), ran.out


def test_commands_read_a_release_and_a_lookup_with_extensions_and_none_of_format_2(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    site = project.root / "site"
    get = ("get", "k-04", "--release", site, "--from", project.root / "shards", "--no-web-seeds", "--to", tmp_path)
    verify = ("verify", project.root / "shards/kept-rest-00001.tar", "--release", site)
    for name in ("release.json", "lookup.json"):
        changed(site / name, '"format": 1', EXTENSIONS)
    assert run(capsys, *verify).code == 0
    assert run(capsys, *get).code == 0
    changed(site / "release.json", '"format": 1', '"format": 2')
    changed(site / "lookup.json", '"format": 1', '"format": 2')
    for command in (verify, get):
        ran = run(capsys, *command, *(["--overwrite"] if command is get else []))
        assert (ran.code, "format 2 is newer than 1; update packager" in as_sentence(ran.err)) == (1, True), ran.err


@pytest.mark.parametrize(
    ("path", "commands"),
    [
        (".packager/format", ("release", "status")),
        (".packager/plan/plan.json", ("release", "status")),
        (".packager/releases/4.json", ("release", "status")),
        ("withdrawals.json", ("release",)),
    ],
)
def test_a_state_of_a_later_version_is_refused(
    project: Project, capsys: Capture, path: str, commands: tuple[str, ...]
) -> None:
    old = "1" if path == ".packager/format" else '"format": 1'
    changed(project.root / path, old, old.replace("1", "2"))
    for command in commands:
        ran = project.run(capsys, command)
        last = as_sentence(ran.err).splitlines()[-1]
        assert (ran.code, "newer" in last, last.endswith("; update packager")) == (2, True, True), ran.err


def test_a_mirrors_state_of_a_later_version_is_refused(mirror: Path, capsys: Capture) -> None:
    changed(mirror / ".packager-mirror/mirror.json", '"format": 1', '"format": 2')
    for command in ("sync", "status", "magnets"):
        ran = run(capsys, "mirror", command, mirror)
        assert (ran.code, "format 2 is newer than 1; update packager" in as_sentence(ran.err)) == (2, True)
