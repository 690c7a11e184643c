"""Run command lines read from stdin, each in a child of its own, and print what became of each as JSON.

The parent has loaded what a command loads, so that a child shows what the command's work takes: its peak
memory over that of a child that does nothing, and its CPU seconds. A child is stopped at CPU_MOST.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from packager import cli
from packager.cli import output
from packager.cli.app import main
from packager.engine.published import published_shard
from packager.errors import PackagerError

CPU_MOST = 60  # seconds


def open_documents(arguments: Sequence[str]) -> int:
    """Read a shard's published documents as every command that needs them does."""
    try:
        published_shard.open_published_shard(published_shard.shard_files(Path(arguments[0])))
    except PackagerError as error:
        output.show_error(error)
        return error.exit_code
    return 0


def run(arguments: Sequence[str]) -> int:
    """Run one command line; "open-documents" is none of the package's."""
    return open_documents(arguments[1:]) if arguments[0] == "open-documents" else main(arguments)


def in_child(work: Callable[[], int], folder: Path) -> dict[str, Any]:
    """Run `work` in a forked child; return its exit code, output, peak memory in KiB and CPU seconds."""
    child = os.fork()
    if not child:
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_MOST, CPU_MOST))
            for stream, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
            code = work()
        except BaseException:  # noqa: BLE001 - whatever it is, it is a traceback that the test looks for
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": (folder / "out").read_text(errors="replace"),
        "err": (folder / "err").read_text(errors="replace"),
        "peak_kib": used.ru_maxrss,
        "cpu_seconds": used.ru_utime + used.ru_stime,
    }


if __name__ == "__main__":
    for command in pkgutil.iter_modules(cli.__path__, "packager.cli."):
        importlib.import_module(command.name)
    with contextlib.redirect_stdout(io.StringIO()):
        main(["inspect", f"magnet:?xt=urn:btih:{'ab' * 20}"])  # loads what the first command line loads
    with tempfile.TemporaryDirectory() as scratch:
        idle = in_child(lambda: 0, Path(scratch))["peak_kib"]
        results = []
        for arguments in json.load(sys.stdin):
            result = in_child(lambda arguments=arguments: run(arguments), Path(scratch))
            results.append(result | {"growth_mib": (result["peak_kib"] - idle) / 1024})
        json.dump(results, sys.stdout)
