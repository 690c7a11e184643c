"""What can be refused is refused before the first byte is packed, by release, pack and publish alike."""

import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from packager.cli.app import main
from packager.core.config import url_values
from packager.core.releases.document_limits import check_limits
from packager.core.releases.minisign_key import ScryptParameters
from packager.engine.project import key_files
from packager.engine.project.load_project import load_project
from packager.engine.project.state_files import read_plan
from packager.errors import InputError
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, make_project, write_tone

Capture = pytest.CaptureFixture[str]
COMMANDS = ("release", "pack", "publish")


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is planned and not packed, with a key pair."""
    project = make_project(tmp_path_factory.mktemp("planned") / "project", files=4)
    config = str(project.root / "packager.toml")
    assert [main([command, "--config", config]) for command in ("scan", "plan")] == [0, 0]
    assert main(keygen(project.root, "my", "--no-password")) == 0
    return project.root


@pytest.fixture
def project(planned: Path, tmp_path: Path) -> Project:
    """A copy of that project."""
    return Project(Path(shutil.copytree(planned, tmp_path / "project", copy_function=shutil.copy2)))


def keygen(folder: Path, name: str, *options: str) -> list[str]:
    return [
        "keygen",
        *options,
        "--secret-key",
        str(folder / f"{name}.key"),
        "--public-key",
        str(folder / f"{name}.pub"),
    ]


def set_keys(project: Project, *lines: str, shards: str = "", site: str = "") -> None:
    """Add lines to [release], [shards] and [site] of packager.toml."""
    path = project.root / "packager.toml"
    text = path.read_text().replace("[release]", "\n".join(("[site]", site, "[release]", *lines)))
    path.write_text(text.replace("[shards]", f"[shards]\n{shards}"))


def packed(project: Project) -> list[str]:
    """The names of what was packed or published."""
    packed = project.root / ".packager" / "packed"
    return [path.name for folder in (packed, project.root / "shards") if folder.is_dir() for path in folder.iterdir()]


def broken_template(project: Project, name: str, text: str) -> None:
    (project.root / "templates").mkdir()
    (project.root / "templates" / name).write_text(text)
    set_keys(project, site='templates = "templates"')


def writable_key(project: Project) -> None:
    (project.root / "my.key").chmod(0o666)
    set_keys(project, 'secret_key = "my.key"')


def damaged_key(project: Project) -> None:
    path = project.root / "my.key"
    path.write_text(path.read_text()[:-20])
    set_keys(project, 'secret_key = "my.key"')


def public_key_for_secret(project: Project) -> None:
    set_keys(project, 'secret_key = "my.pub"')


def secret_key_for_next(project: Project) -> None:
    set_keys(project, 'next_public_key = "my.key"')


def foreign_files(project: Project) -> None:
    (project.root / "site").mkdir()
    (project.root / "site" / "thesis.txt").write_text("of somebody else")


def output_is_a_file(project: Project) -> None:
    (project.root / "site").write_text("no folder")


def output_below_a_file(project: Project) -> None:
    set_keys(project, site='folder = "packager.toml/site"')


def shards_is_a_file(project: Project) -> None:
    (project.root / "tars").write_text("no folder")
    set_keys(project, shards='folder = "tars"')


REFUSED: list[tuple[Callable[[Project], None], str]] = [
    (writable_key, "others may write to this secret key"),
    (damaged_key, "my.key"),
    (public_key_for_secret, "my.pub"),
    (secret_key_for_next, "my.key"),
    (foreign_files, "contains files that packager did not write"),
    (output_is_a_file, "is not a folder"),
    (output_below_a_file, "is not a folder"),
    (shards_is_a_file, "shards.folder"),
    (partial(broken_template, name="shard.html", text="\n{{ shard.nmae }}"), "shard.html:2"),
    (partial(broken_template, name="index.html", text="{% if %}"), "index.html:1"),
    (partial(broken_template, name="phase.html", text="{{ phase.title | shwon(3) }}"), 'did you mean "shown"?'),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("change", "what"), REFUSED, ids=lambda each: getattr(each, "__name__", None))
def test_it_is_refused_and_nothing_is_packed(
    project: Project, capsys: Capture, command: str, change: Callable[[Project], None], what: str
) -> None:
    change(project)
    ran = project.run(capsys, command)
    assert ran.code == 2, ran.err
    assert what in as_sentence(ran.err)
    assert packed(project) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user who may not write")
@pytest.mark.parametrize("key", ["site.folder", "shards.folder"])
def test_a_folder_that_cannot_be_written_is_refused(project: Project, capsys: Capture, key: str) -> None:
    (project.root / "locked").mkdir(mode=0o755)
    if key == "site.folder":
        set_keys(project, site='folder = "locked/site"')
    else:
        set_keys(project, shards='folder = "locked/tars"')
    for path in (project.root.parent, *project.root.parent.parents):
        if path.stat().st_uid == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    for path in (project.root, *project.root.rglob("*")):
        if path.name != "locked":
            os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        ran = project.run(capsys, "pack", "--workers", "1")
    finally:
        os.seteuid(0)
    assert ran.code == 2, ran.err
    assert f"packager.toml: {key}" in ran.err
    assert "cannot be written to" in ran.err
    assert packed(project) == []


@pytest.fixture
def covered(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, whose key has a password; no terminal and no variable gives it."""
    monkeypatch.setattr(
        key_files, "ScryptParameters", partial(ScryptParameters, opslimit=1 << 15, memlimit=1 << 20)
    )  # not some seconds a time
    monkeypatch.setenv("PACKAGER_KEY_PASSWORD", "correct horse")
    assert main(keygen(project.root, "covered")) == 0
    monkeypatch.delenv("PACKAGER_KEY_PASSWORD")
    set_keys(project, 'secret_key = "covered.key"')
    return project


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_password_that_nobody_gives_or_a_wrong_one_is_refused_before_packing(
    covered: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password:
        monkeypatch.setenv("PACKAGER_KEY_PASSWORD", password)
    for command in ("release", "publish"):
        ran = covered.run(capsys, command)
        assert ran.code == 2
        assert ("wrong password" if password else "PACKAGER_KEY_PASSWORD") in ran.err
        assert packed(covered) == []
    assert covered.run(capsys, "pack").code == 0, "it signs nothing"


def test_a_password_is_asked_for_once_and_first(
    covered: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def ask(prompt: str) -> str:
        del prompt
        asked.append(packed(covered))
        return "correct horse"

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    ran = covered.run(capsys, "release")
    assert ran.code == 0, ran.err
    assert asked == [[]]
    assert (covered.root / "site" / "release.json.minisig").exists()


def test_a_date_that_goes_back_is_refused_before_packing(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release").code == 0
    before = packed(project)
    write_tone(project.source / "new.wav", 2000)
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("2026-11-21", "2026-11-20"))
    for command in COMMANDS:
        ran = project.run(capsys, command)
        assert ran.code == 2, command
        assert "release.date" in ran.err
        assert packed(project) == before


def test_a_key_that_mirrors_would_refuse_is_refused_before_packing(project: Project, capsys: Capture) -> None:
    assert main(keygen(project.root, "next", "--no-password")) == 0
    set_keys(project, 'secret_key = "my.key"', 'next_public_key = "next.pub"')
    assert project.run(capsys, "release").code == 0
    before = packed(project)
    write_tone(project.source / "new.wav", 2000)
    for command in ("release", "publish"):
        ran = project.run(capsys, command)
        assert ran.code == 2
        assert "mirrors accept no other" in ran.err
        assert packed(project) == before
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("my.key", "next.key").replace('next_public_key = "next.pub"', ""))
    assert project.run(capsys, "release").code == 0


def test_a_place_with_another_release_is_refused_before_the_site_is_made(
    project: Project, tmp_path: Path, capsys: Capture
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "release.json").write_text("{}")
    assert project.run(capsys, "pack").code == 0
    ran = project.run(capsys, "publish", "--to", f"file://{place}")
    assert ran.code == 2
    assert "a release.json that is not from this project" in ran.err
    assert not (project.root / "site").exists()
    ran = project.run(capsys, "publish", "--to", f"file://{project.root}/packager.toml/place")
    assert ran.code == 2, ran.err
    assert not (project.root / "site").exists()


def test_an_earlier_release_that_is_missing_is_refused_before_packing(project: Project, capsys: Capture) -> None:
    for name in ("one", "two"):
        (project.source / f"{name}.txt").write_text(name)
        assert project.run(capsys, "release").code == 0
    first = project.root / ".packager" / "releases" / "1.json"
    data = first.read_bytes()
    first.unlink()
    before = packed(project)
    (project.source / "three.txt").write_text("three")
    for command in COMMANDS:
        ran = project.run(capsys, command)
        assert ran.code == 2
        assert "an earlier release is missing" in ran.err
        assert packed(project) == before
    first.write_bytes(data)
    assert project.run(capsys, "release").code == 0


def test_a_plan_older_than_what_is_withdrawn_is_not_packed(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--reason", "a test", "--keep-shards").code == 0
    for command in ("pack", "publish"):
        ran = project.run(capsys, command)
        assert ran.code == 2
        assert "run: packager release" in as_sentence(ran.err)
        assert packed(project) == []


def test_more_trackers_than_a_magnet_link_holds_are_refused_before_packing(project: Project, capsys: Capture) -> None:
    tiers = ", ".join(f'["https://t{number}.example/{"a" * 1000}"]' for number in range(70))
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace('[["udp://tracker.example.org:6969/announce"]]', f"[{tiers}]"))
    for command in ("release", "pack"):
        ran = project.run(capsys, command)
        assert ran.code == 2
        assert "packager.toml: torrent: readers refuse a magnet link" in ran.err
        assert packed(project) == []


def test_more_shards_than_a_release_document_holds_are_refused(project: Project) -> None:
    config, workspace = load_project(project.root / "packager.toml")
    plan = read_plan(workspace)
    check_limits(plan, config)
    phase = plan.phases[1]
    many = msgspec.structs.replace(phase, shards=phase.shards[:1] * 80_000)
    with pytest.raises(InputError, match="raise it, so that there are fewer shards"):
        check_limits(msgspec.structs.replace(plan, phases=(many,)), config)


@pytest.mark.parametrize(
    "url", ["udp://t.example:0/announce", "http://a..b/announce", "http://.example/", f"http://{'a' * 64}.example/"]
)
def test_a_tracker_or_web_seed_that_no_client_can_reach_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"trackers\[0\]\[0\]"):
        url_values.trackers([[url]], "trackers")
    if url.startswith("http"):
        with pytest.raises(InputError, match=r"web_seeds\[0\]"):
            url_values.web_seeds([url + "/"], "web_seeds")


def test_a_tracker_by_ip_address_or_with_a_final_dot_is_accepted() -> None:
    tiers = [["http://[2001:db8::1]:80/announce", "udp://192.0.2.1:6969", "https://tracker.example./announce"]]
    assert url_values.trackers(tiers, "trackers") == (tuple(tiers[0]),)


def test_nothing_is_left_of_a_check_that_passed(project: Project, capsys: Capture) -> None:
    before = sorted(path.name for path in project.root.iterdir())
    foreign_files(project)
    assert project.run(capsys, "release").code == 2
    shutil.rmtree(project.root / "site")
    assert sorted(path.name for path in project.root.iterdir()) == before
    own = project.root / "templates"
    shutil.copytree(Path(__file__).parents[2] / "release_templates", own)
    set_keys(project, site='templates = "templates"')
    ran = project.run(capsys, "release", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["publish"]["serial"] == 1
