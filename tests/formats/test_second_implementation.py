"""A second implementation, written from FORMAT.md alone, computes every determined byte of real releases again."""

import ast
import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project, make_project
from tests.second_implementation import names, table
from tests.second_implementation.problems import Findings
from tests.second_implementation.site import Site

FORMAT = Path(__file__).parents[2] / "manifests/FORMAT.md"
DEMO = Path(__file__).parents[2] / "docs/demo"
PACKAGE = Path(__file__).parents[1] / "second_implementation"
ALLOWED = {*sys.stdlib_module_names, "pyarrow", "zstandard", "cryptography"}
SEEDED = 'web_seeds = ["https://seed.example.org/shards/", "https://b.example.org/"]'
PHASES = """
[[phases]]
name = "metadata"
title = "Metadata & more"
content = "catalogue"
[[phases]]
name = "audio"
title = "Audio"
where = "kind = 'audio'"
order = "size DESC"
{container}
[[phases]]
name = "rest"
title = "The rest"
"""
FOLDER = 'container = "folder"'
ODD_NAMES = (
    b"AUX .x",
    b"aux y",
    "con\u0131n$".encode(),
    "AUX\u2003.x".encode(),
    b"twin.TXT",
    b"Twin.txt",
    b"not utf-8 \xff\xfe.bin",
    b"line\nbreak.txt",
    "Ø".encode() * 60 + b".txt",
    b"n" * 120 + b".txt",
    b"end. ",
)


