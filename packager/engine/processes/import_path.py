"""Where Python looks for modules: never in the current folder, which may hold a stranger's files.

This module imports only what Python itself has loaded by then, so that it can run before any other import.
"""

import os
import sys

_PACKAGER = os.path.abspath(__file__).removesuffix("/packager/engine/processes/import_path.py")
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))


def leave_current_folder() -> None:
    """Take the current folder off this process's module path, if Python or PYTHONPATH put it there."""
    first = not sys.flags.safe_path and bool(sys.path) and _is_current(sys.path[0])
    sys.path[:] = _safe(sys.path[1:] if first else sys.path)


def module_path() -> list[str]:
    """Return this process's module path as its child processes may have it: absolute, without the current folder."""
    return _safe(sys.path)


def _is_current(entry: str) -> bool:
    """Return whether an entry of the module path is the current folder."""
    try:
        return not entry or os.path.samefile(entry, os.curdir)
    except OSError:
        return False


def _safe(path: list[str]) -> list[str]:
    """Return a module path without relative entries, and without those of PYTHONPATH that Python made absolute.

    The folder that packager was loaded from stays: last, if it was one of those.
    """
    named = os.environ.get("PYTHONPATH")
    relative = {os.path.abspath(each) for each in named.split(os.pathsep) if not os.path.isabs(each)} if named else ()
    safe = [entry for entry in path if os.path.isabs(entry) and (entry not in relative or entry == _LIBRARY)]
    if _PACKAGER not in safe and any(os.path.abspath(entry) == _PACKAGER for entry in [*path, *sys.path]):
        safe.append(_PACKAGER)
    return safe
