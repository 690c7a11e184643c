"""What is not as it was packed gives no bytes: 503, or an answer that is cut short; and the log says why."""

import http.client
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packager import api
from packager.engine.project.project import Project as ProjectPaths
from packager.engine.project.tar_stamps import read_tar_stamp
from packager.model import ShardName
from tests.helpers.first_releases import first_release
from tests.helpers.projects import Project
from tests.helpers.serve_process import Served, released, serving, tars
from tests.helpers.waiting import PATIENCE, until

NAME = "tones-all-00001.tar"
COUNT, SIZE = 8, 3_000_000
PHASES = '[[phases]]\nname = "all"\ntitle = "All"\norder = "path"\n'


def make(root: Path) -> Project:
    """Make a project of one shard with some large members."""
    project = Project(root)
    project.source.mkdir(parents=True)
    chance = random.Random(7)
    for number in range(COUNT):
        (project.source / f"{number}.flac").write_bytes(chance.randbytes(SIZE))
    project.write_config(size="64 MiB", phases=PHASES, torrent='piece_length = "256 KiB"')
    return project


def _release(root: Path, *, virtual: bool) -> Project:
    return released(make(root), virtual=virtual)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tars(first_release(tmp_path_factory.mktemp("real") / "p", _release, virtual=False))[NAME]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return first_release(tmp_path / "p", _release, virtual=True)


@pytest.fixture
def served(project: Project) -> Iterator[Served]:
    with serving(project) as running:
        yield running


def start_of(project: Project, tar: bytes, number: int) -> int:
    """Return where a member's data begin in the tar."""
    return tar.index((project.source / f"{number}.flac").read_bytes()[:64])


def ranged(start: int, length: int = 1000) -> dict[str, str]:
    return {"Range": f"bytes={start}-{start + length - 1}"}


def vanish(path: Path) -> None:
    path.unlink()


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize("change", [vanish, touch, grow])
def test_ranges_of_a_source_that_changed_are_503_the_log_names_it_and_others_are_right(
    served: Served, tar: bytes, change: Callable[[Path], None]
) -> None:
    second, third = (start_of(served.project, tar, number) for number in (1, 2))
    change(served.project.source / "1.flac")
    path = f"/shards/{NAME}"
    for headers in (ranged(second), ranged(second + SIZE - 1000), ranged(second - 10), {}):
        status, _, body = served.get(path, headers)
        assert (status, body) == (503, b"these bytes are not available now; the server's log says why\n")
    assert served.get(path, ranged(third))[::2] == (206, tar[third : third + 1000])
    assert served.get(path, {"Range": f"bytes=0-{second - 1}"})[::2] == (206, tar[:second])
    assert served.get(path, {"Range": f"bytes=0-9,{second}-{second}"})[0] == 503
    assert f"error: GET {path}: {served.project.source}/1.flac: " in served.logged()
    assert served.metric('packager_errors_total{kind="source"}') == 5


def test_a_source_that_changes_while_it_is_sent_cuts_the_answer_short(served: Served, tar: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    connection.request("GET", f"/shards/{NAME}")
    answer = connection.getresponse()
    got = answer.read(1000)
    last = served.project.source / f"{COUNT - 1}.flac"
    last.write_bytes(bytes(SIZE))  # the kernel's buffers hold less than the seven members before it
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as cut:
        got += answer.read()
    if isinstance(cut.value, http.client.IncompleteRead):
        got += cut.value.partial
    connection.close()
    assert tar.startswith(got)
    assert served.get(f"/shards/{NAME}", ranged(5))[0] == 206
    assert f"/{COUNT - 1}.flac: changed: it was written to" in served.logged()


def test_bytes_that_changed_though_size_and_time_did_not_are_not_sent_by_the_paranoid(
    project: Project, tar: bytes
) -> None:
    where = start_of(project, tar, 3)
    source = project.source / "3.flac"
    status = source.stat()
    with source.open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"?")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    with serving(project, "--check-pieces") as served:
        path = f"/shards/{NAME}"
        bad = where + SIZE // 2
        assert served.get(path, ranged(bad))[0] == 503
        assert f"piece {bad >> 18} " in served.logged()
        piece = (bad >> 18) + 1 << 18
        assert served.get(path, ranged(piece, 1_000_000))[::2] == (206, tar[piece : piece + 1_000_000])
        assert served.get(path, {"Range": "bytes=0-99,-5"})[0] == 206
        first = bad >> 18 << 18
        assert served.get(path, {"Range": f"bytes=0-{first - 1}"})[::2] == (206, tar[:first])
        assert served.get(path)[0] == served.get(path, method="HEAD")[0] == 503


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_paranoid_prove_by_pieces_of_either_kind_and_tars_too(tmp_path: Path, version: str) -> None:
    project = make(tmp_path / "p")
    project.write_config(size="64 MiB", phases=PHASES, torrent=f'format = "{version}"')
    released(project, virtual=False)
    tar = tars(project)[NAME]
    with serving(project, "--check-pieces") as served:
        assert served.get(f"/shards/{NAME}")[2] == tar
    rot(project.root / "shards" / NAME, len(tar) - 700)
    with serving(project, "--check-pieces") as served:
        assert served.get(f"/shards/{NAME}", {"Range": "bytes=-1000"})[2] == tar[-1000:]
    for source in project.source.iterdir():
        source.unlink()
    with serving(project, "--check-pieces") as served:
        assert served.get(f"/shards/{NAME}", {"Range": "bytes=-10"})[0] == 503
        assert served.get(f"/shards/{NAME}", {"Range": "bytes=0-9"})[2] == tar[:10]


