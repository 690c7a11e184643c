r"""What files taken out of a shard are called: their member paths, their original ones, or names made from tags.

A name never leaves its folder: each part of it passes paths.safe_name, or is checked byte by byte. Pure.
"""

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from packager import paths
from packager.core.config.option_values import nearest
from packager.errors import InputError
from packager.model import LATER, MEMBERS

UNKNOWN = "unknown"  # stands for a field that a member lacks
FIELDS = tuple(name for name in MEMBERS.names if name not in ("source_path_b64", "offset", "extra", "mtime_ns", *LATER))
_NUMBERS = {field.name for field in MEMBERS if not pa.types.is_string(field.type) and field.name != "sha256"}
_WIDTH = re.compile(r"0?[1-9]?[0-9]?", re.ASCII)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
_TEXT_MAX = 1000  # characters of a field's value: a name has 255 bytes
_LAYOUT_MAX = 1000  # characters


@dataclass(frozen=True)
class PathField:
    """Text of a layout, and the field that follows it with its least width; no field at the end."""

    text: str
    field: str | None
    width: str


@dataclass(frozen=True)
class PathFormat:
    """A layout as "{artist}/{album}/{track:02} {title}": the parts of each name from the top folder down."""

    names: tuple[tuple[PathField, ...], ...]

    @property
    def fields(self) -> list[str]:
        """The fields it names, each once."""
        return list(dict.fromkeys(part.field for parts in self.names for part in parts if part.field))

    def path(self, row: Mapping[str, object], extension: str) -> str:
        """Return the path of a member with these fields: safe names only, `extension` at its end."""
        names = ["".join(_filled(part, row) for part in parts) for parts in self.names]
        names[-1] += extension
        return "/".join(paths.safe_name(name.encode("utf-8", "replace")) for name in names)


def _filled(part: PathField, row: Mapping[str, object]) -> str:
    """Return a part with its field's value; a "/" in the value parts no folders."""
    if part.field is None:
        return part.text
    value = row[part.field]
    if value is None or value == "":
        return part.text + UNKNOWN
    if isinstance(value, bytes):
        value = value.hex()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    written = format(value, part.width) if isinstance(value, int) else str(value)
    return part.text + written[:_TEXT_MAX].replace("/", "_")


def parse_path_format(text: str, where: str = "--rename") -> PathFormat:
    """Return the layout that `text` says.

    Raises InputError if it is not one: an unknown field, a width that is none, a name that is empty or "..".
    """
    if not text or len(text) > _LAYOUT_MAX or "\0" in text:
        raise InputError(where, "is empty, too long or holds NUL", 'write it as "{artist}/{album}/{title}"')
    names: list[list[PathField]] = [[]]
    for literal, field, width, conversion in _parsed(text, where):
        *folders, last = literal.split("/")
        for folder in folders:
            names[-1].append(PathField(folder, None, ""))
            names.append([])
        if field is not None:
            _check_field(field, width, conversion, where)
        names[-1].append(PathField(last, field, width))
    for parts in names:
        _check_name(parts, text, where)
    return PathFormat(tuple(tuple(parts) for parts in names))


def _parsed(text: str, where: str) -> Iterator[tuple[str, str | None, str, str | None]]:
    """Yield (literal, field, width, conversion) as Python's format strings part."""
    try:
        for literal, field, width, conversion in string.Formatter().parse(text):
            yield literal, field, width or "", conversion
    except ValueError as error:
        raise InputError(where, f'"{paths.display_text(text)}": {error}', 'write fields as "{title}"') from None


def _check_field(field: str, width: str, conversion: str | None, where: str) -> None:
    """Raise InputError for a field that no member has or that cannot be written so."""
    if field not in FIELDS:
        close = nearest(field, FIELDS)
        fix = f'did you mean "{{{close}}}"?' if close else f"fields: {', '.join(FIELDS)}"
        raise InputError(where, f'unknown field "{paths.display_text(field)}"', fix)
    if conversion or not _WIDTH.fullmatch(width) or (width and field not in _NUMBERS):
        written = f"{{{field}{'!' if conversion else ''}{conversion or ''}{':' if width else ''}{width}}}"
        fix = "a width is for numbers and written as {track:02}" if field in _NUMBERS else f"write {{{field}}}"
        raise InputError(where, f'"{paths.display_text(written)}" cannot be written so', fix)


def _check_name(parts: Sequence[PathField], text: str, where: str) -> None:
    """Raise InputError for a name of a layout that is no name whatever the tags are."""
    fixed = "".join(part.text for part in parts)
    if not any(part.field for part in parts) and fixed in ("", ".", ".."):
        raise InputError(where, f'"{paths.display_text(text)}" has the name "{fixed}"', "it is a path below --to")


def extension(path: str) -> str:
    """Return the extension of a path's last name, dot included; "" where it has none that is short and plain."""
    stem, dot, tail = path.rpartition("/")[2].rpartition(".")
    return dot + tail if stem and _EXTENSION.fullmatch(dot + tail) else ""


def original_path(path: str | None, path_b64: str | None) -> bytes | None:
    """Return the path that a member had at its source; None if there is none that stays below a folder."""
    if path is None:
        return None
    try:
        decoded = paths.decode_path(path, path_b64)
    except ValueError:  # not base64, or lone surrogates
        return None
    names = decoded.split(b"/")
    good = all(name not in (b"", b".", b"..") and b"\0" not in name and len(name) <= paths.NAME_MAX for name in names)
    return decoded if good and len(decoded) <= 4 * paths.PATH_MAX else None


def add_number(path: bytes, number: int, of: int) -> bytes:
    """Return a path whose last name begins with `number`, as wide as the number `of`, so that names sort as played."""
    folder, slash, name = path.rpartition(b"/")
    first = f"{number:0{len(str(of))}} ".encode()
    return folder + slash + _fitted(first + name)


def folded_path(path: bytes) -> str:
    """Return what two paths share when a file system that folds case or normalises takes them for one."""
    return paths.collision_key(path.decode("utf-8", "surrogateescape"))


def exact_path(path: bytes) -> str:
    """Return what two paths share when a file system that takes names as they are takes them for one."""
    return path.decode("utf-8", "surrogateescape")


def make_distinct(wanted: Sequence[bytes], key: Callable[[bytes], str]) -> list[bytes]:
    """Return the paths with "~2", "~3"... before the extension of those that one before them has already.

    key: `folded` or `exact`. A file is also moved out of the way of a folder. Memory: a set of all.
    """
    taken = {key(folder) for path in set(wanted) for folder in _folders(path)}
    last: dict[str, int] = {}
    found = []
    for path in wanted:
        name, first = path, key(path)
        while key(name) in taken:
            last[first] = last.get(first, 1) + 1
            name = _suffixed(path, last[first])
        taken.add(key(name))
        found.append(name)
    return found


def _folders(path: bytes) -> Iterator[bytes]:
    """Yield the folders above a path."""
    at = path.find(b"/")
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _suffixed(path: bytes, number: int) -> bytes:
    """Return a path with "~NUMBER" before its extension."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + _fitted(name, b"~%d" % number)


def _fitted(name: bytes, mark: bytes = b"") -> bytes:
    """Return a name with `mark` before its extension, the stem cut where it would be over 255 bytes."""
    tail = extension(name.decode("utf-8", "surrogateescape")).encode()
    stem = name[: len(name) - len(tail)]
    room = paths.NAME_MAX - len(mark) - len(tail)
    if len(stem) > room:
        stem = stem[:room].decode("utf-8", "ignore").encode()
    return stem + mark + tail
