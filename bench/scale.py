"""Millions of records: scan, plan, pack and publish of a catalogue that has no files, and the plan of one that has.

The records are made up by DuckDB from a seed; no audio is there, so what is measured is the catalogue's own way:
out of core, with bounded memory. ROWS in the environment gives the sizes in millions, "1,10,50" where it does not.
Each size is run once: these are minutes, and memory is what is asked.
"""

import os
import shutil
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.datasets import IS_SMALL
from bench.timing import Contender, measure_once
from packager.engine import tables
from packager.model import CATALOGUE

ROWS = [float(rows) for rows in os.environ.get("ROWS", "0.1" if IS_SMALL else "1,10,50").split(",")]
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
# What a made-up record holds, by its number i; hash() is DuckDB's own and the same on every run.
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
    """Write a catalogue of made-up rows whose files nobody has, ordered by id as `scan` leaves it."""
    query = f"""SELECT {RECORD}, format('{{:03d}}/{{:06d}}/{{:010d}}.mp3', i // 1200000, i // 12, i) AS path,
        path AS member, 'audio' AS kind, (2000000 + hash(i, 4) % 12000000)::BIGINT AS size,
        1700000000000000000 AS mtime_ns, 'mp3' AS codec FROM range({rows}) t(i)"""
    tables.write_table(path, CATALOGUE, map(_as_catalogue, duckdb.sql(query).to_arrow_reader(tables.BATCH_ROWS)))


def _as_catalogue(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with all columns of the catalogue, null where nothing is made up."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(len(batch), field.type)
        for field in CATALOGUE
    ]
    return pa.record_batch(columns, CATALOGUE)


def _apart(write: Callable[[Path, int], None], path: Path, rows: int) -> None:
    """Write in a process of its own: what is measured begins with the memory that this one has."""
    process = get_context("spawn").Process(target=write, args=(path, rows))
    process.start()
    process.join()
    assert process.exitcode == 0


def steps(data: Path, rows: int) -> list[Contender]:
    """Return what each step took for a catalogue of `rows` rows."""
    root = data / "scale"
    shutil.rmtree(root, ignore_errors=True)
    bare, full = root / "bare", root / "full"
    for project in (bare, full):
        (project / "source").mkdir(parents=True)
        (project / "source" / "one.txt").write_text("the one file\n")
    _apart(write_records, bare / "records.parquet", rows)
    (bare / "packager.toml").write_text(CONFIG.format(records='records = "records.parquet"', files=""))
    (full / "packager.toml").write_text(
        CONFIG.format(records="", files=FILES).replace('content = "catalogue"', 'where = "false"')
    )
    packager = f"{sys.executable} -m packager"
    taken = [
        measure_once(f"{step}, metadata alone", f"cd {bare} && {packager} {step}")
        for step in ("scan", "plan", "pack", "publish", "release")
    ]
    taken[-1].name = "release again, nothing changed"
    shutil.rmtree(bare)
    (full / ".packager").mkdir()
    _apart(write_catalogue, full / ".packager/catalogue.parquet", rows)
    taken.append(measure_once("plan, every record with a file", f"cd {full} && {packager} plan"))
    taken.append(measure_once("plan again, nothing changed", f"cd {full} && {packager} plan"))
    taken.append(measure_once("estimate --budget 100TB", f"cd {full} && {packager} estimate --budget 100TB"))
    shutil.rmtree(root)
    return taken


def main(data: Path) -> None:
    """Measure and print."""
    print("### Scale: records by the million\n")
    print("| rows | step | s | us a row | CPU s | peak MiB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for millions in ROWS:
        rows = int(millions * 1e6)
        for each in steps(data, rows):
            print(
                f"| {rows:,} | {each.name} | {each.median:.1f} | {each.median / rows * 1e6:.2f} | {each.cpu[0]:.1f} "
                f"| {each.peak_mib[0]:.0f} |",
                flush=True,
            )
    print()
