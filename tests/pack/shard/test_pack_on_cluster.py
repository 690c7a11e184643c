"""Packing on a real Dask cluster: the bytes of one machine, whatever becomes of the workers."""

import os
import pickle
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path

import pytest

from bench.cluster_plan import measured, typical_rows
from packager import api
from packager.engine.processes.dask_task import RemoteTask
from packager.engine.project.load_project import load_project
from packager.engine.project.owner_id import project_owner
from packager.engine.project.project import Project as ProjectPaths
from packager.engine.tables.parquet import read_rows, write_rows
from packager.errors import IncompleteError
from packager.model import PLANNED, PlannedShard, ShardName
from packager.pack import pack
from packager.pack.shard import checkpoint
from packager.pack.shard.pack_on_cluster import load, pack_on_worker, worker_task
from packager.pack.shard.pack_shard import ShardTask
from packager.pack.shard.write_documents import HashedOptions, OuterFields
from tests.helpers import dask_clusters
from tests.helpers.dask_clusters import Cluster
from tests.helpers.failing_disk import FailingDisk, Fault
from tests.helpers.projects import Project, make_project
from tests.helpers.waiting import until

SHARDS, FEW = 40, 12
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, disk: FailingDisk) -> Iterator[Cluster]:
    with dask_clusters.cluster(tmp_path_factory.mktemp("cluster"), workers=3, environment=disk.environment) as made:
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
    api.scan(project.root / "packager.toml", workers=1)
    api.plan(project.root / "packager.toml")
    report = api.pack(project.root / "packager.toml", workers=2)
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


@contextmanager
def replaced(cluster: Cluster) -> Iterator[list[int]]:
    """Start a worker for each that dies while the block runs; yield how many died, as they do."""
    died: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if count := cluster.replace_dead():
                died.append(count)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield died
    finally:
        over.set()
        thread.join()


def survives_kills(cluster: Cluster, disk: FailingDisk, root: Path, *, size: int, kills: int) -> None:
    project, expected = large_project(root, size, SHARDS)
    every = SHARDS * (size >> 20) // (kills + 1)  # writes; each shard takes one a MiB, and one for its space
    disk.arm(Fault(project.root / "shards", "write", -signal.SIGKILL, every, every * kills, every=every))
    with replaced(cluster) as died:
        report = api.pack(project.root / "packager.toml", workers=api.WorkerOptions(cluster=cluster.address))
    assert sum(died) == kills
    assert report.packed == SHARDS
    assert not report.failed
    assert kills <= report.retried_tasks <= 4 * kills
    assert made_by_packing(project) == expected
    assert sorted(path.name for path in (project.root / "shards").iterdir()) == [
        f"tones-all-{number:05d}.tar" for number in range(1, SHARDS + 1)
    ]


def test_forty_shards_are_the_same_when_workers_are_killed_while_they_write(
    three: Cluster, disk: FailingDisk, tmp_path: Path
) -> None:
    survives_kills(three, disk, tmp_path / "project", size=2 << 20, kills=3)


@pytest.mark.soak
def test_forty_shards_outlast_a_storm_of_kills(three: Cluster, disk: FailingDisk, tmp_path: Path) -> None:
    survives_kills(three, disk, tmp_path / "project", size=64 << 20, kills=25)


def test_a_worker_that_hangs_has_its_shard_packed_elsewhere_and_spoils_nothing(
    three: Cluster, disk: FailingDisk, tmp_path: Path
) -> None:
    project, expected = large_project(tmp_path / "project", 4 << 20, FEW)
    shards = project.root / "shards"
    disk.arm(Fault(shards, "write", -signal.SIGSTOP, 3, 3))
    report = api.pack(
        project.root / "packager.toml", workers=api.WorkerOptions(cluster=three.address, worker_timeout=3)
    )
    three.go_on()
    until(lambda: not three.writing() and all(path.name.endswith(".tar") for path in shards.iterdir()))
    assert report.packed == FEW
    assert report.retried_tasks >= 1
    assert made_by_packing(project) == expected


