"""Hand out a plan of many shards and members to a cluster; measure the time and the memory of the client.

There is no data: a worker unpacks the rows that it receives, and nothing more. The plan is a Parquet file as of a real
plan, with one phase. As a program this is the client: `python -m bench.cluster_plan ADDRESS FOLDER MOST` prints JSON.
"""

import json
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from bench.timing import own_peak_kib
from packager.core.releases import documents
from packager.engine.processes.dask_cluster import open_cluster
from packager.engine.processes.dask_task import RemoteTask
from packager.engine.processes.worker_pool import Job
from packager.engine.project.load_project import load_project
from packager.engine.project.state_files import read_plan
from packager.engine.tables import parquet
from packager.model import PLANNED, Plan, PlannedPhase, PlannedShard, ShardName
from packager.pack import pack
from packager.pack.shard import pack_on_cluster
from packager.pack.shard.pack_on_cluster import decompress_rows
from packager.pack.shard.pack_shard import ShardTask, shard_status
from packager.progress import SILENT, Advance
from tests.helpers.dask_clusters import REPOSITORY, cluster

CONFIG = """
[collection]
name = "bench"
title = "Bench"
source = "source"
[[phases]]
name = "all"
title = "All"
"""
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def typical_rows(count: int) -> pa.Table:
    """Return rows of a plan like those of tracks: random ids, names made of words, similar file times."""
    chance = random.Random(3)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randrange(3, 9))) for _ in range(4000)]
    columns: dict[str, list[object]] = {name: [] for name in PLANNED.names}
    artist = album = ""
    year = 0
    for row in range(count):
        if row % 12 == 0:
            artist, album = (" ".join(chance.choices(words, k=2)).title() for _ in range(2))
            year = chance.randrange(1960, 2026)
        title = " ".join(chance.choices(words, k=3)).title()
        path = f"{artist}/{album}/{row % 12 + 1:02d} {title}.ogg"
        values = {
            "shard": 0,
            "id": "".join(chance.choices(_LETTERS, k=22)),
            "path": path,
            "member": path,
            "kind": "audio",
            "size": chance.randrange(2 << 20, 8 << 20),
            "mtime_ns": 1_790_000_000_000_000_000 + row * 25_000_000 + chance.randrange(20_000_000),
            "title": title,
            "artist": artist,
            "album": album,
            "track": row % 12 + 1,
            "date": str(year),
            "year": year,
            "duration": chance.randrange(120_000, 400_000) / 1000,
            "codec": "vorbis",
            "popularity": chance.randrange(100),
        }
        for column, column_values in columns.items():
            column_values.append(values.get(column))
    return pa.table(columns, schema=PLANNED)


def make_plan(folder: Path, shards: int, members: int, kinds: int) -> None:
    """Write a project with a plan of this many shards and members per shard. kinds: number of different rows."""
    (folder / "source").mkdir(parents=True)
    (folder / "packager.toml").write_text(CONFIG)
    _, project = load_project(folder / "packager.toml")
    rows = pa.concat_tables([typical_rows(kinds)] * (parquet.BATCH_ROWS // kinds))
    block = rows.combine_chunks().to_batches()[0]

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, members, len(block)):
            yield block.slice(0, min(len(block), members - start))

    parquet.write_rows(project.planned("all"), PLANNED, batches())
    each = members // shards
    planned = tuple(
        PlannedShard(
            name=ShardName(f"bench-all-{number:05d}"), phase="all", number=number, first_row=(number - 1) * each,
            rows=each, payload=100 << 30, size=100 << 30, piece_length=8 << 20, oversize=False, bag_info="",
            torrent_size=1 << 20, fingerprint="",
        )
        for number in range(1, shards + 1)
    )  # fmt: skip
    phase = PlannedPhase(
        name="all",
        title="All",
        content="files",
        records=members,
        files=members,
        payload=0,
        over_budget=0,
        shards=planned,
    )
    plan = Plan(
        format=documents.FORMAT, collection="bench", date="2026-11-21T00:00:00Z", catalogue="", options="",
        without_phase=0, phases=(phase,),
    )  # fmt: skip
    project.plan.write_bytes(documents.to_bytes(plan))


def nothing(given: pack_on_cluster.SentTask, advance: Advance) -> int:
    """Unpack the rows on a worker."""
    del advance
    rows = given.rows
    if isinstance(rows, Path):
        rows = int(rows.suffixes[-2][1:]), rows.read_bytes()
        given.rows.unlink()  # type: ignore[union-attr]  # a path, as asked above
    return int(decompress_rows(rows).num_rows)


def hand_out(address: str, folder: Path, most: int) -> dict[str, float]:
    """Make the tasks of a plan and hand out the first `most`.

    Return the seconds until the tasks were made, until the first one was handed out, and until all were complete; the
    seconds to make one; the maximum bytes of the first 20 tasks; and the peak memory in MiB.
    """
    began = time.monotonic()
    options, project = load_project(folder / "packager.toml")
    every = pack.make_tasks(project, options, read_plan(project), {})
    missing = [task for task in every if not shard_status(task).is_complete]
    planned = time.monotonic()
    first = making = 0.0
    travels = sent = 0
    with open_cluster(address, worker_timeout=600, progress=SILENT) as pool:

        def job(arriving: Path | None) -> Job[ShardTask, pack_on_cluster.SentTask, int, int]:
            def send(task: ShardTask) -> pack_on_cluster.SentTask:
                nonlocal first, making, travels, sent
                begun = time.monotonic()
                first = first or begun
                given = pack_on_cluster.load(task, arriving)
                making, sent = making + time.monotonic() - begun, sent + 1
                if sent <= 20:
                    travels = max(travels, len(pickle.dumps(RemoteTask(nothing, given))))
                return given

            return Job(prepare=send, run=nothing, finish=lambda task, rows: rows - task.shard.rows, name=str)

        wrong = sum(bool(result) for _, result in pack_on_cluster.run(pool, job, missing[:most], lambda _: None))
    assert not wrong
    return {
        "tasks": planned - began,
        "first": first - began,
        "all": time.monotonic() - began,
        "one": making / sent,
        "bytes": travels,
        "mib": own_peak_kib() / 1024,
    }


def measured(
    folder: Path, shards: int, members: int, *, kinds: int = parquet.BATCH_ROWS, most: int | None = None
) -> dict[str, float]:
    """Make a plan and hand it out from a new process; return the result of `hand_out`."""
    make_plan(folder / "project", shards, members, kinds)
    with cluster(folder / "cluster", workers=2) as made:
        command = [sys.executable, "-m", "bench.cluster_plan", made.address, str(folder / "project")]
        command.append(str(shards if most is None else most))
        done = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(hand_out(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