def imported(path: Path) -> set[str]:
    """Every module that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_second_implementation_imports_nothing_of_packager(path: Path) -> None:
    others = {name for name in imported(path) if name.split(".")[0] not in ALLOWED}
    assert {name for name in others if not f"{name}.".startswith("tests.second_implementation.")} == set()
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


def odd_project(root: Path, *, torrent: str = "", container: str = "", collection: str = "", files: int = 8) -> Project:
    """A small project with every kind of name that becomes another, and the given config."""
    project = make_project(root, files=files)
    for number, name in enumerate(ODD_NAMES):
        folder = project.source / "odd"
        folder.mkdir(exist_ok=True)
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(b"%d\n" % number)
    deep = project.source / Path(*["a folder of twenty-nine bytes"] * 5)
    deep.mkdir(parents=True)
    (deep / "deep.txt").write_text("a path of more than a hundred bytes\n")
    project.write_config(torrent=torrent, collection=collection, phases=PHASES.format(container=container))
    return project


def release(project: Project, *arguments: str) -> None:
    assert main(["release", "--config", str(project.root / "packager.toml"), "--workers", "1", *arguments]) in (0, 3)


def site(project: Project) -> Site:
    return Site(project.root / "site", project.root / "shards", project.source)


def problems(project: Project) -> list[str]:
    return site(project).check().problems


FORMS = {
    "hybrid": {},
    "hybrid-with-twin": {"torrent": f"also_v1 = true\n{SEEDED}"},
    "v1": {"torrent": f'format = "v1"\n{SEEDED}'},
    "v2": {"torrent": f'format = "v2"\n{SEEDED}'},
    "mtimes": {"collection": "[records]\nfile_times = true"},
    "folder": {"container": FOLDER},
    "folder-with-twin": {"container": FOLDER, "torrent": f"also_v1 = true\n{SEEDED}"},
    "folder-v1": {"container": FOLDER, "torrent": 'format = "v1"'},
    "folder-v2": {"container": FOLDER, "torrent": 'format = "v2"'},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_determined_byte_of_a_release_is_computed_again(form: str, tmp_path: Path) -> None:
    project = odd_project(tmp_path, **FORMS[form])
    release(project)
    found = site(project).check()
    assert found.problems == []
    assert_complete(found, project)


def assert_complete(found: Findings, project: Project) -> None:
    """Every kind of check was made: of every tar, and of every shard that can be written from loose files."""
    shards = len(list((project.root / "site/manifests").glob("*.json")))
    tars = len(list((project.root / "shards").glob("*.tar")))
    assert tars > 1
    assert found.checked["documents"] == shards
    assert found.checked["shard bytes"] == tars + shards - 1  # the catalogue's files are no loose files
    assert found.checked["catalogue"] == 1
    assert {"release", "chain", "list", "metalinks", "lookup", "superseded", "files"} <= set(found.checked)


def test_ids_and_member_paths_of_a_release_follow_from_the_names_of_the_files(tmp_path: Path) -> None:
    project = odd_project(tmp_path)
    release(project)
    source = os.fsencode(project.source) + b"/"
    files = [os.path.join(folder, name) for folder, _, found in os.walk(source) for name in found]
    expected = names.member_paths([file.removeprefix(source) for file in files])
    tables = (project.root / "site/manifests").glob("*[!a]-0*.parquet")
    rows = [row for path in tables for row in table.read(path)]
    assert {source_path(row): row["path"] for row in rows} == expected
    assert {source_path(row): row["id"] for row in rows} == {path: names.record_id(path) for path in expected}


def source_path(row: dict) -> bytes:
    raw = row["source_path_b64"]
    return base64.b64decode(raw) if raw else (row["source_path"] or row["path"]).encode()


def test_flat_digests_of_tars_are_computed_again(tmp_path: Path) -> None:
    project = odd_project(tmp_path, torrent='format = "v2"\n' + SEEDED)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", "[shards]\ntar_sha256 = true"))
    release(project)
    assert '"sha256"' in (project.root / "site/release.json").read_text()
    assert list((project.root / "site/metalinks").iterdir())
    assert problems(project) == []


def test_a_virtual_release_has_no_tars_and_is_computed_again_from_loose_files(tmp_path: Path) -> None:
    project = odd_project(tmp_path)
    release(project, "--no-tars")
    assert not list((project.root / "shards").glob("*.tar"))
    found = site(project).check()
    assert found.problems == []
    assert found.checked["shard bytes"] == found.checked["documents"] - 1
    victim = next(project.source.glob("album 1/*.wav"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"\1")
    [problem] = problems(project)
    assert "the SHA-256 of album 1/" in problem


def test_a_signed_release_is_checked_with_the_published_key_and_with_no_other(tmp_path: Path) -> None:
    project = make_project(tmp_path, files=4)
    sign(project)
    release(project)
    assert problems(project) == []
    other = keygen(tmp_path / "other")
    done = run_program(project.root / "site", "--key", other)
    assert done.returncode == 1
    assert "of another key" in done.stdout


def test_the_demo_release_is_computed_again(tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "docs/demo")
    project = Project(tmp_path / "demo-release")
    project.root.mkdir()
    shutil.copyfile(DEMO / "packager.toml", project.root / "packager.toml")
    sign(project)
    release(project)
    found = Site(project.root / "site", project.root / "shards", tmp_path / "docs/demo/collection").check()
    assert found.problems == []
    assert found.checked["shard bytes"] == 15  # eight tars, of which all but the catalogue are made of loose files too


def sign(project: Project) -> None:
    keygen(project.root / "release")
    config = project.root / "packager.toml"
    config.write_text(config.read_text() + 'secret_key = "release.key"\n')


def keygen(path: Path) -> str:
    """Make a key pair at PATH.key and PATH.pub; return the public key's line."""
    assert main(["keygen", "--no-password", "--secret-key", f"{path}.key", "--public-key", f"{path}.pub"]) == 0
    return Path(f"{path}.pub").read_text().splitlines()[1]


