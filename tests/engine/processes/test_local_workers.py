"""Tasks end alike on one process and on many; a worker that dies is told, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager.engine.processes.local_workers import LocalWorkers, run_tasks
from packager.engine.processes.worker_pool import available_cores, direct_job
from packager.errors import IncompleteError, InputError, PackagerError, TrustError
from packager.progress import Advance
from tests.helpers.waiting import until

ERRORS: dict[int, PackagerError] = {
    2: InputError("a.toml", "is wrong", "fix it"),
    3: TrustError("release.json", "was signed twice"),
    5: IncompleteError("é\u202e.flac", "has 1 bytes, had 2 at the scan"),
}


def nothing(amount: int) -> None:
    """Take what is told and show nothing."""


def square(task: int, advance: Advance) -> int:
    if task in ERRORS:
        raise ERRORS[task]
    for _ in range(task):
        advance(10)
    return task * task


def kill_one(task: int, advance: Advance) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def buggy(task: int, advance: Advance) -> float:
    return 1 / task


def endless(task: int, advance: Advance) -> int:
    while task:
        advance(1)
    return task


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_and_users_errors_are_values_for_any_number_of_workers(workers: int) -> None:
    told: list[int] = []
    results = dict(run_tasks(square, range(8), workers=workers, advance=told.append))
    assert sorted(results) == list(range(8))
    for task, result in results.items():
        if task in ERRORS:
            assert isinstance(result, PackagerError)
            assert type(result) is type(ERRORS[task])
            assert (str(result), result.where, result.what, result.fix, result.exit_code) == (
                str(ERRORS[task]), ERRORS[task].where, ERRORS[task].what, ERRORS[task].fix, ERRORS[task].exit_code,
            )  # fmt: skip
        else:
            assert result == task * task
    assert sum(told) == 10 * (0 + 1 + 4 + 6 + 7)


def test_one_worker_keeps_the_order_and_this_process() -> None:
    assert list(run_tasks(process_of, ["a", "b", "c"], workers=1, advance=nothing)) == [
        (task, os.getpid()) for task in "abc"
    ]
    assert list(run_tasks(process_of, ["a"], workers=4, advance=nothing)) == [("a", os.getpid())]
    assert list(run_tasks(process_of, [], workers=4, advance=nothing)) == []


def process_of(task: str, advance: Advance) -> int:
    return os.getpid()


def test_many_workers_are_other_processes() -> None:
    found = {process for _, process in run_tasks(process_of, ["a", "b"], workers=2, advance=nothing)}
    assert os.getpid() not in found


def test_a_killed_worker_is_told_in_one_sentence() -> None:
    with pytest.raises(IncompleteError) as error:
        list(run_tasks(kill_one, range(8), workers=2, advance=nothing))
    assert str(error.value) == "worker: a worker process was killed; run the command again"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bug_keeps_its_traceback(workers: int) -> None:
    with pytest.raises(ZeroDivisionError) as error:
        list(run_tasks(buggy, [1, 0], workers=workers, advance=nothing))
    assert ", in buggy\n" in "".join(traceback.format_exception(error.value))


def test_running_tasks_end_when_nobody_wants_their_results() -> None:
    results = run_tasks(endless, [0, 1, 2, 3], workers=2, advance=nothing)
    assert isinstance(results, Iterator)
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]  # would wait for ever if a task went on


def test_the_cores_this_process_may_use_are_counted() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def stay(folder: str, advance: Advance) -> None:
    note_process(folder)
    threading.Event().wait()


def spin(folder: str, advance: Advance) -> None:
    note_process(folder)
    while True:
        advance(1)


def note_process(folder: str) -> None:
    beside = Path(folder, f".{os.getpid()}")
    beside.touch()
    beside.rename(Path(folder, str(os.getpid())))


ORPHANS = """
import sys
from packager.engine.processes.local_workers import run_tasks
from tests.engine.processes.test_local_workers import stay

list(run_tasks(stay, [sys.argv[1]] * 2, workers=2, advance=print))  # and no guard for those who import this script
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    script, folder = tmp_path / "orphans.py", tmp_path / "running"
    script.write_text(ORPHANS)
    folder.mkdir()
    with subprocess.Popen([sys.executable, script, folder], stderr=subprocess.DEVNULL, env=with_tests()) as parent:
        until(lambda: len(processes(folder)) == 2 or parent.poll() is not None)
        workers = processes(folder)
        assert len(workers) == 2
        assert all(map(is_running, workers))
        parent.send_signal(number)
        assert parent.wait() == -number
    until(lambda: not any(map(is_running, workers)))


def with_tests() -> dict[str, str]:
    """Return an environment in which this module can be imported."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def processes(folder: Path) -> list[int]:
    """Return the process ids that are written in a folder as file names."""
    return [int(name) for name in os.listdir(folder) if name.isdecimal()]


def is_running(process: int) -> bool:
    """Say whether a process is there and not a dead one that nobody has waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


INTERRUPTED = """
import signal, sys
from packager.engine.processes.local_workers import run_tasks
from tests.engine.processes.test_local_workers import spin

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored
try:
    list(run_tasks(spin, [sys.argv[1]] * 2, workers=2, advance=lambda _: None))
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_stops_the_parent_and_its_workers_in_order(tmp_path: Path) -> None:
    script, folder = tmp_path / "interrupted.py", tmp_path / "running"
    script.write_text(INTERRUPTED)
    folder.mkdir()
    command = [sys.executable, script, folder]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=with_tests()
    ) as parent:
        until(lambda: len(processes(folder)) == 2 or parent.poll() is not None)
        os.killpg(parent.pid, signal.SIGINT)  # a terminal sends it to the workers as well
        _, talk = parent.communicate()
    assert (parent.returncode, talk) == (130, "")
    assert not any(map(is_running, processes(folder)))


def blocks_ctrl_c(task: int, advance: Advance) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_never_reaches_a_worker_and_still_reaches_its_parent() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert [found for _, found in run_tasks(blocks_ctrl_c, range(2), workers=2, advance=nothing)] == [True, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_worker_runs_nothing_that_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()"
    (tmp_path / "multiprocessing.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    assert len(list(run_tasks(square, [2, 4], workers=2, advance=nothing))) == 2
    assert not (tmp_path / "ran").exists()


def test_processes_are_kept_for_the_next_run(tmp_path: Path) -> None:
    with LocalWorkers(2) as workers:
        runs = [{process for _, process in workers.run(direct_job(process_of), "ab", nothing)} for _ in range(3)]
    assert (len(runs[0]), runs) == (2, [runs[0]] * 3)


def tell_often(task: bytes, advance: Advance) -> int:
    for _ in range(2000):  # more than fits a pipe that nobody reads
        advance(16 << 20)
    return len(task)


@pytest.mark.timeout(60)
def test_a_process_that_tells_much_is_given_a_large_task_ahead() -> None:
    told: list[int] = []
    with LocalWorkers(2, prefetch=True) as workers:
        results = list(workers.run(direct_job(tell_often), [bytes(1 << 20)] * 6, told.append))
    assert [result for _, result in results] == [1 << 20] * 6
    assert sum(told) == 6 * 2000 * (16 << 20)
