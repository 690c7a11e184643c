"""Two projects, mirrors or extracts in one folder: each removes its own leftovers, and nobody's work is lost.

"At once" is no matter of time here: the second runs in the middle of the first, whenever that says how far it is.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from packager import api
from packager.check.repair import rebuild as rebuilding
from packager.cli.app import main
from packager.core.reports.reports import PackReport
from packager.engine.files import atomic_files, locked_file
from packager.engine.files.direct_writer import DirectWriter
from packager.engine.files.output_folder import OutputFolder
from packager.engine.files.output_lock import lock_output
from packager.engine.project.owner_id import project_owner
from packager.errors import InputError
from packager.progress import Silent
from packager.publish import swap_folder
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project
from tests.pack.shard import test_checkpoint as checkpoints

Capture = pytest.CaptureFixture[str]
SHARD = "tones-rest-00001"
FOLLOW = ("--budget", "1 GiB", "--allow-unsigned", "--yes", "--client", "none", "--reserve", "1 B")


@dataclass
class Meanwhile(Silent):
    """A progress that does something else once, at the first bytes of a step."""

    step: str
    action: Callable[[], object]
    now: str = ""
    did: list[object] = field(default_factory=list)

    def begin(self, step: str, total: int, unit: str = "") -> None:  # noqa: ARG002
        self.now = step

    def advance(self, amount: int = 1) -> None:  # noqa: ARG002
        if self.now.startswith(self.step) and not self.did:
            self.did.append(None)
            self.did.append(self.action())


def project_in(root: Path, shards: Path, *, name: str = "tones", seed: int = 1, output: Path | None = None) -> Project:
    """Make and plan a project whose tars go to a folder, and its site, too, if that is named."""
    project = make_project(root, seed=seed)
    config = project.root / "packager.toml"
    text = config.read_text().replace('name = "tones"', f'name = "{name}"')
    text = text.replace("[shards]", f'[shards]\nfolder = "{shards}"')
    if output is not None:
        text = text.replace("[release]", f'[site]\nfolder = "{output}"\n[release]')
    config.write_text(text)
    plan(project)
    return project


def plan(project: Project) -> None:
    api.scan(project.root / "packager.toml", workers=1)
    api.plan(project.root / "packager.toml")


def tars(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones, too."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def alone(tmp_path: Path, project: Project) -> dict[str, bytes]:
    """Return the tars that a project makes where nobody else is."""
    twin = Project(tmp_path / f"alone-{project.root.name}")
    shutil.copytree(project.root, twin.root)
    config = twin.root / "packager.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("folder")]
    config.write_text("\n".join(lines))
    plan(twin)
    api.pack(config, workers=1)
    return tars(twin.root / "shards")


def pack(project: Project, progress: Silent | None = None) -> PackReport:
    return api.pack(project.root / "packager.toml", workers=1, progress=progress or Silent())


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """The folder that both write to."""
    return tmp_path / "shared"


@pytest.mark.parametrize("second", ["pack", "export", "release"])
def test_two_projects_that_write_to_one_folder_at_once_both_end_well(second: str, tmp_path: Path, shards: Path) -> None:
    a, b = project_in(tmp_path / "a", shards), project_in(tmp_path / "b", shards, name="noises", seed=2)
    expected = alone(tmp_path, a) | alone(tmp_path, b)
    config = b.root / "packager.toml"
    if second == "export":
        api.pack(config, workers=1, no_tars=True)
    actions: dict[str, Callable[[], object]] = {
        "pack": lambda: pack(b),
        "release": lambda: api.release(config, workers=1),
        "export": lambda: api.export(
            config, [name.removesuffix(".tar") for name in expected if name.startswith("noises")], workers=1
        ),
    }
    meanwhile = Meanwhile("Packing", actions[second])
    assert not pack(a, meanwhile).failed
    assert len(meanwhile.did) == 2
    assert tars(shards) == expected
    assert pack(a).packed == pack(b).packed == 0


def test_another_project_leaves_what_a_killed_one_resumes_from(tmp_path: Path, shards: Path, capsys: Capture) -> None:
    a = checkpoints.project.__wrapped__(tmp_path, capsys)  # type: ignore[attr-defined]
    config = a.root / "packager.toml"
    config.write_text(config.read_text().replace("[shards]", f'[shards]\nfolder = "{shards}"'))
    plan(a)
    checkpoints.killed(a, 3)
    [left] = shards.iterdir()
    assert project_owner(a.root / ".packager") in left.name
    before = left.read_bytes()
    b = project_in(tmp_path / "b", shards, name="noises")
    theirs = shards / ".arriving-0123456789abcdef-run"
    theirs.mkdir()
    pack(b)
    assert left.read_bytes() == before
    assert theirs.is_dir()  # of a run on a cluster, of some other project
    for path in sorted(a.source.iterdir())[:10]:
        path.unlink()  # members that were read are not read again
    assert not pack(a).failed
    assert not left.exists()
    theirs.rmdir()
    assert all(name.endswith(".tar") for name in tars(shards))


def test_a_project_removes_its_own_leftovers(tmp_path: Path, shards: Path) -> None:
    a = project_in(tmp_path / "a", shards)
    shards.mkdir()
    owner = project_owner(a.root / ".packager")
    partial, run = shards / f".gone-rest-00001.tar.{owner}.partial", shards / f".arriving-{owner}-run"
    partial.touch()
    run.mkdir()
    pack(a)
    assert not partial.exists()
    assert not run.exists()


@pytest.mark.parametrize("more", [b"", b"and more"], ids=["of the same size", "of another size"])
def test_a_tar_that_another_project_wrote_is_never_replaced(
    more: bytes, tmp_path: Path, shards: Path, capsys: Capture
) -> None:
    a, b = project_in(tmp_path / "a", shards), project_in(tmp_path / "b", shards)
    (b.source / "notes.txt").write_bytes((b.source / "notes.txt").read_bytes()[::-1] + more)
    plan(b)
    pack(a)
    before = tars(shards)
    for command in (("pack",), ("release",), ("pack", "--workers", "2")):
        ran = b.run(capsys, *command)
        assert ran.code == 2
        assert (
            "already exists, but this project did not write it; move it away, or set another shards.folder"
            in as_sentence(ran.err)
        )
        assert tars(shards) == before
    config = b.root / "packager.toml"
    config.write_text(config.read_text().replace('name = "tones"', 'name = "others"'))
    assert b.run(capsys, "release", "--workers", "1").code == 0
    assert {name: data for name, data in tars(shards).items() if name in before} == before
    assert pack(a).packed == 0


def test_a_tar_that_anybody_put_there_is_never_replaced(tmp_path: Path, shards: Path, capsys: Capture) -> None:
    a = project_in(tmp_path / "a", shards)
    shards.mkdir()
    (shards / f"{SHARD}.tar").write_bytes(b"something else")
    assert a.run(capsys, "pack").code == 2
    assert tars(shards) == {f"{SHARD}.tar": b"something else"}
    (shards / f"{SHARD}.tar").unlink()
    assert not pack(a).failed


def test_a_tar_of_this_project_is_replaced_wherever_the_project_is_moved(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "first")
    assert project.run(capsys, "release", "--workers", "1").code == 0
    expected = project.published()
    moved = Project(project.root.rename(tmp_path / "second"))
    os.truncate(moved.root / "shards" / f"{SHARD}.tar", 100)
    assert moved.run(capsys, "release", "--workers", "1").code == 0
    assert moved.published() == expected


def test_the_second_of_two_projects_with_the_same_names_is_refused_before_it_reads_anything(
    tmp_path: Path, shards: Path
) -> None:
    a, b = project_in(tmp_path / "a", shards), project_in(tmp_path / "b", shards, seed=2)
    expected = alone(tmp_path, a)
    said: list[str] = []

    def second() -> None:
        with pytest.raises(InputError) as error:
            pack(b)
        said.append(str(error.value))

    assert not pack(a, Meanwhile("Packing", second)).failed
    assert "another project is writing it now; set another shards.folder" in said[0]
    assert tars(shards) == expected


def test_what_a_killed_project_has_begun_is_not_begun_by_another(tmp_path: Path, shards: Path, capsys: Capture) -> None:
    a = project_in(tmp_path / "a", shards)
    shards.mkdir()
    left = shards / f".{SHARD}.tar.0123456789abcdef.partial"
    left.write_bytes(b"of some project that was killed")
    ran = a.run(capsys, "pack")
    assert ran.code == 2
    assert (
        f"another project has started to write it ({left.name}); remove that file if its project is gone"
        in as_sentence(ran.err)
    )
    with file_lock_held(left):
        ran = a.run(capsys, "pack")
    assert (ran.code, "another project is writing it now" in ran.err) == (2, True)
    assert tars(shards) == {left.name: b"of some project that was killed"}
    left.unlink()
    assert not pack(a).failed


class file_lock_held:  # noqa: N801 (used as a function)
    """Hold the lock of a file while a block runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.descriptor = locked_file.open_locked(self.path)

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def test_a_shard_kept_as_files_replaces_no_folder_of_another_project(tmp_path: Path, shards: Path) -> None:
    projects = [project_in(tmp_path / name, shards, seed=seed) for seed, name in enumerate("ab")]
    for project in projects:
        config = project.root / "packager.toml"
        config.write_text(config.read_text().replace('title = "The rest"', 'title = "The rest"\ncontainer = "folder"'))
        plan(project)
    a, b = projects
    pack(a)
    folder = shards / SHARD
    before = tars(folder)
    shutil.rmtree(b.root / ".packager" / "packed", ignore_errors=True)
    for tar in shards.glob("*.tar"):
        tar.unlink()
    with pytest.raises(InputError, match="this project did not write it"):
        pack(b)
    assert tars(folder) == before


