"""Measure complete commands in turn, for several rounds, and show their medians as a Markdown table."""

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Contender:
    """One way to do the work: a shell command, and how to undo what it leaves.

    The lists have one entry per round: elapsed and processor seconds; the peak memory of the largest process, with
    shared libraries, and at least that of this process (Linux inherits it); the bytes that system calls read and wrote,
    without memory-mapped reading. own_mib: the peak private memory of one process, measured in the warm-up round.
    """

    name: str
    command: str
    undo: Callable[[], None] = lambda: None
    needs: str = "bash"  # the program that must be installed
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    own_mib: float = 0

    @property
    def median(self) -> float:
        """Median of the elapsed seconds."""
        return statistics.median(self.seconds)

    @property
    def cores(self) -> float:
        """Average number of busy processors."""
        return statistics.median(self.cpu) / self.median


def measure(contenders: list[Contender], rounds: int) -> list[Contender]:
    """Run each once to warm the page cache, then `rounds` times in turn; return those that are installed."""
    able = [each for each in contenders if shutil.which(each.needs)]
    for turn in range(rounds + 1):
        for each in able:
            each.undo()
            _run(each, warm=turn > 0)
    for each in able:
        each.undo()
    return able


def measure_once(name: str, command: str) -> Contender:
    """Run a command once and return its cost."""
    contender = Contender(name, command)
    _run(contender, warm=True)
    return contender


def _run(contender: Contender, *, warm: bool) -> None:
    """Run the command of a contender and store its cost; in the warm-up round only its memory."""
    with tempfile.NamedTemporaryFile(prefix="bench-io-") as io:
        # At its end, the counters of the shell include the processes that it waited for.
        command = f"{{ {contender.command}\n}}; status=$?; cat /proc/$$/io >{io.name}; exit $status"
        began = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        watch = None if warm else _Watch(process.pid)
        assert process.stderr is not None
        errors = process.stderr.read()
        process.stderr.close()
        if watch:
            contender.own_mib = watch.end()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(f"{contender.command}: {errors.decode(errors='replace')[-500:]}")
        counters = dict(line.split(b": ") for line in io.read().splitlines())
    if warm:
        contender.seconds.append(seconds)
        contender.cpu.append(_cpu(usage))
        contender.peak_mib.append(usage.ru_maxrss / 1024)
        contender.read.append(int(counters[b"rchar"]))
        contender.written.append(int(counters[b"wchar"]))


def own_peak_kib() -> int:
    """Return the peak memory in KiB of this process since its program began.

    getrusage's ru_maxrss is not used: on Linux it includes the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


class _Watch:
    """Finds the peak private memory of a process or one of its descendants, ten times per second."""

    def __init__(self, process: int) -> None:
        self._process, self._most = process, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self._most = max([self._most, *map(_private, _below(self._process))])

    def end(self) -> float:
        """Return MiB."""
        self._ended.set()
        self._thread.join()
        return self._most / 1024


def _below(process: int) -> list[int]:
    """Return a process and its descendants."""
    try:
        threads = [path / "children" for path in Path(f"/proc/{process}/task").iterdir()]
        children = [int(child) for path in threads for child in path.read_text().split()]
    except OSError:  # it has ended
        return []
    return [process, *(each for child in children for each in _below(child))]


def _private(process: int) -> int:
    """Return the private memory of a process in KiB."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def table(title: str, contenders: list[Contender], size: int) -> str:
    """Return a Markdown table. Ratios are those of the medians to the first contender; read and written are in GB."""
    titles = ["median s", "min to max s", "GB/s", "times ours", "CPU s", "cores", "peak MiB", "own MiB"]
    titles += ["read GB", "written GB"]
    rows = [_row(each, size, contenders[0].median) for each in contenders]
    head = [f"### {title}", "", f"| what | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(titles)]
    return "\n".join([*head, *rows]) + "\n"


def _row(each: Contender, size: int, ours: float) -> str:
    """Return a contender's row."""
    cells = (
        each.name,
        f"{each.median:.2f}",
        f"{min(each.seconds):.2f} to {max(each.seconds):.2f}",
        f"{size / each.median / 1e9:.2f}",
        f"{each.median / ours:.1f}",
        f"{statistics.median(each.cpu):.1f}",
        f"{each.cores:.2f}",
        f"{max(each.peak_mib):.0f}",
        f"{each.own_mib:.0f}" if each.own_mib else "-",
        _gb(each.read),
        _gb(each.written),
    )
    return f"| {' | '.join(cells)} |"


def _gb(counts: list[int]) -> str:
    """Return bytes as GB; "-" if they were not counted."""
    return f"{statistics.median(counts) / 1e9:.2f}" if counts else "-"
