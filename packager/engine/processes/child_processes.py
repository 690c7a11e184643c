"""How every child process is started: no file of the current folder is ever imported by it.

Python puts the current folder first on the module path of `python -c`, which is how `multiprocessing` starts a
process. So each process is started with PYTHONSAFEPATH, and with a PYTHONPATH that names no current folder.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from packager.engine.processes.import_path import module_path


def child_environment() -> dict[str, str]:
    """Return the environment of a child process that runs Python."""
    # Arrow's own allocator keeps some 40 MB that are not in use
    return {"ARROW_DEFAULT_MEMORY_POOL": "system", **os.environ, **_settings()}


def _settings() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(module_path()), "PYTHONSAFEPATH": "1"}


@contextmanager
def python_command() -> Iterator[None]:
    """Let every process that is started while the block runs, by whatever library, start isolated."""
    before, path = {name: os.environ.get(name) for name in _settings()}, list(sys.path)
    settings, safe = _settings(), module_path()
    os.environ.update(settings)
    sys.path[:] = safe  # multiprocessing hands it to its processes
    try:
        yield
    finally:
        sys.path[:] = path
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Process(SpawnProcess):
    """A spawned process that starts isolated."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's own name)
        with python_command():
            return SpawnProcess._Popen(process_obj)  # noqa: SLF001


class _Context(SpawnContext):
    """multiprocessing's spawn context, whose processes start isolated."""

    Process = _Process


def spawn_context() -> SpawnContext:
    """Return the multiprocessing context that every pool and process of ours is made with."""
    with python_command():
        resource_tracker.ensure_running()  # a process, too, which the first lock would start
    return _Context()