def test_a_name_that_appears_while_a_shard_is_packed_is_kept(tmp_path: Path, shards: Path) -> None:
    a = project_in(tmp_path / "a", shards)
    names = alone(tmp_path, a)

    def appear() -> None:
        for name in names:
            (shards / name).write_bytes(b"came meanwhile")

    with pytest.raises(InputError, match="this project did not write it"):
        pack(a, Meanwhile("Packing", appear))
    assert set(tars(shards).values()) == {b"came meanwhile"}


def test_two_projects_with_one_output_folder_do_not_take_each_others_site(tmp_path: Path, capsys: Capture) -> None:
    site = tmp_path / "site"
    a = project_in(tmp_path / "a", tmp_path / "a-shards", output=site)
    b = project_in(tmp_path / "b", tmp_path / "b-shards", output=site, name="noises")
    assert a.run(capsys, "release").code == 0
    before = tars_below(site)
    leftover = tmp_path / ".site.0123456789abcdef.next"
    leftover.mkdir()
    for command in ("plan", "release"):
        ran = b.run(capsys, command)
        assert ran.code == 2, ran
        assert "shows a release that this project did not make; move that folder away" in as_sentence(ran.err)
    assert not (tmp_path / "b-shards").exists()  # refused before anything was packed
    assert tars_below(site) == before
    (a.source / "notes.txt").write_text("new")
    assert a.run(capsys, "release").code == 0
    assert leftover.is_dir()