def rot(path: Path, at: int) -> None:
    """Flip a bit of a file, and leave its size and time as they were."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_over(path: Path, at: int) -> None:
    """Flip a bit of a file."""
    rot(path, at)
    os.utime(path)


def replace_by(path: Path, at: int) -> None:
    """Put another file of the same size and time in the place of a file."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    rot(other, at)
    other.rename(path)


def test_a_tar_that_was_changed_gives_no_wrong_byte_whatever_became_of_its_time(tmp_path: Path, tar: bytes) -> None:
    project = first_release(tmp_path / "p", _release, virtual=False)
    path, there = f"/shards/{NAME}", project.root / "shards" / NAME
    with serving(project) as served:
        assert served.get(path)[2] == tar
        for number, change in enumerate((rot, write_over, replace_by)):
            at = 4_000_000 * (number + 1)
            change(there, at)
            assert served.get(path, ranged(at))[::2] == (206, tar[at : at + 1000])  # from the sources
        assert served.logged().count(f"error: {NAME} was changed after it was written") == 1
        (project.root / ".packager" / "tars" / f"{NAME[:-4]}.written.json").write_bytes(b"{")
        assert served.get(path)[2] == tar
    for source in project.source.iterdir():
        source.write_bytes(b"")
    with serving(project) as served:
        for method in ("GET", "HEAD"):
            status, headers, _ = served.get(path, method=method)
            assert (status, headers["Retry-After"], headers.get("ETag")) == (503, "60", None)
        assert served.get(path, ranged(at))[0] == 503
        assert served.get(path, ranged(0))[::2] == (206, tar[:1000])  # a piece that is right
        assert "has no recorded size and times" in served.logged()


