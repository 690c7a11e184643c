"""`make bench` (all) or `make bench WHAT=pack`: run benchmarks, each together with other programs.

Data is generated once in bench/data, which is not in git; remove it afterwards. Each benchmark prints a Markdown table.
"""

import importlib
import os
import platform
import sys
from pathlib import Path

from packager.native import hashes

DATA = Path(__file__).parent / "data"
BENCHMARKS = ("pack", "verify", "mirrors", "torrent", "lookup", "serve", "scale", "cluster")


def machine() -> str:
    """Return a description of the machine in one line."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    return f"{cores} cores of {model}, {memory} GiB, {hashes.name()}, Python {python}"


def main(wanted: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is named {unknown[0]}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"Measured on {machine()}.\n")
    DATA.mkdir(exist_ok=True)
    for name in wanted or BENCHMARKS:
        importlib.import_module(f"bench.{name}").main(DATA)
    return 0


if __name__ == "__main__":
    sys.exit(main([word for argument in sys.argv[1:] for word in argument.replace(",", " ").split()]))
