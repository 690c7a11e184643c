"""Verify --state: what is proved stays proved, through kills, limits of time and changes; what is not is read."""

import itertools
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from packager import api
from packager.check.targets.find_targets import CheckAgainst, find_targets
from packager.check.targets.target import Inventory, VerifyTarget
from packager.check.verify import scrub_state as scrubs
from packager.check.verify import verify as verifying
from packager.check.verify.read_policy import ReadAll
from packager.check.verify.scrub_state import open_scrub_state
from packager.check.verify.verify import VerifyOptions
from packager.check.verify.verify_run import RunLimits, VerifyRun
from packager.cli.app import main
from packager.core.config.store_url import parse_store_url
from packager.core.reports.check_reports import VerifyReport
from packager.engine.hashing import hash_pool
from packager.engine.published.published_shard import open_published_shard, shard_files
from packager.errors import IncompleteError, InputError
from packager.progress import SILENT
from tests.check.verify.test_verify import NAME, make_release
from tests.helpers.failing_disk import FOR_EVER, FailingDisk

Capture = pytest.CaptureFixture[str]
DAY = 86400.0
SPAN = 256 << 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("released") / "project"
    make_release(root, members=40, member=100_000, size="64 MiB", torrent='piece_length = "64 KiB"')
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hash_pool, "SPAN", SPAN)
    shutil.copytree(made, tmp_path / "project")
    return tmp_path / "project"


def verify(path: Path, *, now: float, older_than: float | None = None, limits: RunLimits | None = None) -> VerifyReport:
    """Verify with a clock that goes on by one second each time it is read."""
    seconds = itertools.count()
    return verifying.verify(
        find_targets([path], CheckAgainst()),
        VerifyOptions(state_file=path.parent.parent / "scrub.state", older_than=older_than),
        limits or RunLimits(1),
        clock=lambda: now + next(seconds) / 1000,
        progress=SILENT,
    )


def tar_of(root: Path) -> Path:
    return root / "shards" / f"{NAME}.tar"


def test_what_is_proved_is_not_read_again_until_it_is_old(root: Path) -> None:
    tar = tar_of(root)
    size = tar.stat().st_size
    now = 2_000_000_000.0
    first = verify(tar, now=now)
    assert (first.read_bytes, first.verified_earlier_bytes, first.ok) == (size, 0, True)
    second = verify(tar, now=now + DAY)
    assert (second.read_bytes, second.verified_earlier_bytes, second.ok, second.complete) == (0, size, True, True)
    assert verify(tar, now=now + 89 * DAY, older_than=90 * DAY).read_bytes == 0
    assert verify(tar, now=now + 91 * DAY, older_than=90 * DAY).read_bytes == size
    assert verify(tar, now=now + 92 * DAY, older_than=90 * DAY).read_bytes == 0
    assert verify(tar, now=now, older_than=90 * DAY).read_bytes == size  # that clock went back: who knows how old it is


