"""Commands timed as whole processes, in turn, several rounds, and their medians as a Markdown table."""

import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Contender:
    """One way to do the work: a shell command, and how to undo what it leaves."""

    name: str
    command: str
    undo: Callable[[], None] = lambda: None
    needs: str = "bash"  # the program that must be there
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


def measure(contenders: list[Contender], rounds: int) -> list[Contender]:
    """Run each once to warm the page cache, then `rounds` times in turn; return those that could be run."""
    able = [each for each in contenders if shutil.which(each.needs)]
    for turn in range(rounds + 1):
        for each in able:
            each.undo()
            seconds, cpu, peak = _run(each.command)
            if turn:
                each.seconds.append(seconds)
                each.cpu.append(cpu)
                each.peak_mib.append(peak)
    for each in able:
        each.undo()
    return able


def _run(command: str) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and the largest process's peak MiB of a shell command."""
    began = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{command}: {errors.decode(errors='replace')[-500:]}")
    return seconds, _cpu(usage), usage.ru_maxrss / 1024


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def table(title: str, contenders: list[Contender], size: int) -> str:
    """Return a Markdown table; ratios are of medians, to the first contender's."""
    lines = [
        f"### {title}",
        "",
        "| what | median s | least to most s | GB/s | times ours | CPU s | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    ours = statistics.median(contenders[0].seconds)
    for each in contenders:
        median = statistics.median(each.seconds)
        lines.append(
            f"| {each.name} | {median:.2f} | {min(each.seconds):.2f} to {max(each.seconds):.2f} "
            f"| {size / median / 1e9:.2f} | {median / ours:.1f} | {statistics.median(each.cpu):.1f} "
            f"| {max(each.peak_mib):.0f} |"
        )
    return "\n".join(lines) + "\n"
