"""Member names for the names of one folder, by the rule of paths.py, and why any of them is changed. No I/O."""

from collections.abc import Sequence

from packager import paths
from packager.errors import InputError

LONG_PATHS = paths.collision_key("long-paths~")  # where paths.member_path puts paths that are too long


def safe_names(names: Sequence[bytes], *, folder: bytes) -> dict[bytes, str]:
    """Return the member name of each of a folder's names; no two are the same to any file system.

    folder: the folder's path below the source, b"" for the source itself. A name that is already what
    another's becomes, or that takes the place of long paths, is changed like one that collides.
    Raises InputError where two names cannot be told apart (a hash's first 32 bits are equal).
    """
    twins = paths.colliding(names)
    if not folder:
        twins |= {name for name in names if paths.collision_key(_text(name)) == LONG_PATHS}
    while True:
        safe = {name: paths.safe_name(name, collides=name in twins) for name in names}
        changed = {paths.collision_key(new): name for name, new in safe.items() if new.encode() != name}
        taken = {
            name
            for name, new in safe.items()
            if changed and changed.get(paths.collision_key(new), name) != name and new.encode() == name
        }
        if not taken:
            break
        twins |= taken
    _check_distinct(safe, changed, folder)
    return safe


def _check_distinct(safe: dict[bytes, str], changed: dict[str, bytes], folder: bytes) -> None:
    """Raise InputError where two changed names became the same."""
    for name, new in safe.items():
        other = changed.get(paths.collision_key(new), name)
        if other != name:
            raise InputError(
                paths.shown(folder) or "source",
                f'"{paths.shown(name)}" and "{paths.shown(other)}" would both be named "{new}" in a shard',
                "rename one of them",
            )


def reason(name: bytes, *, collides: bool) -> str:
    """Return why a name cannot stand in a shard, in the archivist's words."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "the name is not UTF-8"
    if len(name) > paths.NAME_MAX:
        return f"the name is over {paths.NAME_MAX} bytes"
    if collides:
        return "the name differs from another only by case or by Unicode normalisation"
    if paths.is_safe_name(text + "x"):
        return "the name ends in a dot or a space"
    if paths.is_safe_name("x" + text):
        return "the name is reserved on Windows"
    return "the name holds a character that other systems or checkers read otherwise"


def _text(name: bytes) -> str:
    """Return a name as text, bytes that are not UTF-8 kept as lone surrogates."""
    return name.decode("utf-8", "surrogateescape")
