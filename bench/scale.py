"""Millions of records: the time and the memory of each command.

There are three projects: one with records only; one with records whose files do not exist, planned as if they did
and packed with made-up digests; and one with at most a million tiny files, which are read. DuckDB generates the records
from a random seed. ROWS in the environment has the sizes in millions; the default is "1,10,50". Each command runs once,
because this takes minutes and the question is the memory.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.datasets import IS_SMALL
from bench.timing import Contender, measure_once
from packager.engine.tables import parquet
from packager.model import CATALOGUE

ROWS = [float(rows) for rows in os.environ.get("ROWS", "0.1" if IS_SMALL else "1,10,50").split(",")]
FILES_MOST, LINKS_MOST = 1_000_000, 50_000
CONFIG = """
[collection]
name = "scale"
title = "Scale"
source = "source"
{records}
[shards]
size = "100 GiB"
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
{files}
"""
FILES = """
[[phases]]
name = "popular"
title = "The most popular"
where = "popularity > 50"
order = "popularity DESC"
[[phases]]
name = "rest"
title = "The rest"
order = "year NULLS LAST"
"""
# The fields of a made-up record, from its number i; DuckDB's hash() is the same in every run.
RECORD = """
    format('r{:010d}', i) AS id,
    format('Song of the {}th morning, take {}', hash(i) % 1000003, i % 7) AS title,
    format('Artist {}', hash(i // 12) % 250000) AS artist, format('Album {}', i // 12) AS album,
    (i % 12 + 1)::INTEGER AS track,
    CASE WHEN i % 10 = 0 THEN NULL ELSE (1920 + hash(i // 12, 1) % 105)::INTEGER END AS year,
    format('QZ{:010d}', i) AS isrc, round(60 + hash(i, 2) % 400000 / 1000.0, 3)::DOUBLE AS duration,
    (hash(i, 3) % 100000 / 1000.0)::DOUBLE AS popularity"""


def write_records(path: Path, rows: int) -> None:
    """Write a records file of made-up rows."""
    duckdb.sql(f"COPY (SELECT {RECORD} FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def write_catalogue(path: Path, rows: int) -> None:
    """Write a catalogue of made-up rows without files, ordered by id as by `scan`."""
    query = f"""SELECT {RECORD}, format('{{:03d}}/{{:06d}}/{{:010d}}.mp3', i // 1200000, i // 12, i) AS path,
        path AS member, 'audio' AS kind, (2000000 + hash(i, 4) % 12000000)::BIGINT AS size,
        1700000000000000000 AS mtime_ns, 'mp3' AS codec, false AS unread FROM range({rows}) t(i)"""
    with duckdb.connect() as database:
        batches = database.sql(query).to_arrow_reader(parquet.BATCH_ROWS)
        parquet.write_rows(path, CATALOGUE, map(_as_catalogue, batches), quick=True)


def _as_catalogue(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with all columns of the catalogue; columns that are not made up are null."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(len(batch), field.type)
        for field in CATALOGUE
    ]
    return pa.record_batch(columns, CATALOGUE)


def _apart(write: Callable[[Path, int], None], path: Path, rows: int) -> None:
    """Write in another process, because measured processes inherit the peak memory of this one."""
    process = get_context("spawn").Process(target=write, args=(path, rows))
    process.start()
    process.join()
    assert process.exitcode == 0


def steps(root: Path, rows: int) -> Iterator[Contender]:
    """Yield the cost of each step with a catalogue of `rows` rows."""
    for name, take in (("records", of_records), ("planned", of_planned), ("files", of_files)):
        shutil.rmtree(root, ignore_errors=True)
        (root / name / "source").mkdir(parents=True)
        yield from take(root / name, rows)
    shutil.rmtree(root)


def _step(project: Path, command: str, what: str) -> Contender:
    """Run a packager command in a project's folder and return its cost."""
    program = command if command.startswith("-m ") else f"-m packager {command}"
    path = f"PYTHONPATH={Path(__file__).parent.parent}"
    return measure_once(f"{command.partition(' -')[0]}{what}", f"cd {project} && {path} {sys.executable} {program}")


def of_records(project: Path, rows: int) -> Iterator[Contender]:
    """Release records that have no files."""
    (project / "source/one.txt").write_text("the one file\n")
    _apart(write_records, project / "records.parquet", rows)
    (project / "packager.toml").write_text(CONFIG.format(records='[records]\nfiles = ["records.parquet"]', files=""))
    for command in ("scan", "plan", "pack", "publish"):
        yield _step(project, command, ", records alone")
    yield _step(project, "release", ", nothing changed")
    yield _step(project, "verify shards", ", records alone")
    (project / "catalogue").symlink_to(".packager/plan/metadata.export/catalogue-00001.jsonl.zst")
    yield _step(project, "inspect catalogue", ", at most 5,000,000 lines")


def of_planned(project: Path, rows: int) -> Iterator[Contender]:
    """Plan, publish and change a release whose files do not exist."""
    config = CONFIG.format(records="", files=FILES).replace('content = "catalogue"', 'where = "false"')
    (project / "packager.toml").write_text(config)
    catalogue = project / ".packager/catalogue.parquet"
    catalogue.parent.mkdir()
    _apart(write_catalogue, catalogue, rows)
    yield _step(project, "plan", ", every record with a file")
    yield _step(project, "plan", ", nothing changed")
    yield _step(project, "estimate --budget 100TB", "")
    packed = _step(project, "-m bench.made_up packager.toml", "")
    packed.name = "pack, one process, digests made up"
    yield packed
    yield _step(project, "status", "")
    yield _step(project, "publish", ", every record a member")
    yield _step(project, "publish", ", nothing changed")
    yield _step(project, "inspect site/release.json", "")
    where = '--where "popularity < 0.01" --dry-run'
    yield _step(project, f"get {where} --release site", ", one member in 10,000")
    follow = "mirror --budget 20TB --allow-unsigned --seed-counts list --client none --yes"
    yield _step(project, f"mirror follow site {follow} --dry-run", ", dry run")
    withdrawn = '--where "popularity < 0.01" --reason "none"'
    yield _step(project, f"withdraw {withdrawn}", ", one record in 10,000")
    _apart(write_catalogue, catalogue, rows + rows // 100)
    yield _step(project, "plan", ", 1 % new")
    _step(project, "-m bench.made_up packager.toml", "")
    yield _step(project, "publish", ", 1 % new")


def of_files(project: Path, rows: int) -> Iterator[Contender]:
    """Release files of one byte, all in one shard."""
    rows = min(rows, FILES_MOST)
    write_files(project / "source", rows)
    config = CONFIG.format(records="", files="").replace('content = "catalogue"', "")
    (project / "packager.toml").write_text(config)
    for command in ("scan", "plan", "pack --no-tars", "publish"):
        yield _step(project, command, f", {rows:,} tiny files")
    yield _step(project, "release", f", {rows:,} tiny files, nothing changed")


def write_files(folder: Path, count: int) -> None:
    """Write files of one byte, a thousand per folder, with as many hard links per inode as file systems allow."""
    first = folder
    for number in range(count):
        path = folder / f"{number // 1000:06d}" / f"{number:010d}.txt"
        if number % 1000 == 0:
            path.parent.mkdir()
        if number % LINKS_MOST == 0:
            path.write_text("x")
            os.utime(path, (1_600_000_000, 1_600_000_000))
            first = path
        else:
            os.link(first, path)


def main(data: Path) -> None:
    """Measure and print."""
    print("### Scale: records by the million\n")
    print("| rows | step | s | us a row | CPU s | peak MiB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for millions in ROWS:
        rows = int(millions * 1e6)
        for each in steps(data / "scale", rows):
            print(
                f"| {rows:,} | {each.name} | {each.median:.1f} | {each.median / rows * 1e6:.2f} | {each.cpu[0]:.1f} "
                f"| {each.peak_mib[0]:.0f} |",
                flush=True,
            )
    print()
