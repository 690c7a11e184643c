"""Which file each member of a shard becomes when it is taken out. Pure: paths below a folder, nothing is opened."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from packager.core.shards import path_formats
from packager.core.shards.path_formats import PathFormat
from packager.errors import InputError


@dataclass(frozen=True)
class NamingOptions:
    """What the files are called: as in the shard, as at the source, or by a layout; numbered in play order."""

    original: bool = False
    layout: PathFormat | None = None
    number: bool = False


def parse_naming(layout: str | None, *, original: bool, number: bool) -> NamingOptions:
    """Return the naming that is asked for. Raises InputError if a layout is none, or both are asked for."""
    if layout is not None and original:
        raise InputError("", "--source-names cannot be used with --rename", "remove one of them")
    return NamingOptions(original, None if layout is None else path_formats.parse_path_format(layout), number)


@dataclass(frozen=True)
class OutputPaths:
    """The path of each member's file, not yet distinct, and the rows that could not have the name asked for."""

    paths: Sequence[bytes]
    refused: Sequence[int]


def output_paths(members: pa.Table, naming: NamingOptions) -> OutputPaths:
    """Return the files that rows of a members table become. A name from a stranger's table stays below its folder."""
    paths = members["path"].to_pylist()
    refused: list[int] = []
    if naming.layout:
        columns = {name: members[name].to_pylist() for name in naming.layout.fields}
        found = [
            naming.layout.path(
                {name: column[row] for name, column in columns.items()}, path_formats.extension(path)
            ).encode()
            for row, path in enumerate(paths)
        ]
    elif naming.original:
        found, refused = _original(members)
    else:
        found = [path.encode() for path in paths]
    return OutputPaths(_numbered(members, found) if naming.number else found, refused)


def _original(members: pa.Table) -> tuple[list[bytes], list[int]]:
    """Return each member's path at the source, and the rows where no folder can hold it: those keep their own."""
    paths, refused = [], []
    columns = (members[name].to_pylist() for name in ("path", "source_path", "source_path_b64"))
    for row, (path, source, source_b64) in enumerate(zip(*columns, strict=True)):
        original = path_formats.original_path(source, source_b64)
        if source is not None and original is None:
            refused.append(row)
        paths.append(original or path.encode())
    return paths, refused


def _numbered(members: pa.Table, paths: Sequence[bytes]) -> list[bytes]:
    """Return the paths with their number in play order: by album, track and path; what has none comes last."""
    columns = [members[name].to_pylist() for name in ("album", "track", "path")]
    keys = [
        (album is None, album or "", track is None, track or 0, path)
        for album, track, path in zip(*columns, strict=True)
    ]
    numbered = list(paths)
    for number, row in enumerate(sorted(range(len(keys)), key=keys.__getitem__), 1):
        numbered[row] = path_formats.add_number(paths[row], number, len(keys))
    return numbered
