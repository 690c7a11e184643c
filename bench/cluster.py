"""Packing on a cluster of two workers of this machine, against two processes without one; page cache warm.

Then hand out a plan of 3,000 shards and 86 million members, without data. SIZE=small makes both small.
"""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from bench import cluster_plan, datasets
from bench.datasets import DataSet
from bench.timing import Contender, measure, table
from tests.helpers.dask_clusters import cluster

ROUNDS = 3
CONFIG = """
[collection]
name = "bench"
title = "Bench"
source = "{source}"
[shards]
size = "{size}"
[[phases]]
name = "all"
title = "All"
order = "path"
"""
_SHARDS = 16


def contest(data: Path, dataset: DataSet, address: str) -> tuple[list[Contender], dict[str, list[float]]]:
    """Measure the ways to pack a set; return them, and by name the seconds of packing alone."""
    ours = data / "cluster"
    shutil.rmtree(ours, ignore_errors=True)
    ours.mkdir()
    size = dataset.size // _SHARDS * 21 // 20 + dataset.files * 1024
    (ours / "packager.toml").write_text(CONFIG.format(source=dataset.folder, size=f"{size >> 10} KiB"))
    packager = [sys.executable, "-m", "packager"]
    for step in ("scan", "plan"):
        subprocess.run([*packager, step], cwd=ours, check=True, stdout=subprocess.DEVNULL)
    packed: dict[str, list[float]] = {}

    def undo() -> None:
        shutil.rmtree(ours / "shards", ignore_errors=True)
        shutil.rmtree(ours / ".packager" / "packed", ignore_errors=True)

    def way(name: str, options: str) -> Contender:
        report = ours / f"{len(packed)}.json"
        packed[name] = []

        def between() -> None:
            if report.exists():
                packed[name].append(float(json.loads(report.read_text())["seconds"]))
                report.unlink()
            undo()

        return Contender(name, f"cd {ours} && {' '.join(packager)} pack {options} --json >{report}", between)

    ways = [
        way("two processes: --workers 2", "--workers 2"),
        way("a cluster that runs: --cluster, two workers", f"--cluster {address}"),
        way("a cluster that is started: --cluster local:2", "--cluster local:2"),
    ]
    measured = measure(ways, ROUNDS)
    shutil.rmtree(ours)
    return measured, packed


def main(data: Path) -> None:
    """Measure and print."""
    dataset = datasets.many(data)
    folder = data / "dask"
    shutil.rmtree(folder, ignore_errors=True)
    with cluster(folder, workers=2) as made:
        measured, packed = contest(data, dataset, made.address)
    print(table(f"Pack on a cluster: {dataset.title}, {_SHARDS} shards", measured, dataset.size))
    alone = statistics.median(packed[measured[0].name][1:])  # without the first, which warms up
    for each in measured:
        seconds = statistics.median(packed[each.name][1:])
        print(f"- {each.name}: {seconds:.2f} s of packing, {seconds / alone:.2f} of that without a cluster.")
    shutil.rmtree(folder)
    shards, members = (30, 860_000) if datasets.IS_SMALL else (3000, 86_000_000)
    found = cluster_plan.measured(folder, shards, members)
    print(
        f"\n{shards:,} shards of {members:,} members: tasks made in {found['tasks']:.1f} s, the first one out after "
        f"{found['first']:.1f} s. Each takes {found['one']:.3f} s to be made, while the ones before it are done, and "
        f"{found['bytes'] / 1e6:.2f} MB to travel. All were handed out in {found['all']:.0f} s, in "
        f"{found['mib']:.0f} MiB of memory.\n"
    )
    shutil.rmtree(folder)