@pytest.mark.parametrize("made", [os.mkfifo, Path.mkdir, lambda path: os.truncate(path.touch() or path, 1 << 30)])
def test_a_note_of_a_tar_that_is_no_note_is_none_and_holds_nothing_up(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    workspace = ProjectPaths(tmp_path / "packager.toml", tmp_path, None, tmp_path, tmp_path)
    note = workspace.tar_note(ShardName(NAME))
    note.parent.mkdir(parents=True)
    made(note)
    assert read_tar_stamp(workspace, ShardName(NAME)) is None


def test_a_tar_that_is_there_is_preferred_and_one_of_another_size_is_not(served: Served, tar: bytes) -> None:
    config = served.project.root / "packager.toml"
    api.export(config, [NAME.removesuffix(".tar")], workers=1)
    for path in served.project.source.iterdir():
        path.rename(path.with_suffix(".away"))
    assert served.get(f"/shards/{NAME}")[2] == tar
    with (served.project.root / "shards" / NAME).open("ab") as file:
        file.write(b"x")
    assert served.get(f"/shards/{NAME}", ranged(0, 10))[2] == tar[:10]
    assert served.get(f"/shards/{NAME}", ranged(start_of_first(tar)))[0] == 503


def test_without_the_sources_folder_tars_are_served_and_the_shards_without_one_are_named(
    project: Project, tar: bytes
) -> None:
    path, name = f"/shards/{NAME}", NAME.removesuffix(".tar")
    config = project.root / "packager.toml"
    records = f'[records]\nfiles = ["{project.source.name}/records.csv"]\n'
    config.write_text(config.read_text().replace("[shards]\n", f"{records}[shards]\n"))  # gone with it
    project.source.rename(project.root / "away")
    with serving(project) as served:
        assert served.get(path, ranged(start_of_first(tar)))[0] == 503
        assert served.get("/release.json")[0] == 200
    assert f"{name}: not served: it has no tar, and its source files are missing\n" in "".join(served.said)
    (project.root / "shards").mkdir(exist_ok=True)
    (project.root / "shards" / NAME).write_bytes(tar)  # no stamp: each piece is checked
    with serving(project) as served:
        assert served.get(path)[::2] == (200, tar)
    assert f"{name}: not served" not in "".join(served.said)
    assert "not found; only existing tars are served" in "".join(served.said)


def start_of_first(tar: bytes) -> int:
    """Return a place that lies in some member's data."""
    return len(tar) // 2


def test_bytes_of_a_record_that_was_withdrawn_are_refused_with_or_without_a_tar(served: Served, tar: bytes) -> None:
    release = served.project.root / "site" / "release.json"
    document = json.loads(release.read_bytes())
    taken = {"id": "2.flac", "reason": "by request", "date": document["date"]}
    path = f"/shards/{NAME}"
    assert served.get(path, ranged(5))[0] == 206
    beside = release.with_name("next")
    beside.write_text(json.dumps(document | {"withdrawals": [taken]}))
    beside.rename(release)
    start, other = (start_of(served.project, tar, number) for number in (2, 3))
    until(lambda: served.get(path, ranged(start))[0] == 451)
    for headers, status in (
        ({}, 451),
        (ranged(start - 1, 2), 451),
        (ranged(start + SIZE - 1, 1), 451),
        (ranged(start - 10, 10), 451),  # the header, which names it
        (ranged(start + SIZE, 10), 451),
        (ranged(other, SIZE), 206),
        (ranged(other - 10, 20), 451),
    ):
        assert served.get(path, headers)[0] == status
    assert served.get(path, method="HEAD")[0] == 451
    api.export(served.project.root / "packager.toml", [NAME.removesuffix(".tar")], workers=1)
    assert served.get(path, ranged(start))[0] == 451
    assert served.get(path, ranged(0, 10))[0] == 451
    assert served.get(path, ranged(other, SIZE))[0] == 206


def test_a_source_that_was_only_touched_is_served_again_when_a_plan_has_compared_it(served: Served, tar: bytes) -> None:
    path = f"/shards/{NAME}"
    start = start_of(served.project, tar, 4)
    assert served.get(path, ranged(start))[0] == 206
    touch(served.project.source / "4.flac")
    assert served.get(path, ranged(start))[0] == 503
    config = served.project.root / "packager.toml"
    api.scan(config, workers=1)
    api.plan(config)
    until(lambda: served.get(path, ranged(start))[0] == 206)
    assert served.get(path)[2] == tar


def test_the_catalogue_s_own_shard_is_served_on_when_a_plan_finds_it_unchanged(tmp_path: Path) -> None:
    project = make(tmp_path / "p")
    catalogue = '[[phases]]\nname = "meta"\ntitle = "Meta"\ncontent = "catalogue"\n'
    project.write_config(size="64 MiB", phases=PHASES + catalogue)
    released(project, virtual=True)
    config = project.root / "packager.toml"
    with serving(project) as served:
        whole = served.get("/shards/tones-meta-00001.tar")[2]
        assert whole.startswith(b"tones-meta-00001/")
        touch(project.source / "0.flac")
        api.scan(config, workers=1)
        api.plan(config)
        until(lambda: served.get("/shards/tones-meta-00001.tar")[::2] == (200, whole))


def test_layouts_that_do_not_fit_the_memory_are_read_again_when_they_are_asked_for(tmp_path: Path) -> None:
    project = make(tmp_path / "p")
    project.write_config(size="4 MiB", phases=PHASES)
    released(project, virtual=True)
    names = sorted(path.name for path in (project.root / ".packager" / "packed").iterdir())
    assert len(names) == COUNT
    with serving(project, "--cache-size", "1 KiB") as served:
        for name in names * 2:
            assert served.get(f"/shards/{name}.tar", ranged(0, 20))[2].startswith(name.encode())
        assert served.metric("packager_shards_opened_total") > COUNT
