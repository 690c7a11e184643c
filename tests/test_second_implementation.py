"""A second implementation, written from FORMAT.md alone, computes every determined byte of real releases again."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.model import ReleaseShard
from tests.projects import Project, make_project
from tests.second_implementation.problems import Findings
from tests.second_implementation.site import Site

PACKAGE = Path(__file__).with_name("second_implementation")
ALLOWED = {*sys.stdlib_module_names, "pyarrow", "zstandard", "cryptography"}
SEEDED = 'web_seeds = ["https://seed.example.org/shards/", "https://b.example.org/"]'
pytestmark = pytest.mark.skipif("members_tsv" not in ReleaseShard.__struct_fields__, reason="not written yet")
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
    return Site(project.root / "output", project.root / "shards", project.source)


def problems(project: Project) -> list[str]:
    return site(project).check().problems


FORMS = {
    "hybrid": {},
    "hybrid-with-twin": {"torrent": f"also_v1 = true\n{SEEDED}"},
    "v1": {"torrent": f'version = "v1"\n{SEEDED}'},
    "v2": {"torrent": f'version = "v2"\n{SEEDED}'},
    "mtimes": {"collection": "mtimes = true"},
    "folder": {"container": FOLDER},
    "folder-with-twin": {"container": FOLDER, "torrent": f"also_v1 = true\n{SEEDED}"},
    "folder-v1": {"container": FOLDER, "torrent": 'version = "v1"'},
    "folder-v2": {"container": FOLDER, "torrent": 'version = "v2"'},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_determined_byte_of_a_release_is_computed_again(form: str, tmp_path: Path) -> None:
    project = odd_project(tmp_path, **FORMS[form])
    release(project)
    found = site(project).check()
    assert found.problems == []
    assert_complete(found, project)


def assert_complete(found: Findings, project: Project) -> None:
    """Every kind of check was made, the shards' once where they are and once from the loose files."""
    shards = len(list((project.root / "output/manifests").glob("*.json")))
    assert shards > 3
    assert found.checked["documents"] == shards
    assert found.checked["shard bytes"] == 2 * shards
    assert {"release", "chain", "list", "metalinks", "lookup", "superseded", "files"} <= set(found.checked)


def test_flat_digests_of_tars_are_computed_again(tmp_path: Path) -> None:
    project = odd_project(tmp_path, torrent='version = "v2"\n' + SEEDED)
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", "[shards]\nsha256 = true"))
    release(project)
    assert '"sha256"' in (project.root / "output/release.json").read_text()
    assert list((project.root / "output/metalinks").iterdir())
    assert problems(project) == []


def test_a_virtual_release_has_no_tars_and_is_computed_again_from_loose_files(tmp_path: Path) -> None:
    project = odd_project(tmp_path)
    release(project, "--virtual")
    assert not list((project.root / "shards").glob("*-audio-*.tar"))
    assert problems(project) == []
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
    done = run_program(project.root / "output", "--key", other)
    assert done.returncode == 1
    assert "of another key" in done.stdout


def sign(project: Project) -> None:
    keygen(project.root / "release")
    config = project.root / "packager.toml"
    config.write_text(config.read_text() + 'key = "release.key"\n')


def keygen(path: Path) -> str:
    """Make a key pair at PATH.key and PATH.pub; return the public key's line."""
    assert main(["keygen", "--no-password", "--secret", f"{path}.key", "--public", f"{path}.pub"]) == 0
    return Path(f"{path}.pub").read_text().splitlines()[1]


def run_program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the second implementation as a person does."""
    command = [sys.executable, "-m", "tests.second_implementation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parents[1], timeout=300)


def test_a_person_can_run_it_on_any_site_without_packager_being_loaded(tmp_path: Path) -> None:
    project = make_project(tmp_path, files=4)
    release(project)
    done = run_program(project.root / "output", project.root / "shards", "--source", project.source)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("everything is as FORMAT.md says\n")
    code = "import sys, tests.second_implementation.__main__; print('packager' in sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parents[1])
    assert loaded.stdout == "False\n"
