"""Packing on a real Dask cluster: the bytes of one machine, whatever becomes of the workers."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path

import pytest

from bench.cluster_plan import measured, typical_rows
from packager import api
from packager.engine.cluster_worker import Work
from packager.engine.project import load as load_project
from packager.engine.tables import read_rows, write_table
from packager.engine.workspace import Workspace
from packager.errors import IncompleteError
from packager.model import PLANNED, PlannedShard, ShardName
from packager.pack import checkpoint, run
from packager.pack.on_cluster import at_worker, load, pack_there
from packager.pack.shard import ShardTask
from packager.pack.shard_documents import Content, Links
from tests import clusters
from tests.clusters import Cluster
from tests.projects import Project, make_project

SHARDS, FEW = 40, 12
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clusters.cluster(tmp_path_factory.mktemp("cluster"), workers=3) as made:
        yield made


def large_project(root: Path, size: int, shards: int) -> tuple[Project, dict[str, str]]:
    """Make a project of shards of about `size` bytes, and say what they are when this machine packs them."""
    project = Project(root)
    chance = random.Random(8)
    for number in range(shards):
        path = project.source / f"{number:02d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(1 << 16))
        os.truncate(path, size - (number << 10))  # the rest is a hole: quickly made, and hashed all the same
    project.write_config(size=f"{size + (64 << 10)} B", phases=PHASES)
    api.scan(project.root / "packager.toml", processes=1)
    api.plan(project.root / "packager.toml")
    report = api.pack(project.root / "packager.toml", processes=2)
    assert report.packed == shards
    return project, taken_away(project)


def taken_away(project: Project) -> dict[str, str]:
    """Return all that packing made, and remove it."""
    made = made_by_packing(project)
    shutil.rmtree(project.root / "shards", ignore_errors=True)
    shutil.rmtree(project.root / ".packager" / "packed")
    return made


def made_by_packing(project: Project) -> dict[str, str]:
    """Return the SHA-256 of all that packing made by its path; of the marks, which hold seconds, only the names."""
    found = {}
    for top in (project.root / "shards", project.root / ".packager" / "packed"):
        for path in top.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    digest = "" if path.name == "packed.json" else file_digest(file, "sha256").hexdigest()
                found[str(path.relative_to(project.root))] = digest
    return found


class Storm(threading.Thread):
    """Does something to a worker that is writing a tar, again and again, until it is told to end."""

    def __init__(self, cluster: Cluster, strike: Callable[[str], None], *, most: int, pause: float) -> None:
        super().__init__(daemon=True)
        self._cluster, self._strike, self._most, self._pause = cluster, strike, most, pause
        self._over = threading.Event()
        self.struck = 0

    def run(self) -> None:
        while self.struck < self._most and not self._over.is_set():
            writing = self._cluster.writing()
            if writing:
                self._strike(writing[0])
                self.struck += 1
            self._over.wait(self._pause if writing else 0.002)

    def __enter__(self) -> "Storm":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()


def survives_kills(cluster: Cluster, root: Path, *, size: int, most: int, pause: float) -> None:
    project, expected = large_project(root, size, SHARDS)

    def kill(name: str) -> None:
        cluster.kill(name)
        cluster.add()

    with Storm(cluster, kill, most=most, pause=pause) as storm:
        report = api.pack(project.root / "packager.toml", cluster=cluster.address)
    assert storm.struck >= 3
    assert report.packed == SHARDS
    assert not report.failed
    assert 1 <= report.redone <= 4 * storm.struck
    assert made_by_packing(project) == expected
    assert sorted(path.name for path in (project.root / "shards").iterdir()) == [
        f"tones-all-{number:05d}.tar" for number in range(1, SHARDS + 1)
    ]


def test_forty_shards_are_the_same_when_workers_are_killed_while_they_write(three: Cluster, tmp_path: Path) -> None:
    survives_kills(three, tmp_path / "project", size=5 << 20, most=3, pause=0.4)


@pytest.mark.soak
def test_forty_shards_outlast_a_storm_of_kills(three: Cluster, tmp_path: Path) -> None:
    survives_kills(three, tmp_path / "project", size=64 << 20, most=25, pause=2)


def test_a_worker_that_hangs_has_its_shard_packed_elsewhere_and_spoils_nothing(three: Cluster, tmp_path: Path) -> None:
    project, expected = large_project(tmp_path / "project", 4 << 20, FEW)
    hung: list[str] = []

    def hang(name: str) -> None:
        three.stop(name)
        hung.append(name)

    with Storm(three, hang, most=1, pause=0.1):
        report = api.pack(project.root / "packager.toml", cluster=three.address, patience=3)
    three.go_on(hung[0])
    while three.writing():  # it stops writing what nobody waits for
        time.sleep(0.02)
    assert report.packed == FEW
    assert report.redone >= 1
    assert made_by_packing(project) == expected
    assert all(path.name.endswith(".tar") for path in (project.root / "shards").iterdir())


@pytest.mark.parametrize("local", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_ctrl_c_stops_in_order_and_the_next_run_goes_on(three: Cluster, tmp_path: Path, *, local: bool) -> None:
    project, expected = large_project(tmp_path / "project", 8 << 20, FEW)
    shards = project.root / "shards"
    crew = ["--cluster", "local:2"] if local else ["--scheduler", three.address]
    run = subprocess.Popen(
        [sys.executable, "-m", "packager", "pack", *crew],
        cwd=project.root,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while run.poll() is None and not list(shards.glob("*.tar")):
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all that it started, too
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130, told
    assert b"Traceback" not in told
    ends = time.monotonic() + 10
    while any(path.is_dir() for path in shards.iterdir()) and time.monotonic() < ends:
        time.sleep(0.05)  # a worker that had just begun finds that the run is over
    assert all(path.name.endswith(".tar") and path.is_file() for path in shards.iterdir())
    whole = len(list(shards.iterdir()))
    assert 0 < whole < FEW
    report = api.pack(project.root / "packager.toml", cluster=three.address)
    assert report.already >= whole - 1  # one may have been without its mark
    assert made_by_packing(project) == expected


def test_virtual_shards_and_those_kept_as_files_are_the_same_and_tars_are_written_later(
    three: Cluster, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    phases = PHASES.replace('"All"', '"All"\nwhere = "kind = \'audio\'"')
    files = '[[phases]]\nname = "rest"\ntitle = "Rest"\ncontainer = "folder"\n'
    metadata = '[[phases]]\nname = "metadata"\ntitle = "Metadata"\ncontent = "catalogue"\n'
    project.write_config(phases=metadata + phases + files, collection="mtimes = true", torrent="also_v1 = true")
    api.scan(config, processes=1)
    plan = api.plan(config).plan
    api.pack(config, processes=1, virtual=True)
    expected = taken_away(project)

    report = api.pack(config, cluster=three.address, virtual=True)
    assert made_by_packing(project) == expected
    tars = [shard.name for phase in plan.phases for shard in phase.shards if shard.container == "tar"]
    assert report.virtual == len(tars)

    here = api.materialise(config, tars[:3], processes=1)
    wanted = {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    for name in wanted:
        (project.root / "shards" / name).unlink()
    there = api.materialise(config, tars[:3], cluster=three.address)
    assert there.written == here.written == 3
    assert {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")} == wanted


def test_a_source_that_changed_is_named_and_nothing_is_left_of_its_shard(three: Cluster, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, processes=1)
    api.plan(config)
    changed = sorted(project.source.rglob("*.wav"))[0]
    changed.write_bytes(b"another")
    report = api.pack(config, cluster=three.address)
    assert len(report.failed) == 1
    assert changed.name in report.failed[0].what
    assert len(list((project.root / "shards").iterdir())) == report.packed


def test_what_a_killed_pass_here_left_is_gone_when_a_worker_packed_its_shard(three: Cluster, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, processes=1)
    api.plan(config)
    note = project.root / ".packager" / "packed" / "tones-rest-00001" / checkpoint.FILE
    left = project.root / "shards" / ".tones-rest-00001.tar.partial"
    for path in (note, left):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"of a killed run")
    assert api.pack(config, phases=["rest"], cluster=three.address).packed
    assert not note.exists()
    assert not left.exists()


def test_a_machine_that_does_not_see_the_folders_says_which(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, processes=1)
    plan = api.plan(config).plan
    options, workspace = load_project(config)
    task = run.tasks(workspace, options, plan, {}, ["audio"])[0]
    for there in (replace(task, source=tmp_path / "elsewhere"), task):
        given = replace(load(task, tmp_path), task=there, arriving=tmp_path / "elsewhere")
        with pytest.raises(IncompleteError, match="elsewhere: is not there for a worker: all machines need it"):
            pack_there(given, lambda _: None, tmp_path)


@pytest.mark.parametrize("members", [1, 12_000, 50_000])
def test_what_travels_of_a_shard_is_under_a_megabyte(members: int, tmp_path: Path) -> None:
    rows = typical_rows(members)
    write_table(tmp_path / "planned.parquet", PLANNED, rows.to_batches())
    workspace = Workspace(tmp_path / "packager.toml", tmp_path, None, tmp_path, tmp_path)
    shard = PlannedShard(
        name=ShardName("collection-audio-00001"), phase="audio", number=1, first_row=0, rows=members, payload=1 << 36,
        size=1 << 36, piece_length=1 << 22, oversize=False, bag_info="Bag-Size: 64 GB\n" * 20, torrent_size=1 << 20,
        fingerprint="0" * 64,
    )  # fmt: skip
    task = ShardTask(
        workspace=workspace,
        planned=tmp_path / "planned.parquet",
        source=tmp_path,
        shard=shard,
        content=Content(collection="collection", version="hybrid", also_v1=True, sha256=True, mtimes=True),
        links=Links(trackers=(("udp://tracker.example.org:6969/announce",),) * 10, web_seeds=(), date="2026-11-21"),
        published=None,
    )
    (tmp_path / "run").touch()
    given = load(task, tmp_path)
    assert len(pickle.dumps(Work(pack_there, given))) < 1_000_000
    with at_worker(given, tmp_path) as there:
        assert read_rows(there.planned, 0, members, PLANNED).equals(rows)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_plan_of_86_million_members_is_handed_out_at_once_in_little_memory(tmp_path: Path) -> None:
    found = measured(tmp_path, shards=3000, members=86_000_000, kinds=512, most=60)
    assert found["first"] < 60
    assert found["bytes"] < 1_000_000
    assert found["mib"] < 1000
