"""Find one member of a release over HTTP: requests, bytes and milliseconds, by the number of members.

LOOKUP_MEMBERS is the number of members (200,000; with 10,000,000 it takes some minutes and 2.5 GB). The members are
generated: published tables of 20,000 rows, and from 4,000,000 members on also one of 1,000,000. The index is built from
them as by `publish`.
"""

import os
import random
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from bench.timing import own_peak_kib
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.releases import documents, lookup_index
from packager.core.releases.lookup_index import Lookup
from packager.engine.published.member_rows import read_rows
from packager.engine.published.release_reader import ReleaseReader, open_release_reader
from packager.engine.tables import parquet
from packager.model import MEMBERS
from packager.progress import SILENT
from packager.publish.build_lookup import MembersTable, build_lookup

MEMBERS_MADE = int(os.environ.get("LOOKUP_MEMBERS", "200000"))
SHARD, LARGE = 20_000, 1_000_000  # members; 86 million in 300 TB and shards of 64 GiB are about 20,000 per shard
ASKED = 200  # look-ups of each kind
_RANGE = re.compile(r"bytes=(?:([0-9]+)-([0-9]+)|-([0-9]+))")
# A row like those of an archive of music: about 92 bytes in the table.
ROWS = """
SELECT substr(md5(i::VARCHAR), 1, 22) AS id,
    format('Artist {}/Album {}/{:02d} {}.ogg', i // 37 % 50000, i // 12, i % 12 + 1,
        substr(md5(i::VARCHAR), 5, 14)) AS path,
    NULL::VARCHAR AS source_path, NULL::VARCHAR AS source_path_b64,
    (i * 4194304 + i * 7919 % 4096 * 512)::BIGINT AS "offset", (1500000 + i * 48271 % 7500000)::BIGINT AS size,
    unhex(sha256(i::VARCHAR)) AS sha256, 'audio' AS kind,
    format('{} of the {}', substr(md5(i::VARCHAR), 5, 7), substr(md5(i::VARCHAR), 12, 7)) AS title,
    format('Artist {}', i // 37 % 50000) AS artist, format('Album {}', i // 12) AS album,
    (i % 12 + 1)::INTEGER AS track,
    format('{}-03-12', 1950 + i // 500 % 70) AS date, (1950 + i // 500 % 70)::INTEGER AS year,
    format('US{}{:02d}{:05d}', substr('ABCDEFGHIJKLMNOPQRSTUVWXYZABC', (i // 10000000 % 26 + 1)::INTEGER, 3),
        i // 100000 % 100, i % 100000) AS isrc,
    round(90 + i * 7919 % 310000 / 1000, 3) AS duration, 'vorbis' AS codec, NULL::VARCHAR AS licence,
    (i * 31 % 100)::DOUBLE AS popularity, format('{{"album_id":"{}"}}', substr(md5((i // 12)::VARCHAR), 1, 22)) AS extra
FROM range($1, $2) numbers(i) ORDER BY i
"""


def shards(members: int) -> Iterator[tuple[int, range]]:
    """Yield each shard's number and members."""
    first, number = 0, 1
    while first < members:
        stop = min(members, first + (LARGE if number == 1 and members >= 4 * LARGE else SHARD))
        yield number, range(first, stop)
        first, number = stop, number + 1