@pytest.mark.parametrize("local", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_ctrl_c_stops_in_order_and_the_next_run_goes_on(
    three: Cluster, disk: FailingDisk, tmp_path: Path, *, local: bool
) -> None:
    project, expected = large_project(tmp_path / "project", 2 << 20, FEW)
    shards = project.root / "shards"
    pool = ["--cluster", "local:2"] if local else ["--cluster", three.address]
    third = Fault(project.root / ".packager" / "packed", "sync", -signal.SIGSTOP, 12, 12)  # some of its documents
    run = disk.start(third, "pack", *pool, "--config", project.root / "packager.toml")
    os.waitid(os.P_PID, run.pid, os.WSTOPPED)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all that it started, too
    run.send_signal(signal.SIGCONT)
    _, told = run.communicate()
    assert run.returncode == 130, told
    assert b"Traceback" not in told
    until(lambda: all(path.is_file() for path in shards.iterdir()))  # a worker finds that the run is over
    assert all(path.name.endswith(".tar") for path in shards.iterdir())
    whole = len(list(shards.iterdir()))
    assert 0 < whole < FEW
    report = api.pack(project.root / "packager.toml", workers=api.WorkerOptions(cluster=three.address))
    assert report.unchanged >= whole - 1  # one may have been without its mark
    assert made_by_packing(project) == expected


def test_virtual_shards_and_those_kept_as_files_are_the_same_and_tars_are_written_later(
    three: Cluster, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    phases = PHASES.replace('"All"', '"All"\nwhere = "kind = \'audio\'"')
    files = '[[phases]]\nname = "rest"\ntitle = "Rest"\ncontainer = "folder"\n'
    metadata = '[[phases]]\nname = "metadata"\ntitle = "Metadata"\ncontent = "catalogue"\n'
    project.write_config(
        phases=metadata + phases + files, collection="[records]\nfile_times = true", torrent="also_v1 = true"
    )
    api.scan(config, workers=1)
    plan = api.plan(config).plan
    api.pack(config, workers=1, no_tars=True)
    expected = taken_away(project)

    report = api.pack(config, workers=api.WorkerOptions(cluster=three.address), no_tars=True)
    assert made_by_packing(project) == expected
    tars = [shard.name for phase in plan.phases for shard in phase.shards if shard.container == "tar"]
    assert report.without_tars == len(tars)

    here = api.export(config, tars[:3], workers=1)
    wanted = {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")}
    for name in wanted:
        (project.root / "shards" / name).unlink()
    there = api.export(config, tars[:3], workers=api.WorkerOptions(cluster=three.address))
    assert there.written == here.written == 3
    assert {path.name: path.read_bytes() for path in (project.root / "shards").glob("*.tar")} == wanted


def test_a_source_that_changed_is_named_and_nothing_is_left_of_its_shard(three: Cluster, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, workers=1)
    api.plan(config)
    changed = sorted(project.source.rglob("*.wav"))[0]
    changed.write_bytes(b"another")
    report = api.pack(config, workers=api.WorkerOptions(cluster=three.address))
    assert len(report.failed) == 1
    assert changed.name in report.failed[0].what
    assert len(list((project.root / "shards").iterdir())) == report.packed


def test_what_a_killed_pass_here_left_is_gone_when_a_worker_packed_its_shard(three: Cluster, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, workers=1)
    api.plan(config)
    note = project.root / ".packager" / "packed" / "tones-rest-00001" / checkpoint.FILE
    owner = project_owner(project.root / ".packager")
    left = project.root / "shards" / f".tones-rest-00001.tar.{owner}.partial"
    for path in (note, left):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"of a killed run")
    assert api.pack(config, phases=["rest"], workers=api.WorkerOptions(cluster=three.address)).packed
    assert not note.exists()
    assert not left.exists()


def test_a_machine_that_does_not_see_the_folders_says_which(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = project.root / "packager.toml"
    api.scan(config, workers=1)
    plan = api.plan(config).plan
    options, workspace = load_project(config)
    task = pack.make_tasks(workspace, options, plan, {}, ["audio"])[0]
    for there in (replace(task, source=tmp_path / "elsewhere"), task):
        given = replace(load(task, tmp_path), task=there, arriving=tmp_path / "elsewhere")
        with pytest.raises(IncompleteError, match="elsewhere: does not exist for a worker: all machines need it"):
            pack_on_worker(given, lambda _: None)


@pytest.mark.parametrize("members", [1, 12_000, 50_000])
def test_what_travels_of_a_shard_is_under_a_megabyte(members: int, tmp_path: Path) -> None:
    rows = typical_rows(members)
    write_rows(tmp_path / "planned.parquet", PLANNED, rows.to_batches())
    workspace = ProjectPaths(tmp_path / "packager.toml", tmp_path, None, tmp_path, tmp_path)
    shard = PlannedShard(
        name=ShardName("collection-audio-00001"), phase="audio", number=1, first_row=0, rows=members, payload=1 << 36,
        size=1 << 36, piece_length=1 << 22, oversize=False, bag_info="Bag-Size: 64 GB\n" * 20, torrent_size=1 << 20,
        fingerprint="0" * 64,
    )  # fmt: skip
    task = ShardTask(
        project=workspace,
        planned=tmp_path / "planned.parquet",
        source=tmp_path,
        shard=shard,
        content=HashedOptions(collection="collection", version="hybrid", also_v1=True, sha256=True, mtimes=True),
        links=OuterFields(
            trackers=(("udp://tracker.example.org:6969/announce",),) * 10, web_seeds=(), date="2026-11-21"
        ),
        published=None,
    )
    (tmp_path / "run").touch()
    given = load(task, tmp_path)
    assert len(pickle.dumps(RemoteTask(pack_on_worker, given))) < 1_000_000
    with worker_task(given) as there:
        assert read_rows(there.planned, 0, members, PLANNED).equals(rows)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_plan_of_86_million_members_is_handed_out_at_once_in_little_memory(tmp_path: Path) -> None:
    found = measured(tmp_path, shards=3000, members=86_000_000, kinds=512, most=60)
    assert found["first"] < 60
    assert found["bytes"] < 1_000_000
    assert found["mib"] < 1000
