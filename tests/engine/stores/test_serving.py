"""serve gives what lies in a store: tars there, or sources there of tars that are nowhere; never a wrong byte."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packager import api
from packager.core.config.store_url import parse_store_url
from packager.engine.files.range_readers import UnreadableError
from packager.engine.project.load_project import load_project
from packager.engine.project.tar_stamps import write_tar_stamp
from packager.engine.stores import store_at
from packager.engine.stores.read_ahead import MemoryLimit
from packager.engine.stores.stored_body import StoredTar
from packager.model import ShardName
from tests.helpers import s3_server
from tests.helpers.projects import Project
from tests.helpers.s3_server import Bucket, Storm
from tests.helpers.serve_process import Served, serving
from tests.helpers.waiting import until
from tests.serve.test_serve_sources import PHASES, ranged

NAME = "tones-all-00001.tar"


def make(root: Path, bucket: Bucket, files: int) -> Project:
    """Release a project whose source is in a bucket, and whose tars would be there."""
    chance = random.Random(7)
    for number in range(files):
        bucket.put(f"source/{number}.flac", chance.randbytes(1_500_000))
    bucket.put("source/small/é.txt", b"x" * 10)
    bucket.put("source/small/empty.txt", b"")
    project = Project(root)
    project.root.mkdir()
    project.write_config(size="64 MiB", phases=PHASES, torrent='piece_length = "256 KiB"')
    config = project.root / "packager.toml"
    text = config.read_text().replace('source = "source"', f'source = "s3://{bucket.name}/source"')
    config.write_text(text.replace("[shards]", f'[shards]\nfolder = "s3://{bucket.name}/tars"'))
    api.release(config, no_tars=True, workers=1)
    return project


@pytest.fixture
def storm(bucket: Bucket) -> Iterator[Storm]:
    """Return the plan of a proxy before the store."""
    store_at.cache_clear()
    with s3_server.proxy(bucket.port) as storm:
        yield storm


@pytest.fixture(params=[3])
def served(
    bucket: Bucket, storm: Storm, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """Return a server of a tar that is nowhere, made of so many sources in a store."""
    project = make(tmp_path / "p", bucket, request.param)
    s3_server.use(monkeypatch, storm.address)
    with serving(project, own_pid=True) as running:
        yield running


def served_size(project: Project) -> int:
    """Return the bytes of the one shard."""
    release = json.loads((project.root / "site" / "release.json").read_bytes())
    return int(release["shards"][0]["size"])


def whole(project: Project, tmp_path: Path, bucket: Bucket) -> bytes:
    """Return the tar as one machine packs it of the same files in a folder."""
    twin = Project(tmp_path / "twin")
    for key, data in bucket.everything("source/").items():
        path = twin.source / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    twin.write_config(size="64 MiB", phases=PHASES, torrent='piece_length = "256 KiB"')
    api.release(twin.root / "packager.toml", workers=1)
    return (twin.root / "shards" / NAME).read_bytes()


def test_a_shard_is_served_of_sources_or_of_a_tar_in_a_store_through_faults(
    served: Served, bucket: Bucket, storm: Storm, tmp_path: Path
) -> None:
    tar = whole(served.project, tmp_path, bucket)
    storm.faults = ("500", "503", "lost", "cut")
    for place in ("source/", f"tars/{NAME}"):
        storm.requests.clear()
        storm.share = 0.0
        until(lambda place=place: served.get(f"/shards/{NAME}")[2] == tar and place in str(storm.requests))
        storm.share = 0.1
        for start in (5, 1_499_000, len(tar) - 3000):
            status, _, body = served.get(f"/shards/{NAME}", ranged(start, 3000))
            assert (status, body) == (206, tar[start : start + 3000])
        bucket.put(f"tars/{NAME}", tar)
    assert set(storm.done) > {""}
    assert not s3_server.tells_a_key(served.logged(), *served.said)


@pytest.mark.soak
def test_a_store_that_is_gone_is_503_and_a_file_that_was_written_to_there_gives_no_byte(
    served: Served, bucket: Bucket, storm: Storm, tmp_path: Path
) -> None:
    storm.share, storm.faults = 1.0, ("503",)
    status, headers, _ = served.get(f"/shards/{NAME}", ranged(1_000_000))
    assert (status, headers["Retry-After"]) == (503, "60")
    assert "the store answers 503 SlowDown, 8 times in a row" in served.logged()
    assert served.get("/")[0] == 200  # the site is here
    storm.share = 0.0
    tar, data = whole(served.project, tmp_path, bucket), bucket.get("source/0.flac")
    bucket.put("source/0.flac", data[:-1] + b"!")
    bucket.put(f"tars/{NAME}", b"another")  # of another size, so it is none
    assert served.get(f"/shards/{NAME}", ranged(1_000_000))[0] == 503
    assert "0.flac: changed since it was packed: it was written to" in served.logged()
    bucket.put(f"tars/{NAME}", tar)
    until(lambda: served.get(f"/shards/{NAME}", ranged(1_000_000))[0] == 206)
    assert served.get(f"/shards/{NAME}", ranged(1_000_000))[2] == tar[1_000_000:1_001_000]


@pytest.mark.usefixtures("impatient")
def test_a_tar_that_is_replaced_while_it_is_sent_is_never_sent_to_its_end(bucket: Bucket, storm: Storm) -> None:
    """Answers are cut before their last byte, as those of a file that changes on disk are."""
    data = random.Random(1).randbytes(6 << 20)
    bucket.put("x.tar", data)
    room = MemoryLimit(3 << 20)
    store = store_at(parse_store_url(f"s3://{bucket.name}", "test"))
    tar = StoredTar(store, "x.tar", len(data), room)
    tar.check(0, len(data))
    parts = tar.parts(0, len(data))
    assert next(step for step in parts if isinstance(step, bytes)) == data[: 1 << 20]
    bucket.put("x.tar", bytes(reversed(data)))
    got: list[bytes] = []
    with pytest.raises(UnreadableError, match="changed: it was written to"):
        got.extend(step for step in parts if isinstance(step, bytes))
    assert data[1 << 20 :].startswith(b"".join(got))


@pytest.mark.usefixtures("impatient")
def test_readers_share_one_room_and_give_it_back_however_they_end(bucket: Bucket) -> None:
    data = random.Random(1).randbytes(8 << 20)
    bucket.put("x.tar", data)
    store = store_at(parse_store_url(f"s3://{bucket.name}", "test"))
    taken: list[int] = []

    class Watched(MemoryLimit):
        def take(self, size: int, *, needed: bool) -> bool:
            found = super().take(size, needed=needed)
            taken.append((4 << 20) - self.left)
            return found

    room = Watched(4 << 20)
    tars = [StoredTar(store, "x.tar", len(data), room) for _ in range(3)]
    readings = [tar.parts(0, len(data)) for tar in tars]
    assert b"".join(step for step in readings[0] if isinstance(step, bytes)) == data
    for reading in readings[1:]:
        next(reading)
        next(reading)
        reading.close()  # type: ignore[attr-defined]  # a generator: a client that left
    until(lambda: room.left == 4 << 20)
    assert max(taken) <= 5 << 20  # the room, and a range of who has none


@pytest.mark.soak
@pytest.mark.parametrize("served", [16], indirect=True)
def test_many_clients_of_a_failing_store_get_right_bytes_and_memory_stays(
    served: Served, bucket: Bucket, storm: Storm
) -> None:
    size = served_size(served.project)
    data = random.Random(2).randbytes(size)  # of the size that the release lists: this server compares no more
    bucket.put(f"tars/{NAME}", data)
    write_tar_stamp(load_project(served.project.root / "packager.toml")[1], ShardName(NAME.removesuffix(".tar")))
    until(lambda: served.get(f"/shards/{NAME}", ranged(0))[2] == data[:1000])
    before = served.resident()
    storm.share, storm.faults = 0.1, ("500", "503", "lost", "cut", "slow")
    most = [before]

    def fetch(number: int) -> bool:
        for round_ in range(4):
            start = (number * 7 + round_) * 4099 % (size // 2)
            status, _, body = served.get(f"/shards/{NAME}", {"Range": f"bytes={start}-"})
            most[0] = max(most[0], served.resident())
            if (status, body) != (206, data[start:]):
                return False
        return True

    with ThreadPoolExecutor(24) as clients:
        assert all(clients.map(fetch, range(24)))
    assert set(storm.done) == {"", *storm.faults}
    assert most[0] - before < 160 << 20  # of 24 MB for each of 24 clients
