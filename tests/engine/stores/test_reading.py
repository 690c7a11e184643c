"""verify, extract and get of tars and releases that lie in a store, whatever fails on the way."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.config.store_url import parse_store_url
from packager.engine.files.joined_files import FileRange
from packager.engine.hashing.hash_pool import HashPool
from packager.engine.stores import store_at
from packager.engine.stores.stored_pieces import StoredPieceCheck
from packager.errors import InputError
from tests.helpers import s3_server
from tests.helpers.projects import Project, Ran, make_project
from tests.helpers.s3_server import Bucket, Storm


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with one release, one of its tars larger than a few ranges."""
    project = make_project(tmp_path_factory.mktemp("released"), files=5)
    (project.source / "large.bin").write_bytes(random.Random(1).randbytes(19 << 20))
    assert main(["release", "--workers", "1", "-c", str(project.root / "packager.toml")]) == 0
    return project


@pytest.fixture(scope="module")
def filled(released: Project, s3_port: int) -> Iterator[Bucket]:
    """Return a bucket with that release at site/, its tars at site/shards/."""
    bucket = Bucket(s3_port, "reading")
    for path, data in released.published().items():
        bucket.put(f"site/{path.removeprefix('site/')}", data)
    yield bucket
    bucket.close()


@pytest.fixture
def stored(filled: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return that bucket, and have packager meet its server."""
    store_at.cache_clear()  # what was met before by another address
    s3_server.use(monkeypatch, f"http://127.0.0.1:{filled.port}")
    return filled


@pytest.fixture
def storm(stored: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storm]:
    """Have packager meet the server by a proxy, and return that one's plan."""
    with s3_server.proxy(stored.port) as storm:
        s3_server.use(monkeypatch, storm.address)
        yield storm


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return what runs a command line."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def tars(project: Project) -> list[Path]:
    return sorted((project.root / "shards").glob("*.tar"))


def large(project: Project) -> Path:
    return max(tars(project), key=lambda tar: tar.stat().st_size)


@pytest.mark.usefixtures("impatient")
def test_verify_proves_all_tars_of_a_place_through_faults_of_every_kind(
    released: Project, stored: Bucket, storm: Storm, run
) -> None:
    place = f"s3://{stored.name}/site"
    storm.share = 0.3
    ran = run("verify", f"{place}/shards", "--release", place, "--json", "--workers", "2")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert [subject["path"] for subject in report["targets"]] == [
        f"{place}/shards/{tar.name}" for tar in tars(released)
    ]
    assert report["read_bytes"] == report["size"] == sum(tar.stat().st_size for tar in tars(released))
    assert len(set(storm.done) & set(s3_server.FAULTS)) >= 3


def test_verify_names_what_is_bad_missing_short_and_unknown_in_a_store(
    released: Project, stored: Bucket, run, tmp_path: Path
) -> None:
    place, tar = f"s3://{stored.name}/broken", large(released)
    release = released.root / "site"
    data = bytearray(tar.read_bytes())
    data[9 << 20] ^= 1
    stored.put(f"broken/{tar.name}", bytes(data))
    other = next(each for each in tars(released) if each != tar)
    stored.put(f"broken/{other.name}", other.read_bytes()[:-512])
    stored.put("broken/stranger.tar", b"x")
    ran = run("verify", place, "--release", release, "--json", "--workers", "1", "--state", tmp_path / "state")
    assert ran.code == 1
    found = {(fault["path"].rpartition("/")[2], fault["kind"]) for fault in json.loads(ran.out)["faults"]}
    assert found >= {(tar.name, "bad"), (other.name, "short"), ("stranger.tar", "extra")}
    [bad] = [fault for fault in json.loads(ran.out)["faults"] if fault["kind"] == "bad"]
    assert (bad["start"] <= 9 << 20 < bad["stop"], bad["members"]) == (True, ["large.bin"])
    again = json.loads(run("verify", place, "--release", release, "--json", "--state", tmp_path / "state").out)
    assert again["read_bytes"] < again["size"] // 10  # what was proved of an object stays so while that is the same
    one = run("verify", f"{place}/{tar.name}", "--torrent", release / "torrents" / f"{tar.stem}.torrent")
    assert one.code == 1
    gone = run("verify", f"{place}/gone.tar", "--torrent", release / "torrents" / f"{tar.stem}.torrent")
    assert (gone.code, "missing" in gone.out) == (1, True)


def test_a_member_is_read_out_of_a_tar_in_a_store_by_its_range_alone(
    released: Project, stored: Bucket, storm: Storm, run, tmp_path: Path
) -> None:
    tar = next(tar for tar in tars(released) if b"data/notes.txt" in tar.read_bytes())
    address = f"s3://{stored.name}/site/shards/{tar.name}"
    ran = run("extract", address, "--release", released.root / "site", "--path", "*.txt", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.txt")}
    assert written
    assert all((released.source / name).read_bytes() == data for name, data in written.items())
    assert len(storm.requests) == len(written)


@pytest.mark.usefixtures("impatient")
def test_get_takes_members_out_of_a_release_that_is_in_a_store_with_its_tars(
    released: Project, stored: Bucket, storm: Storm, run, tmp_path: Path
) -> None:
    storm.share = 0.2
    ran = run("get", "large.bin", "--release", f"s3://{stored.name}/site/", "--json", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    data = (released.source / "large.bin").read_bytes()
    assert (tmp_path / "out" / "large.bin").read_bytes() == data
    assert json.loads(ran.out)["transferred_bytes"] == len(data)


def test_get_and_repair_take_bytes_from_tars_in_a_store_beside_a_release_here(
    released: Project, stored: Bucket, run, tmp_path: Path
) -> None:
    shutil.copytree(released.root / "site", tmp_path / "site")
    place = f"s3://{stored.name}/site/shards"
    ran = run("get", "large.bin", "--release", tmp_path / "site", "--from", place, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "large.bin").read_bytes() == (released.source / "large.bin").read_bytes()
    tar = tmp_path / large(released).name
    data = bytearray(large(released).read_bytes())
    data[5000] ^= 1
    tar.write_bytes(data)
    ran = run("repair", tar, "--release", tmp_path / "site", "--from", f"{place}/")
    assert ran.code == 0, ran.err
    assert tar.read_bytes() == large(released).read_bytes()


def test_get_takes_a_release_at_a_file_address_as_its_folder(released: Project, run, tmp_path: Path) -> None:
    ran = run("get", "large.bin", "--release", f"file://{released.root}/site", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "large.bin").read_bytes() == (released.source / "large.bin").read_bytes()


def test_a_mirror_follows_a_release_in_a_store(stored: Bucket, run, tmp_path: Path) -> None:
    followed = ["mirror", "follow", f"s3://{stored.name}/site", tmp_path / "mirror", "--budget", "1 GB"]
    ran = run(*followed, "--allow-unsigned", "--dry-run", "--json", "--seed-counts", "list", "--reserve", "1 B")
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)["plan"]["chosen"]) == 5


@pytest.mark.usefixtures("impatient")
def test_a_store_that_fails_is_told_with_exit_code_3_and_nothing_is_said_of_the_tar(
    released: Project, stored: Bucket, storm: Storm, run, tmp_path: Path
) -> None:
    tar = large(released)
    address = f"s3://{stored.name}/site/shards/{tar.name}"
    manifest = released.root / "site" / "manifests" / f"{tar.stem}.manifest.json"
    storm.faults = ("503",)
    storm.before = lambda method, _: setattr(storm, "share", float(method == "GET"))
    ran = run("verify", address, "--manifest", manifest)
    assert ran.code == 3, ran.err
    assert "the store answers 503 SlowDown, 8 times in a row" in ran.err
    ran = run("extract", address, "--manifest", manifest, "--path", "large.bin", "-o", tmp_path / "out")
    assert (ran.code, list((tmp_path / "out").iterdir())) == (3, [])
    assert "the store answers 503" in ran.out + ran.err


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("count", [1, 2])
def test_what_a_store_refuses_is_told_by_hashing_processes_as_by_one(count: int) -> None:
    span = StoredPieceCheck(
        (FileRange(b"", 0, 9),), 16384, 1, bytes(32), parse_store_url("s3://no-such-bucket/x.tar", "test")
    )
    with HashPool(count) as hashers, pytest.raises(InputError, match="NoSuchBucket"):
        list(hashers.run([(0, span), (1, span)], lambda _: None))


@pytest.mark.parametrize("pieces", [1, 700])
def test_every_piece_of_a_file_that_became_another_is_told_as_unreadable(tmp_path: Path, pieces: int) -> None:
    (tmp_path / "x.tar").write_bytes(b"short")
    address = parse_store_url(f"file://{tmp_path}/x.tar", "test")
    span = StoredPieceCheck((FileRange(b"", 0, 16384 * pieces),), 16384, 1, bytes(32 * pieces), address)
    assert [(each.index, each.verdict) for each in span.run(lambda _: None)] == [
        (piece, "unreadable") for piece in range(pieces)
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["verify", "s3://bucket/x.tar", "--sums", "s.txt"], "--sums: describes files in a folder"),
        (["verify", "s3://bucket/x.tar"], "no release is named, and none was found here"),
        (["verify", "s3://key:hunter2@bucket/x.tar"], "PATH: the s3:// address holds a name or a password"),
        (
            ["verify", "ftp://bucket/x.tar"],
            'PATH: "ftp://bucket/x.tar" does not begin with one of s3://, sftp://, file://',
        ),
        (["extract", "s3://bucket/x.tar"], "Name the release with --release, or the manifest with --manifest"),
        (["get", "x", "--release", "s3://key:hunter2@bucket/site"], "the s3:// address holds a name or a password"),
        (["get", "x", "--from", "s3://key:hunter2@bucket", "--release", "."], "--from: the s3:// address holds"),
    ],
)
def test_what_will_not_do_is_refused_in_a_sentence(run, monkeypatch, tmp_path: Path, arguments, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    assert ran.code == 2
    assert sentence in ran.err
    assert "hunter2" not in ran.err
