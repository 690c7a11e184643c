"""The bad pieces of a shard that a report of `packager verify --json` names."""

import os
from pathlib import Path

import msgspec

from packager.core.releases import documents
from packager.engine.files.limited_read import read_limited
from packager.errors import InputError
from packager.paths import display_text


class _Fault(msgspec.Struct):
    """The fields of a fault that are used; fields that a later version adds are ignored."""

    path: str
    first_piece: int | None = None
    last_piece: int | None = None


class _Report(msgspec.Struct):
    """The fields of a report that are used."""

    faults: list[_Fault]


def read_bad_pieces(report: Path, tar: Path, count: int) -> list[int]:
    """Return the pieces below `count` that a report names as bad in a tar of this name, ascending.

    Raises InputError if the file is not such a report, IncompleteError if it cannot be read.
    """
    try:
        read = msgspec.json.decode(read_limited(report, documents.LIMIT), type=_Report)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        what = f"is not a report of packager verify --json ({display_text(str(error), 200)})"
        raise InputError(display_text(str(report)), what) from error
    pieces: set[int] = set()
    for fault in read.faults:
        if os.path.basename(fault.path) == tar.name and fault.first_piece is not None:
            last = fault.first_piece if fault.last_piece is None else fault.last_piece
            pieces.update(range(max(fault.first_piece, 0), min(last + 1, count)))
    return sorted(pieces)
