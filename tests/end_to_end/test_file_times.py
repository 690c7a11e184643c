"""Files of every time that a file system stores: each command takes them, and sees later that nothing changed."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.cli.app import main
from packager.core.releases import documents
from packager.engine.files.file_body import read_chunk
from packager.engine.files.open_file_cache import OpenFileCache
from packager.engine.project.load_project import load_project
from packager.engine.published.virtual_tar import open_virtual
from packager.engine.stores.read_ahead import MemoryLimit
from packager.mirror.local_shards import is_proved, look_at, proof_of
from packager.mirror.state import MirrorFolder
from packager.model import Release
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]
YEAR = 31_556_952  # seconds
SECOND = 10**9
MIN, MAX = -(1 << 63), (1 << 63) - 1
TIMES = {
    "2400": (2400 - 1970) * YEAR * SECOND,
    "2300 and a fraction": (2300 - 1970) * YEAR * SECOND + 123_456_789,
    "1901": (1901 - 1970) * YEAR * SECOND,
    "1677": MIN + 10**9,
    "before 1677": (1600 - 1970) * YEAR * SECOND + 1,
    "the last of 64 bits": MAX,
    "one later": MAX + 1,
    "the first of 64 bits": MIN,
    "one earlier": MIN - 1,
    "a nanosecond before 1970": -1,
    "a fraction": 1_234_567_890_123_456_789,
}


every_time = pytest.mark.parametrize("mtime_ns", TIMES.values(), ids=TIMES)
some_times = pytest.mark.parametrize("mtime_ns", [TIMES["2400"], TIMES["before 1677"], -1])


@pytest.fixture
def root(tmp_path: Path, mtime_ns: int) -> Iterator[Path]:
    """A folder of a file system that stores the time; tmpfs stores all of them."""
    for place in (tmp_path, Path("/dev/shm")):
        if not os.access(place, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(dir=place))
        try:
            touch(folder, mtime_ns)
            if folder.stat().st_mtime_ns == mtime_ns:
                yield folder
                return
        finally:
            shutil.rmtree(folder)
    pytest.skip("no file system here stores this time")


def touch(path: Path, mtime_ns: int) -> None:
    os.utime(path, ns=(0, mtime_ns))


@pytest.fixture
def project(root: Path, mtime_ns: int) -> Project:
    """A project all of whose files have the time."""
    project = make_project(root / "project", files=3)
    project.write_config(collection="[records]\nfile_times = true")
    for path in project.source.rglob("*"):
        touch(path, mtime_ns)
    return project


@every_time
def test_a_file_of_any_time_is_released_once_and_is_unchanged_then(
    project: Project, capsys: Capture, mtime_ns: int
) -> None:
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    first = project.published()
    ran = project.run(capsys, "release")
    assert ran.code == 0, ran.err
    assert "; unchanged." in ran.out
    assert project.published() == first
    kept = pq.read_table(project.root / ".packager/packed/tones-audio-00001/tones-audio-00001.members.parquet")
    assert set(kept["mtime_ns"].to_pylist()) == {min(max(mtime_ns, MIN), MAX)}


@some_times
def test_a_file_of_any_time_is_served_and_exported(project: Project, capsys: Capture) -> None:
    assert project.run(capsys, "release", "--no-tars").code == 0
    _, workspace = load_project(project.root / "packager.toml")
    name = "tones-audio-00001"
    tar = open_virtual(workspace, name, project.source, OpenFileCache(8), MemoryLimit(1 << 20))
    served = read_chunk(tar.parts(0, tar.size))
    ran = project.run(capsys, "export", name)
    assert ran.code == 0, ran.err
    assert served == (project.root / "shards" / f"{name}.tar").read_bytes()


@some_times
def test_a_released_tar_and_a_mirrors_tar_of_any_time_stay_verified(
    project: Project, capsys: Capture, mtime_ns: int, root: Path
) -> None:
    assert project.run(capsys, "release").code == 0
    shards = project.root / "shards"
    for tar in shards.iterdir():
        touch(tar, mtime_ns)
    for proved in (False, True):
        capsys.readouterr()
        assert main(["verify", str(shards), "--state", str(root / "state"), "--json"]) == 0
        assert bool(json.loads(capsys.readouterr().out)["verified_earlier_bytes"]) == proved

    published = project.root / "site" / "release.json"
    shard = documents.from_bytes(published.read_bytes(), Release, published).shards[0]
    mirror = MirrorFolder(shards)
    lying = look_at(mirror, shard)
    mirror.save_proofs({shard.name: proof_of(lying, "2026-11-21T00:00:00Z", 0)})
    mirror.save_proofs({shard.name: proof_of(lying, "2026-11-21T00:00:00Z", 0)})
    assert is_proved(MirrorFolder(shards).proofs()[shard.name], look_at(mirror, shard))


@some_times
def test_files_of_any_time_are_rebuilt_from_and_made_a_torrent_of(
    project: Project, capsys: Capture, root: Path
) -> None:
    assert project.run(capsys, "release").code == 0
    where = ["--release", str(project.root / "site"), "--index", str(root / "index"), "--workers", "1"]
    for number in range(2):
        out = root / f"{number}.tar"
        source = str(project.source)
        assert main(["rebuild", "tones-audio-00001", "--from", source, "--to", str(out), *where]) == 0
        assert out.read_bytes() == (project.root / "shards" / "tones-audio-00001.tar").read_bytes()
    assert main(["torrent", str(project.source), "--to", str(root / "s.torrent")]) == 0, capsys.readouterr().err