def run_program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the second implementation as a person does."""
    command = [sys.executable, "-m", "tests.second_implementation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parents[1], timeout=300)


def test_a_person_can_run_it_on_any_site_without_packager_being_loaded(tmp_path: Path) -> None:
    project = make_project(tmp_path, files=4)
    release(project)
    done = run_program(project.root / "site", project.root / "shards", "--source", project.source)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("everything is as FORMAT.md says\n")
    code = "import sys, tests.second_implementation.__main__; print('packager' in sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parents[1])
    assert loaded.stdout == "False\n"


READER = re.search(r"^```python\n(.*?)^```", FORMAT.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("container", ["", FOLDER], ids=["tar", "folder"])
def test_the_minimal_reader_of_the_format_reads_a_real_release(container: str, tmp_path: Path) -> None:
    assert READER is not None
    assert len(READER[1].splitlines()) < 30
    project = make_project(tmp_path, files=6)
    project.write_config(phases=PHASES.format(container=container))
    release(project)
    for tag in (project.root / "shards").glob("*/data"):
        shutil.rmtree(tag)
    for shard in (project.root / "shards").glob("*-audio-*[0-9]"):
        shutil.copytree(project.source, shard / "data")
    reader = tmp_path / "reader.py"
    reader.write_text(READER[1], encoding="utf-8")
    command = [sys.executable, reader, project.root / "site", project.root / "shards"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    sizes = {path.name: path.stat().st_size for path in project.source.rglob("*.*")}
    read = {line.split("\t")[1].rpartition("/")[2]: int(line.split("\t")[2]) for line in done.stdout.splitlines()}
    assert {name: read[name] for name in sizes if name in read} == {name: sizes[name] for name in sizes if name in read}
    assert len(sizes.keys() - read.keys()) == 1  # "cover 100%.png", which has another name as a member
    assert {"catalogue-00001.parquet", "catalogue-00001.jsonl.zst"} < read.keys()


WRONG = {
    "a tag file's text": ("shards/tones-audio-00001.tar", b"BagIt-Version: 1.0", b"BagIt-Version: 1.1"),
    "a member's byte": ("shards/tones-rest-00001.tar", b"made of sines", b"made of signs"),
    "a header's time": ("shards/tones-audio-00001.tar", b"02263523000", b"02263523001"),
    "a magnet's tracker": ("site/magnets.txt", b"tracker.example.org", b"tracker.example.net"),
    "a serial in the chain": ("site/releases/1.json", b'"serial": 1', b'"serial": 2'),
    "white space in a document": ("site/release.json", b'"shards": [', b'"shards":  ['),
    "an unknown field": ("site/release.json", b'"type": "release"', b'"kind": 1,\n  "type": "release"'),
    "a manifest's tool": ("site/manifests/tones-audio-00001.manifest.json", b"archive-packager", b"Archive-packager"),
    "a feed's title": ("site/feed.xml", b"<title>Tones", b"<title>tones"),
    "a digest in the sums": ("site/SHA256SUMS", b"  feed.xml", b"  feed.xm1"),
    "a date in a torrent": ("site/torrents/tones-audio-00001.torrent", b"i1795219200e", b"i1795219201e"),
    "a hash in a Metalink": ("site/metalinks/tones-audio-00001.meta4", b"<hash>", b"<hash >"),
    "a size in torrents.json": ("site/torrents.json", b'"data_size": ', b'"data_size": 1'),
    "a line of members.tsv": ("site/manifests/tones-audio-00001.members.tsv.zst", b"", b""),
    "a key's slot": ("site/lookup", b"", b""),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("small"), files=4)
    project.write_config(torrent=SEEDED, phases=PHASES.format(container=""))
    release(project)
    assert problems(project) == []
    return project


@pytest.mark.parametrize("what", WRONG)
def test_one_changed_byte_is_found(small: Project, what: str) -> None:
    place, old, new = WRONG[what]
    path = small.root / place
    if path.is_dir():
        [path] = path.iterdir()
    was = path.read_bytes()
    assert old in was
    path.unlink()  # it may be a second name of a file in the state folder
    path.write_bytes(was.replace(old, new, 1) if old else was[:-9] + bytes([was[-9] ^ 1]) + was[-8:])
    try:
        assert [each for each in problems(small) if not each.startswith("SHA256SUMS") or "sums" in what]
    finally:
        path.write_bytes(was)
