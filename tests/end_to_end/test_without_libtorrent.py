"""Where libtorrent has no wheel: all that meets no swarm works, and what meets one says what to install."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.network import check_torrent as checks
from packager.errors import TrustError
from tests.helpers.projects import Project, Ran, make_project
from tests.helpers.serve_process import serving

NOTE = "libtorrent is not installed: .torrent files were checked by torf (their v1 part) and by packager itself"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which libtorrent cannot be loaded; it is so in this process, too."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "libtorrent.py").write_text('raise ImportError("libboost_python.so: cannot open shared object file")\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "libtorrent", None)
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        yield dict(os.environ)


@pytest.fixture(scope="module")
def made(hidden: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was released by a command and its workers, none of which can load libtorrent."""
    project = make_project(tmp_path_factory.mktemp("made") / "project")
    command = [sys.executable, "-m", "packager", "release", "--workers", "2"]
    ran = subprocess.run(command, cwd=project.root, env=hidden, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count(NOTE) == 1
    return project


def test_a_release_is_what_it_is_with_libtorrent(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "libtorrent")
    other = make_project(tmp_path / "project")
    other.release()
    assert made.published() == other.published()


def run(capsys: Capture, *arguments: object) -> Ran:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def test_a_shard_is_verified_repaired_rebuilt_and_extracted(made: Project, tmp_path: Path, capsys: Capture) -> None:
    [tar] = (made.root / "shards").glob("tones-rest-00001.tar")
    release = ("--release", made.root / "site")
    for job in (
        ("verify", tar, *release),
        ("rebuild", tar.stem, *release, "--from", made.source, "--to", tmp_path / tar.name),
        ("repair", tmp_path / tar.name, *release),
        ("extract", tar, *release, "--to", tmp_path / "files"),
    ):
        ran = run(capsys, *job)
        assert ran.code == 0, ran.err
    assert (tmp_path / tar.name).read_bytes() == tar.read_bytes()
    assert (tmp_path / "files/notes.txt").read_bytes() == (made.source / "notes.txt").read_bytes()


def test_a_member_is_got_from_a_web_seed(made: Project, tmp_path: Path, capsys: Capture) -> None:
    with serving(made) as server:
        seed = ("--release", server.url, "--from", f"{server.url}shards/")
        ran = run(capsys, "get", "notes.txt", *seed, "--to", tmp_path)
    assert ran.code == 0, ran.err
    assert (tmp_path / "notes.txt").read_bytes() == (made.source / "notes.txt").read_bytes()


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_a_torrent_is_made_and_inspected(made: Project, tmp_path: Path, capsys: Capture, version: str) -> None:
    ran = run(capsys, "torrent", made.source, "--to", tmp_path / "x.torrent", "--format", version)
    assert (ran.code, ran.err.count(NOTE)) == (0, 1)
    ran = run(capsys, "inspect", tmp_path / "x.torrent")
    assert (ran.code, "it is unknown whether libtorrent accepts it" in ran.out) == (0, True)


def test_a_torrent_that_our_reader_reads_otherwise_is_refused(hidden: object, made: Project) -> None:
    data = next((made.root / "site/torrents").glob("*.torrent")).read_bytes()
    with pytest.raises(TrustError, match=r"its v1 infohash is .*, and .* to packager"):
        checks.check_torrent(data, infohash_v1=bytes(20), infohash_v2=None, size=1, where="x")
    with pytest.raises(TrustError, match=r"byte [0-9]+"):
        checks.check_torrent(data[:-1], infohash_v1=bytes(20), infohash_v2=None, size=1, where="x")


def test_shards_are_handed_to_a_client(made: Project, tmp_path: Path, capsys: Capture) -> None:
    release = made.root / "site"
    mirror = tmp_path / "mirror"
    (tmp_path / "watched").mkdir()
    client = ("--client", f"watch:{tmp_path / 'watched'}")
    [tar] = (made.root / "shards").glob("tones-rest-00001.tar")
    for job in (
        ("seed", tar, "--release", release, *client),
        (
            "mirror",
            "follow",
            release,
            mirror,
            "--budget",
            "1 GiB",
            "--reserve",
            "0",
            "--allow-unsigned",
            "-y",
            *client,
        ),
    ):
        ran = run(capsys, *job)
        assert ran.code == 0, ran
    assert run(capsys, "mirror", "status", mirror).code == 3  # none of them has come yet
    assert len(list((tmp_path / "watched").glob("*.torrent"))) > 1


def test_what_meets_a_swarm_says_what_to_install(made: Project, tmp_path: Path, capsys: Capture) -> None:
    release = ("--release", made.root / "site")
    [tar] = (made.root / "shards").glob("tones-rest-00001.tar")
    site = shutil.copytree(made.root / "site", tmp_path / "site")  # away from the tars
    peer = ("--peer", "127.0.0.1:9", "--no-web-seeds")
    for job in (
        ("seed", tar, *release, "--for", "1 s"),
        ("get", "notes.txt", "--release", site, *peer, "--to", tmp_path / "to"),
    ):
        ran = run(capsys, *job)
        assert ran.code == 2, ran
        assert "cannot be loaded by Python" in ran.err
        assert ("pip install libtorrent" if sys.version_info < (3, 14) else "python3-libtorrent") in ran.err
