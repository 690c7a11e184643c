"""First releases that many tests start from: each is made once in a process, and every test gets a copy."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from tests.helpers.projects import Project

_made: dict[str, Project] = {}
_folder: list[Path] = []


def keep_in(folder: Path) -> None:
    """Say where the first releases of this process are kept."""
    _folder[:] = [folder]


def first_release(to: Path, make: Callable[..., Project], *arguments: object, **options: object) -> Project:
    """Return a copy, in `to`, of the project that `make(root, *arguments, **options)` makes in an empty folder.

    What `make` returns may depend only on its arguments, and their `repr` must show all of them.
    """
    key = repr((make.__module__, make.__qualname__, arguments, sorted(options.items())))
    if key not in _made:
        _made[key] = make(Path(mkdtemp(dir=_folder[0])) / "project", *arguments, **options)
    return _made[key].copy(to)