def made_release(folder: Path, members: int) -> Lookup:
    """Make the tables and the index of this many members, and print the cost of the index."""
    database = duckdb.connect()
    made: list[MembersTable] = []
    for number, rows in shards(members):
        path = folder / f"manifests/bench-all-{number:05d}.members.parquet"
        table = database.sql(ROWS, params=[rows.start, rows.stop]).to_arrow_table().cast(MEMBERS)
        parquet.write_members(path, MEMBERS, table.to_batches(), table.num_rows)
        made.append(MembersTable(path, number, 1))
    database.close()
    began = time.monotonic()
    index = build_lookup(made, [], folder / "lookup", "bench000", SILENT)
    print(f"Index made in {time.monotonic() - began:.0f} s: {index.keys:,} keys, {len(index.parts)} parts, ", end="")
    size, weight = sum(part.size for part in index.parts), sum(table.path.stat().st_size for table in made)
    print(
        f"{size / 1e6:,.0f} MB ({size / members:.1f} B a member), a bucket {index.bucket_bytes / 1e3:.1f} KB; ", end=""
    )
    print(f"tables {weight / 1e6:,.0f} MB; peak {own_peak_kib() >> 10:,} MiB.\n")
    return msgspec.structs.replace(index, collection="bench", serial=1, phases=("all",))


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves ranges of the files below a folder."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits 40 ms for the acknowledgement of its header

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""

    def send_head(self) -> BytesIO | None:
        path = Path(self.translate_path(self.path))
        size = path.stat().st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, stop = 0, size
        if asked:
            start = max(0, size - int(asked[3])) if asked[3] else int(asked[1])
            stop = size if asked[3] else int(asked[2]) + 1
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(start)
            return BytesIO(file.read(stop - start))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def look_up(files: ReleaseReader, key: str, scratch: Path) -> tuple[int, int, float, pa.Table]:
    """Find one member without local data: return requests, bytes, milliseconds and its row."""
    began = time.monotonic()
    requests, received = files.cost.requests, files.cost.received
    index = lookup_index.parse_lookup(files.read(lookup_index.LOOKUP, lookup_index.LIMIT), lookup_index.LOOKUP)
    place = lookup_index.bucket_range(index, key)
    hit = lookup_index.parse_bucket(index, files.read_range(place.part.path, place.start, place.stop), place.mark)[0]
    rows = read_rows(files, f"manifests/{hit.shard}.members.parquet", [hit.row], scratch)
    files.read(f"manifests/{hit.shard}.manifest.json", 1 << 20)
    seconds = time.monotonic() - began
    return files.cost.requests - requests, files.cost.received - received, 1000 * seconds, rows


def main(data: Path) -> None:
    """Print the table."""
    folder = data / "lookup"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "manifests").mkdir(parents=True)
    index = made_release(folder, MEMBERS_MADE)
    (folder / lookup_index.LOOKUP).write_bytes(documents.to_bytes(index))
    for number, _ in shards(MEMBERS_MADE):  # of the length of a manifest of 64 GiB
        (folder / f"manifests/bench-all-{number:05d}.manifest.json").write_bytes(bytes(1500))
    chance = random.Random(1)
    pick: dict[str, Callable[[], int]] = {f"a shard of {SHARD:,}": lambda: chance.randrange(MEMBERS_MADE)}
    if MEMBERS_MADE >= 4 * LARGE:
        pick = {
            f"a shard of {SHARD:,}": lambda: chance.randrange(LARGE, MEMBERS_MADE),
            f"a shard of {LARGE:,}": lambda: chance.randrange(LARGE),
        }
    print(f"Found among {MEMBERS_MADE:,} members:\n")
    print("| by | in | requests, most | bytes, median | bytes, most | ms on loopback, median | most |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with serving(folder) as address, open_release_reader(address, allowed=allowed_hosts(["127.0.0.1"])) as files:
        for where, chosen in pick.items():
            for column in ("id", "path", "isrc"):
                costs = [_one(files, column, chosen(), folder) for _ in range(ASKED)]
                requests, sizes, times = zip(*costs, strict=True)
                cells = [f"{max(requests)}", f"{statistics.median(sizes):,.0f}", f"{max(sizes):,}"]
                cells += [f"{statistics.median(times):.1f}", f"{max(times):.1f}"]
                print(f"| {column} | {where} | {' | '.join(cells)} |")
    shutil.rmtree(folder)


def _one(files: ReleaseReader, column: str, number: int, scratch: Path) -> tuple[int, int, float]:
    """Look up one member by its key."""
    with duckdb.connect() as database:
        (key,) = database.execute(f"SELECT {column} FROM ({ROWS})", [number, number + 1]).fetchall()[0]
    requests, received, milliseconds, row = look_up(files, key, scratch)
    assert row[column][0].as_py() == key
    return requests, received, milliseconds
