"""Documents of a release by its address: what is checked is fetched, compared with release.json, and no more."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.releases import documents
from packager.model import Release
from tests.helpers.http_server import Fault, Site, serving
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed release of several shards, and another key than the one that signed it."""
    project = make_project(tmp_path_factory.mktemp("released") / "project")
    project.write_config(size="128 KiB", torrent="also_v1 = true")
    for name in ("our", "other"):
        files = [f"--{kind}-key={project.root / name}.{kind[:3]}" for kind in ("secret", "public")]
        assert main(["keygen", "--no-password", *files]) == 0
    config = project.root / "packager.toml"
    config.write_text(config.read_text().replace("[release]", '[release]\nsecret_key = "our.sec"'))
    assert main(["release", "--json", "--config", str(config), "--workers", "1"]) == 0
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The tars and loose files alone, far from their documents, and a folder for what is temporary."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("shards", "source"):
        shutil.copytree(made / name, tmp_path / "held" / name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Project(tmp_path / "held")


@pytest.fixture
def site(made: Path) -> Iterator[Site]:
    published = {
        str(path.relative_to(made / "site")): path.read_bytes() for path in (made / "site").rglob("*") if path.is_file()
    }
    with serving(published) as site:
        yield site


def tars(project: Project) -> list[Path]:
    return sorted((project.root / "shards").glob("*audio*.tar"))


def only(site: Site, shard: str) -> None:
    """Take away all documents but release.json and those of one shard."""
    kept = ("release.json", "release.json.minisig")
    site.files = {path: data for path, data in site.files.items() if path in kept or f"/{shard}." in path}


def flip(tar: Path) -> None:
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, printed.err


@pytest.mark.parametrize("named", ["", "release.json"])
def test_a_tar_is_verified_by_the_documents_of_its_shard_alone(
    project: Project, site: Site, named: str, capsys: Capture, tmp_path: Path
) -> None:
    first, other = tars(project)[:2]
    only(site, first.stem)
    code, out, err = run(capsys, "verify", first, "--release", site.address + named, "--json", "-w", 1)
    assert code == 0, err
    subject = json.loads(out)["targets"][0]
    assert subject["checked_against"] == f"{site.address}manifests/{first.stem}.manifest.json"
    assert site.requests == 5  # release.json, manifest, table, both torrents
    flip(first)
    code, out, _ = run(capsys, "verify", first, "--release", site.address + named, "-w", 1)
    assert (code, ": piece " in out) == (1, True)
    code, _, err = run(capsys, "verify", other, "--release", site.address + named)
    assert (code, "404" in err, other.stem in err) == (1, True, True)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_folder_of_tars_and_loose_files_are_verified_by_an_address(
    project: Project, site: Site, capsys: Capture
) -> None:
    code, out, _ = run(capsys, "verify", project.root / "shards", "--release", site.address, "--json", "-w", 1)
    assert (code, len(json.loads(out)["targets"])) == (0, len(list((project.root / "shards").glob("*.tar"))))
    next(iter(project.source.rglob("*tone*"))).write_bytes(b"")
    code, out, _ = run(capsys, "verify", project.source, "--release", site.address, "-w", 1)
    assert (code, "1 bad" in out) == (1, True)


def test_a_tar_that_the_release_does_not_list_is_named(project: Project, site: Site, capsys: Capture) -> None:
    stranger = tars(project)[0].rename(project.root / "shards" / "stranger.tar")
    for command in (["verify"], ["repair"], ["rebuild", "--from", project.source], ["extract", "--to", project.root]):
        code, _, err = run(capsys, command[0], stranger, *command[1:], "--release", site.address)
        assert (code, "has no such shard" in err, site.address in err) == (2, True, True), (command, err)


def test_the_key_that_signed_is_asked_for_and_no_other(
    project: Project, made: Path, site: Site, capsys: Capture
) -> None:
    tar = tars(project)[0]
    line = (made / "our.pub").read_text().splitlines()[1]
    for release in (site.address, made / "site"):
        for key, code in ((line, 0), (made / "our.pub", 0), (made / "other.pub", 1)):
            assert run(capsys, "verify", tar, "--release", release, "--key", key, "-w", 1)[0] == code
    site.files["release.json"] += b"\n"
    code, _, err = run(capsys, "verify", tar, "--release", site.address, "--key", line)
    assert (code, "signature" in err) == (1, True)
    del site.files["release.json.minisig"], site.files["releases/1.json.minisig"]
    code, _, err = run(capsys, "verify", tar, "--release", site.address, "--key", line)
    assert (code, "not signed" in err) == (1, True)
    code, _, err = run(capsys, "verify", tar, "--key", line)
    assert (code, "Name it with --release" in err) == (2, True)


def test_a_document_beside_the_key_is_refused_since_nobody_signed_it(
    project: Project, made: Path, capsys: Capture
) -> None:
    tar = tars(project)[0]
    manifest = made / "site/manifests" / f"{tar.stem}.manifest.json"
    signed = ["--release", made / "site", "--key", made / "our.pub"]
    assert run(capsys, "verify", tar, *signed, "--manifest", manifest)[0] == 2
    assert run(capsys, "repair", tar, *signed, "--manifest", manifest)[0] == 2
    assert run(capsys, "extract", tar, *signed, "--manifest", manifest)[0] == 2
    code, _, err = run(capsys, "rebuild", manifest, "--from", project.source, *signed)
    assert (code, "Remove one of them" in err) == (2, True)


def test_documents_that_release_json_does_not_list_are_refused(project: Project, site: Site, capsys: Capture) -> None:
    tar = tars(project)[0]
    release = documents.from_bytes(site.files["release.json"], Release, "release.json")
    shard = next(shard for shard in release.shards if shard.file == tar.name)
    assert shard.twin_torrent
    for file in (shard.manifest, shard.members_table, shard.torrent, shard.twin_torrent):
        path = file.path
        right = site.files[path]
        for wrong in (right[:-1], right + b"\n", bytes(len(right))):
            site.files[path] = wrong
            code, _, err = run(capsys, "verify", tar, "--release", site.address)
            assert (code, path.rpartition("/")[2] in err, "release.json lists" in err) == (1, True, True), err
        site.files[path] = right
    assert run(capsys, "verify", tar, "--release", site.address, "-w", 1)[0] == 0


def test_a_release_that_leads_out_of_its_folder_is_refused(
    project: Project, site: Site, capsys: Capture, tmp_path: Path
) -> None:
    release = documents.from_bytes(site.files["release.json"], Release, "release.json")
    listed = json.loads(site.files["release.json"])
    for shard in listed["shards"]:
        shard["manifest"]["path"] = f"../../{shard['name']}.manifest.json"
    site.files["release.json"] = json.dumps(listed).encode()
    code, _, err = run(capsys, "verify", tars(project)[0], "--release", site.address)
    assert (code, "is outside the release" in err, len(release.shards) > 1) == (1, True, True)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("404", (2, "answers 404")),
        ("gzip", (2, "packed")),
        ("wrong bytes", (1, "release.json")),
        ("endless", (2, "sends more than")),
        ("503", (3, "answers 503")),
    ],
)
def test_what_a_server_does_wrong_is_a_sentence(
    project: Project, site: Site, fault: Fault, expected: tuple[int, str], capsys: Capture
) -> None:
    site.fault = fault
    code, _, err = run(capsys, "verify", tars(project)[0], "--release", site.address)
    assert (code, expected[1] in err) == (expected[0], True), err


