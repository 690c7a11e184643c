"""What scripts may pass as a path or a list: a str or any os.PathLike; a single value stands for a list of one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, overload

AnyPath: TypeAlias = str | os.PathLike[str]


@overload
def as_path(path: AnyPath) -> Path: ...
@overload
def as_path(path: AnyPath | None) -> Path | None: ...
def as_path(path: AnyPath | None) -> Path | None:
    """Return a path as a Path; None stays None."""
    return None if path is None else Path(path)


@overload
def as_location(place: AnyPath) -> Path | str: ...
@overload
def as_location(place: AnyPath | None) -> Path | str | None: ...
def as_location(place: AnyPath | None) -> Path | str | None:
    """Return a folder or file as a Path, and an address or other text as it is; None stays None."""
    return place if place is None or isinstance(place, str) else Path(place)


def as_paths(paths: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """Return paths as a list of Paths; a single one as a list of one."""
    return [Path(path) for path in _listed(paths)]


def as_locations(places: AnyPath | Sequence[AnyPath]) -> list[Path | str]:
    """Return folders, files and addresses as `as_place` does; a single one as a list of one."""
    return [as_location(place) for place in _listed(places)]


@overload
def as_texts(texts: str | Sequence[str]) -> Sequence[str]: ...
@overload
def as_texts(texts: str | Sequence[str] | None) -> Sequence[str] | None: ...
def as_texts(texts: str | Sequence[str] | None) -> Sequence[str] | None:
    """Return texts as they are, a single one as a list of one; None stays None."""
    return [texts] if isinstance(texts, str) else texts


def _listed(values: AnyPath | Sequence[AnyPath]) -> Sequence[AnyPath]:
    """Return values as a sequence."""
    return [values] if isinstance(values, (str, os.PathLike)) else values


@overload
def as_text(text: AnyPath) -> str: ...
@overload
def as_text(text: AnyPath | None) -> str | None: ...
def as_text(text: AnyPath | None) -> str | None:
    """Return an address, a key or a path as text; None stays None."""
    return None if text is None else os.fspath(text)
