"""Packing: our one pass against the usual chain of programs, with four sets of files and a warm page cache.

The typical pipeline is GNU tar, sha256sum of the members and of the tar, and libtorrent's hybrid hashes. The expert's
pipeline is tar with large writes, openssl on both cores, then libtorrent and openssl over the tar at the same time. At
full size, tables and a plot are written to docs/benchmarks/; SIZE=small only prints them.
"""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench import bars, datasets, limits
from bench.datasets import DataSet
from bench.timing import Contender, measure, table

FILES, SIZE = 1000, 4 << 20
RESULTS = Path(__file__).parents[1] / "docs/benchmarks"
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
HYBRID = """
import sys, libtorrent as lt
storage = lt.file_storage(); lt.add_files(storage, sys.argv[1])
torrent = lt.create_torrent(storage, 4 << 20)
lt.set_piece_hashes(torrent, sys.argv[1].rpartition("/")[0])
open(sys.argv[1] + ".torrent", "wb").write(lt.bencode(torrent.generate()))
"""


def collection(data: Path) -> Path:
    """Make the files once and return their folder."""
    folder = data / "flat"
    if not folder.exists():
        folder.mkdir()
        block = random.Random(1).randbytes(SIZE - 8)
        for number in range(FILES):
            (folder / f"{number:04d}.bin").write_bytes(number.to_bytes(8, "big") + block)
    return folder


@dataclass
class Measured:
    """The results of one set: its contenders, and the seconds that `pack` reported in each run."""

    dataset: DataSet
    contenders: list[Contender]
    packed: list[float] = field(default_factory=list)


def contest(data: Path, dataset: DataSet) -> Measured:
    """Measure all ways to pack a set."""
    ours, tar = data / "pack", data / "pack.tar"
    shutil.rmtree(ours, ignore_errors=True)
    ours.mkdir()
    # A shard has a little more than half the set, so that each of two cores has one; a large file is one shard.
    size = max(dataset.size // 2 * 21 // 20 + dataset.files * 1024, 1 << 20)
    (ours / "packager.toml").write_text(CONFIG.format(source=dataset.folder, size=f"{size >> 10} KiB"))
    (data / "hybrid.py").write_text(HYBRID)
    python = sys.executable
    packager = f"cd {ours} && {python} -m packager"
    rules = "--sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
    source = f"-C {data} {dataset.folder.name}"
    sums = f"find {dataset.folder} -type f -print0 | xargs -0 -P2 -n 50"
    report, packed = ours / "pack.json", []

    def unpack() -> None:
        shutil.rmtree(ours / "shards", ignore_errors=True)
        shutil.rmtree(ours / ".packager" / "packed", ignore_errors=True)

    def plan() -> None:
        if report.exists():
            packed.append(float(json.loads(report.read_text())["seconds"]))
            report.unlink()
        undo()
        for step in ("scan", "plan"):
            subprocess.run(["bash", "-c", f"{packager} {step}"], check=True, stdout=subprocess.DEVNULL)

    def undo() -> None:
        unpack()
        for made in (ours / ".packager", ours / "site"):
            shutil.rmtree(made, ignore_errors=True)
        tar.unlink(missing_ok=True)
        for left in data.glob("*.torrent"):
            left.unlink()

    contenders = [
        Contender("packager pack", f"{packager} pack --json >{report}", plan),
        Contender("packager release: scan, plan, pack, publish", f"{packager} release", undo),
        Contender(
            "typical: tar, sha256sum of members, of tar, libtorrent",
            f"tar {rules} -cf {tar} {source} && {sums} sha256sum && sha256sum {tar} && {python} {data}/hybrid.py {tar}",
            undo,
        ),
        Contender(
            "expert: tar -b 2048, openssl on two cores, libtorrent",
            f"tar {rules} -b 2048 -cf {tar} {source} && {sums} openssl dgst -sha256 "
            f"&& (openssl dgst -sha256 {tar} & {python} {data}/hybrid.py {tar} && wait)",
            undo,
            "openssl",
        ),
        Contender("tar -b 2048 alone", f"tar {rules} -b 2048 -cf {tar} {source}", undo),
        Contender("openssl of the members alone", f"{sums} openssl dgst -sha256", undo, "openssl"),
    ]
    made = Measured(dataset, measure(contenders, ROUNDS), packed)
    shutil.rmtree(ours)
    return made


def judged(measured: Measured, found: dict[str, float]) -> str:
    """Return ratios of the medians of one data set, as a Markdown list."""
    ours, release, typical, *others = measured.contenders
    size = measured.dataset.size
    limit = min(found[limits.ALL_CORES], found[limits.WRITE])
    runs = sorted(measured.packed[1:]) or [ours.median]  # without the first, which warms up
    packing = runs[len(runs) // 2]
    lines = [
        f"- {typical.median / ours.median:.1f} times as fast as the typical pipeline"
        + "".join(f", {each.median / ours.median:.1f} times the expert's" for each in others if "expert" in each.name)
        + f"; the complete release {typical.median / release.median:.1f} times the typical.",
        f"- {size / packing / limit:.2f} of the limit of this machine (hashing or disk, the slower one) while it packs "
        f"({packing:.2f} s), {size / ours.median / limit:.2f} from start to end of the command.",
        f"- Cores busy: {ours.cores:.2f}. Bytes read: {ours.read[0] / size:.3f} of the set. "
        f"Private memory of one process: at most {ours.own_mib:.0f} MiB.",
    ]
    if size < measured.dataset.files << 18:
        files, seconds = limits.floor(measured.dataset.folder)
        least = seconds / limits.CORES
        lines.append(
            f"- To open, read and close the {files:,} files takes one core {seconds / files * 1e6:.0f} µs each; with "
            f"their hashes all cores need {least + size / found[limits.ALL_CORES]:.2f} s or more. "
            f"Packing took {packing / (least + size / found[limits.ALL_CORES]):.1f} times that."
        )
    return "\n".join(lines) + "\n"


def main(data: Path) -> None:
    """Measure, print, and at full size write docs/benchmarks/pack.md and its plot."""
    found = limits.measured(data, (256 if datasets.IS_SMALL else 2048) << 20)
    parts, panels = [limits.table(found)], []
    for make in (datasets.many, datasets.tiny, datasets.one, datasets.mix):
        measured = contest(data, make(data))
        title = f"Pack: {measured.dataset.title}, {measured.dataset.size / 1e9:.2f} GB"
        parts += [table(title, measured.contenders, measured.dataset.size), judged(measured, found)]
        panels.append((title, measured.contenders))
        print("\n".join(parts[-2:]))
    print(parts[0])
    if not datasets.IS_SMALL:
        _write(parts, bars.plot(panels))


def _write(parts: list[str], plot: str) -> None:
    """Write the page and its plot."""
    from bench.run import machine

    RESULTS.mkdir(exist_ok=True)
    head = (
        "<!-- Made by `make bench WHAT=pack`: do not edit. -->\n# Pack\n\n"
        f"Measured on {machine()}, with a warm page cache. The programs took turns for {ROUNDS} rounds, after one "
        "round to warm up. `own MiB` is the private memory of the largest process, `peak MiB` includes shared memory. "
        "`read GB` and `written GB` count the bytes of system calls.\n\n![Seconds of each way to pack](pack.svg)\n"
    )
    (RESULTS / "pack.md").write_text("\n".join([head, *parts]), encoding="utf-8")
    (RESULTS / "pack.svg").write_text(plot, encoding="utf-8")