def test_a_redirect_to_another_host_or_to_a_file_is_not_followed(project: Project, site: Site, capsys: Capture) -> None:
    site.fault = "redirect"
    for site.target in ("http://localhost:1/release.json", "file:///etc/passwd"):
        code, _, err = run(capsys, "verify", tars(project)[0], "--release", site.address)
        assert (code, "redirects to" in err) == (2, True), err


def test_an_address_that_is_none_is_a_sentence(project: Project, capsys: Capture) -> None:
    for address in ("ftp://archive.example.org/", "http://archive.example.org/?a=1", "http://"):
        code, _, err = run(capsys, "verify", tars(project)[0], "--release", address)
        assert (code, "--release" in err) == (2, True), err


def test_repair_rebuild_extract_and_seed_take_the_address_too(
    project: Project, made: Path, site: Site, capsys: Capture
) -> None:
    tar = tars(project)[0]
    right = tar.read_bytes()
    where = ["--release", site.address, "--key", made / "our.pub"]
    flip(tar)
    copy = project.root / "copy" / tar.name
    copy.parent.mkdir()
    copy.write_bytes(right)
    assert run(capsys, "repair", tar, "--from", copy, "--no-web-seeds", *where, "-w", 1)[0] == 0
    assert tar.read_bytes() == right
    tar.unlink()
    assert run(capsys, "rebuild", tar, "--from", project.source, *where, "-w", 1)[0] == 0
    assert tar.read_bytes() == right
    code, out, _ = run(capsys, "extract", tar, "--to", project.root / "out", "--json", *where)
    assert (code, json.loads(out)["has_documents"]) == (0, True)
    code, out, _ = run(
        capsys, "seed", tar, "--listen", "127.0.0.1:0", "--for", "1s", "--verify", "--json", *where, "-w", 1
    )
    assert (code, [each["version"] for each in json.loads(out)["torrents"]]) == (0, ["hybrid", "v1"])