@pytest.mark.parametrize("change", [os.utime, lambda tar: (tar.rename("x"), shutil.copy2("x", tar))])
def test_a_file_of_another_time_or_inode_is_read_again(
    root: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    tar = tar_of(root)
    assert verify(tar, now=1e9).read_bytes == tar.stat().st_size
    change(tar)
    assert verify(tar, now=1e9).read_bytes == tar.stat().st_size


def test_a_bad_piece_is_read_and_told_each_time_and_no_other(root: Path) -> None:
    tar = tar_of(root)
    data = bytearray(tar.read_bytes())
    data[200_000] ^= 1
    tar.write_bytes(data)
    first = verify(tar, now=1e9)
    second = verify(tar, now=1e9)
    assert [fault.first_piece for fault in first.faults] == [3]
    assert first.faults == second.faults
    assert second.read_bytes == 64 << 10


def test_time_that_runs_out_ends_in_order_and_the_next_run_goes_on(root: Path) -> None:
    tar = tar_of(root)
    size = tar.stat().st_size
    read = 0
    for _ in range(50):
        report = verify(tar, now=1e9, limits=RunLimits(1, max_time=0.02))
        assert report.ok
        assert report.verified_earlier_bytes == read // (64 << 10) * (64 << 10) or report.complete
        read = report.verified_earlier_bytes + report.read_bytes // SPAN * SPAN
        if report.complete:
            break
    assert report.complete
    assert report.verified_earlier_bytes + report.read_bytes == size


def test_for_exits_with_3_and_says_how_far_it_came(root: Path, capsys: Capture) -> None:
    capsys.readouterr()
    arguments = ["verify", str(tar_of(root)), "--for", "0.001 s", "--read-limit", "1 MB/s", "--workers", "1"]
    assert main(arguments) == 3
    printed = capsys.readouterr()
    assert "not read to the end" in printed.out
    assert "--state" in printed.out
    assert main([*arguments, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_what_was_proved_longest_ago_is_read_first(root: Path) -> None:
    for name in ("copy-a", "copy-b"):
        shutil.copytree(root / "shards", root / name)
    folders = [root / "shards", root / "copy-a", root / "copy-b"]
    state = VerifyOptions(state_file=root / "scrub.state", older_than=1.0)
    tars = [folder / f"{NAME}.tar" for folder in folders]
    for at, tar in enumerate(tars[::-1]):
        found = find_targets([tar], CheckAgainst())
        verifying.verify(found, state, RunLimits(1), clock=lambda at=at: 1e9 + 600 * at, progress=SILENT)
    report = verifying.verify(
        find_targets(tars, CheckAgainst()), state, RunLimits(1), clock=lambda: 2e9, progress=SILENT
    )
    assert [Path(subject.path).parent.name for subject in report.targets] == ["copy-b", "copy-a", "shards"]


def test_loose_files_are_remembered_one_by_one(root: Path) -> None:
    source, state = root / "source", root / "state"
    release = root / "site"
    whole = api.verify([source], api.VerifyOptions(release=release, state_file=state), workers=1)
    assert whole.read_bytes == whole.size
    os.utime(source / "003 [b].bin")
    again = api.verify([source], api.VerifyOptions(release=release, state_file=state), workers=1)
    assert again.read_bytes == (source / "003 [b].bin").stat().st_size


def test_a_state_file_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with (
        open_scrub_state(state, lambda: 0.0, None),
        pytest.raises(InputError, match="in use by another"),
        open_scrub_state(state, lambda: 0.0, None),
    ):
        pass


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 40, None])
def test_another_kind_of_file_is_not_taken_for_a_state_file(tmp_path: Path, content: bytes | None) -> None:
    import sqlite3

    state = tmp_path / "state"
    if content is None:
        database = sqlite3.connect(state)
        database.execute("CREATE TABLE mine (x)")
        database.close()
    else:
        state.write_bytes(content)
    before = state.read_bytes()
    with pytest.raises(InputError, match="not a state file"), open_scrub_state(state, lambda: 0.0, None):
        pass
    assert state.read_bytes() == before


RUNS = [range(10), range(20, 30), range(5, 25), range(7, 8), range(40), range(39, 41)]


def test_runs_are_joined_in_a_minute_and_cut_by_later_ones(tmp_path: Path, root: Path) -> None:
    published = open_published_shard(shard_files(root / "site/manifests" / f"{NAME}.manifest.json"))
    assert published.pieces.count > 41
    (subject,) = find_targets([tar_of(root)], CheckAgainst())
    (stream,) = subject.look().streams
    newest: dict[int, int] = {}
    now = 0.0
    with open_scrub_state(tmp_path / "state", lambda: now, None) as scrub:
        for minute, run in enumerate(RUNS, 1):
            now = 60.0 * minute
            scrub.add_verified(stream, [run])
            newest |= dict.fromkeys(run, minute)
            assert sum(map(len, scrub.pieces(stream, 0))) == published.pieces.count - len(newest)
    for minute in range(len(RUNS) + 1):
        with open_scrub_state(tmp_path / "state", lambda: 6000.0, 6000.0 - 60 * minute) as scrub:
            wanted = {piece for run in scrub.pieces(stream, 0) for piece in run}
        fresh = {piece for piece, proved in newest.items() if proved > minute}
        assert wanted == set(range(published.pieces.count)) - fresh


# Short spans, and a state that is flushed often: so a kill meets all of it.
SMALL_STEPS = (
    "from packager.check.verify import scrub_state; from packager.engine.hashing import hash_pool; "
    f"hash_pool.SPAN = {SPAN}; scrub_state._FLUSH_BYTES = {2 * SPAN}"
)


def kill_and_go_on(root: Path, capsys: Capture, disk: FailingDisk, seed: int, kills: int) -> None:
    """Kill verify at `kills` instants; each next run goes on, and the last one tells the truth."""
    tar, state = tar_of(root), root / "scrub.state"
    data = bytearray(tar.read_bytes())
    data[300_000] ^= 1
    tar.write_bytes(data)
    chance = random.Random(seed)
    arguments = ["verify", str(tar), "--state", str(state), "--workers", "1"]
    killed = resumed = 0
    calm = disk.kill(root, FOR_EVER, *arguments, first=SMALL_STEPS)
    assert calm.code == 1, calm.err
    state.unlink()
    while killed < kills:
        ended = disk.kill(root, chance.randint(1, calm.calls), *arguments, first=SMALL_STEPS)
        killed += ended.killed
        with open_scrub_state(state, lambda: 2e9, None) as scrub:
            (stream,) = find_targets([tar], CheckAgainst())[0].look().streams
            wanted = {piece for run in scrub.pieces(stream, 0) for piece in run}
        assert 300_000 // (64 << 10) in wanted
        resumed += 1 < len(wanted) < stream.known.pieces.count
        if not ended.killed or chance.random() < 0.3:
            state.unlink()
    assert resumed
    ended = disk.calm(root, *arguments)
    assert ended.code == 1, ended.err
    final = report_of(capsys, arguments)
    assert [fault["first_piece"] for fault in final["faults"]] == [300_000 // (64 << 10)]
    assert (final["read_bytes"], final["complete"]) == (64 << 10, True)


def report_of(capsys: Capture, arguments: list[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) in {0, 1}
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_scrub_killed_ten_times_goes_on_and_ends_right(root: Path, capsys: Capture, disk: FailingDisk) -> None:
    kill_and_go_on(root, capsys, disk, seed=20261121, kills=10)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_scrub_killed_fifty_times_goes_on_and_ends_right(root: Path, capsys: Capture, disk: FailingDisk) -> None:
    kill_and_go_on(root, capsys, disk, seed=7, kills=50)


def test_scrubs_module_flushes_by_time_and_bytes() -> None:
    assert (scrubs._FLUSH_SECONDS, scrubs._FLUSH_BYTES) == (30.0, 1 << 30)


def test_documents_that_cannot_be_read_now_leave_out_their_tar_and_a_store_that_fails_ends_the_run() -> None:
    def fails() -> NoReturn:
        raise IncompleteError("x", "Input/output error")

    good = VerifyTarget(Path("b.tar"), "tar", Inventory, size=1, pieces=1)
    run = VerifyRun([VerifyTarget(Path("a.tar"), "tar", fails, size=1, pieces=1), good], ReadAll(), SILENT)
    run.look_quickly(time.monotonic)
    assert [each.error for each in run.report("quick", seconds=0).targets] == ["x: Input/output error", ""]
    stored = VerifyTarget(parse_store_url("s3://bucket/a.tar", "test"), "tar", fails, size=1, pieces=1)
    with pytest.raises(IncompleteError):
        VerifyRun([stored, good], ReadAll(), SILENT).look_quickly(time.monotonic)
