"""Makes member names for the names in one folder (see paths.py), with the reasons for changed names. No I/O."""

from collections.abc import Sequence
from typing import NamedTuple

from packager import paths
from packager.errors import InputError

LONG_PATHS = paths.collision_key("long-paths~")  # the folder that paths.member_path uses for paths that are too long


class MemberName(NamedTuple):
    """A member name, and why it differs from the file's name; "" if it does not."""

    name: str
    why: str


def member_names(names: Sequence[bytes], *, folder: bytes) -> dict[bytes, MemberName]:
    """Return a member name for each name in a folder. They are distinct on every file system.

    folder: the folder's path below the source, b"" for the source itself. A name that equals another's changed name,
    or that is reserved for long paths, is changed too. Raises InputError if two changed names are the same, because
    the first 32 bits of their hashes are equal.
    """
    if paths.are_plain(names):  # most folders; a plain name is never LONG_PATHS
        return {name: MemberName(name.decode("ascii"), "") for name in names}
    twins = paths.colliding(names)
    taken = set() if folder else {name for name in names if paths.collision_key(_text(name)) == LONG_PATHS}
    while True:
        safe = {name: paths.safe_name(name, collides=name in twins or name in taken) for name in names}
        changed = {paths.collision_key(new): name for name, new in safe.items() if new.encode() != name}
        kept = {paths.collision_key(new): name for name, new in safe.items() if changed and new.encode() == name}
        if not changed.keys() & kept.keys():
            break
        taken |= {kept[key] for key in changed.keys() & kept.keys()}
    _check_distinct(safe, changed, folder)
    return {name: MemberName(new, _why(name, new, twins, taken)) for name, new in safe.items()}


def _check_distinct(safe: dict[bytes, str], changed: dict[str, bytes], folder: bytes) -> None:
    """Raise InputError if two changed names are the same."""
    for name, new in safe.items():
        other = changed.get(paths.collision_key(new), name)
        if other != name:
            raise InputError(
                paths.display_text(folder) or "source",
                f'"{paths.display_text(name)}" and "{paths.display_text(other)}" would both be named'
                f' "{new}" in a shard',
                "rename one of them",
            )


def _why(name: bytes, new: str, twins: set[bytes], taken: set[bytes]) -> str:
    """Return why a name is changed; "" if it is not."""
    if new.encode() == name:
        return ""
    if name in twins:
        return "the name differs from another only by case or by Unicode normalisation"
    return "the name equals that of a changed name or path" if name in taken else _unsafe(name)


def _unsafe(name: bytes) -> str:
    """Return why a name is unsafe."""
    if len(name) > paths.NAME_MAX:
        return f"the name has more than {paths.NAME_MAX} bytes"
    text = _text(name)
    if text.encode("utf-8", "replace") != name:
        return "the name is not UTF-8"
    if paths.is_safe_name("x" + text):
        return "the name is reserved on Windows"
    if paths.is_safe_name(text + "x"):
        return "the name ends in a dot or a space"
    return "the name contains a character that other systems or programs read differently"


def _text(name: bytes) -> str:
    """Return a name as text. Bytes that are not UTF-8 become lone surrogates."""
    return name.decode("utf-8", "surrogateescape")
