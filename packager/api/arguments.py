"""Convert arguments of the API: a path may be a str or any os.PathLike, and a list may be a single value."""

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
    """Return an os.PathLike as a Path, and a str or None unchanged."""
    return place if place is None or isinstance(place, str) else Path(place)


def as_paths(paths: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """Return one or more paths as a list of Paths."""
    return [Path(path) for path in _listed(paths)]


def as_locations(places: AnyPath | Sequence[AnyPath]) -> list[Path | str]:
    """Return one or more folders, files and addresses as a list; each as `as_location` does."""
    return [as_location(place) for place in _listed(places)]


@overload
def as_texts(texts: str | Sequence[str]) -> Sequence[str]: ...
@overload
def as_texts(texts: str | Sequence[str] | None) -> Sequence[str] | None: ...
def as_texts(texts: str | Sequence[str] | None) -> Sequence[str] | None:
    """Return one text as a list, and a list or None unchanged."""
    return [texts] if isinstance(texts, str) else texts


def _listed(values: AnyPath | Sequence[AnyPath]) -> Sequence[AnyPath]:
    """Return one or more values as a sequence."""
    return [values] if isinstance(values, (str, os.PathLike)) else values


@overload
def as_text(text: AnyPath) -> str: ...
@overload
def as_text(text: AnyPath | None) -> str | None: ...
def as_text(text: AnyPath | None) -> str | None:
    """Return an address, a key or a path as text; None stays None."""
    return None if text is None else os.fspath(text)