def tars_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["tones", "noises"])
def test_of_two_projects_that_publish_at_once_into_one_folder_one_is_refused(
    name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    a = project_in(tmp_path / "a", tmp_path / "a-shards", output=site)
    b = project_in(tmp_path / "b", tmp_path / "b-shards", output=site, name=name, seed=2)
    flush = swap_folder._flush

    def second(folder: Path) -> None:
        monkeypatch.setattr(swap_folder, "_flush", flush)
        api.release(b.root / "packager.toml", workers=1)
        flush(folder)

    monkeypatch.setattr(swap_folder, "_flush", second)
    with pytest.raises(InputError, match="shows a release that this project did not make"):
        api.release(a.root / "packager.toml", workers=1)
    assert main(["inspect", str(site / "release.json")]) == 0
    assert b.run(capsys, "release").code == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_project_with_releases_takes_over_no_chain_of_another_with_its_name(tmp_path: Path, capsys: Capture) -> None:
    a, b = make_project(tmp_path / "a"), make_project(tmp_path / "b", seed=2)
    for project in (a, b):
        assert project.run(capsys, "release").code == 0
    (a.source / "notes.txt").write_text("new")
    assert a.run(capsys, "release").code == 0
    shutil.rmtree(b.root / "site")
    shutil.copytree(a.root / "site", b.root / "site")
    ran = b.run(capsys, "release")
    assert (ran.code, "shows a release that this project did not make" in ran.err) == (2, True)
    assert [path.name for path in (b.root / ".packager" / "releases").glob("*.json")] == ["1.json"]


def test_two_mirrors_in_one_folder_do_not_take_each_others_state(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "mirror"
    sites = []
    for seed, name in enumerate(("tones", "noises")):
        project = project_in(tmp_path / name, tmp_path / f"{name}-shards", name=name, seed=seed)
        assert project.run(capsys, "release").code == 0
        sites.append(str(project.root / "site"))
    assert main(["mirror", "follow", sites[0], str(folder), *FOLLOW]) in (0, 3)
    before = tars_below(folder)
    assert main(["mirror", "follow", sites[1], str(folder), *FOLLOW]) in (1, 2)
    assert tars_below(folder) == before
    with atomic_files.lock_state_folder(folder / ".packager-mirror", "mirror sync"):
        assert main(["mirror", "follow", sites[0], str(folder), *FOLLOW]) == 2
    assert "in use by packager mirror sync" in capsys.readouterr().err


def test_two_extracts_into_one_folder_do_not_write_at_once(tmp_path: Path, capsys: Capture) -> None:
    project = make_project(tmp_path / "project")
    assert project.run(capsys, "release").code == 0
    tar, to = str(project.root / "shards" / f"{SHARD}.tar"), tmp_path / "to"
    with OutputFolder(to):
        assert main(["extract", tar, "--to", str(to)]) == 2
    assert "another packager writes there; wait until it ends" in as_sentence(capsys.readouterr().err)
    assert main(["extract", tar, "--to", str(to)]) == 0


def test_an_extract_that_begins_as_another_ends_has_a_folder_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, enter = OutputFolder(tmp_path), OutputFolder._enter
    first.__enter__()

    def enter_then_end(self: OutputFolder, parent: int, name: bytes) -> int:
        found = enter(self, parent, name)
        monkeypatch.setattr(OutputFolder, "_enter", enter)
        first.__exit__(None, None, None)  # and its folder is removed
        return found

    monkeypatch.setattr(OutputFolder, "_enter", enter_then_end)
    with OutputFolder(tmp_path) as second:
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        assert second.put(b"a", [b"abc"], sha256_=bytes.fromhex(digest), mtime_ns=None)
    assert tars(tmp_path) == {"a": b"abc"}


def test_two_writers_of_one_file_are_told_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_files.replace_file(path) as file:
        file.write(b"first")
        for second in (lambda: atomic_files.write_bytes(path, b"second"), lambda: lock_output(path).__enter__()):
            with pytest.raises(InputError, match="/a: another packager writes it; wait until it ends"):
                second()
    assert tars(tmp_path) == {"a": b"first"}


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_link_in_the_place_of_a_partial_file_is_not_followed(tmp_path: Path, link: str) -> None:
    (tmp_path / "victim").write_bytes(b"keep")
    getattr(atomic_files.partial_path(tmp_path / "a"), link)(tmp_path / "victim")
    atomic_files.write_bytes(tmp_path / "a", b"new")
    getattr(atomic_files.partial_path(tmp_path / "b"), link)(tmp_path / "victim")
    with DirectWriter(tmp_path / "b", 10) as writer:
        writer.put(writer.buffer(), 10)
    assert (tmp_path / "victim").read_bytes() == b"keep"
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", bytes(10))


def test_a_claimed_tar_stays_claimed_when_a_pass_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with lock_output(path):
        with pytest.raises(rebuilding.WrongMember), DirectWriter(path, 5000, claimed=True):
            raise rebuilding.WrongMember(0, "wrong")
        with pytest.raises(InputError, match="another packager writes it"):
            atomic_files.write_bytes(path, b"another")
    assert tars(tmp_path) == {}
