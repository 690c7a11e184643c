"""JSON documents <-> bytes: manifests, release documents, the plan. Canonical to write, limited to read.

Canonical: UTF-8, fields in the struct's order, two spaces of indentation, one LF at the end.
"""

import hashlib
from typing import TypeVar

import msgspec

from packager.errors import InputError
from packager.model import Struct

FORMAT = 1  # of every document; a newer one is refused
LIMIT = 64 << 20  # bytes of a document that is read

T = TypeVar("T", bound=Struct)


def to_bytes(document: Struct) -> bytes:
    """Return a document's canonical bytes."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def from_bytes(data: bytes, kind: type[T], where: object) -> T:
    """Return the document of type `kind` that `data` holds.

    Raises InputError where it is larger than LIMIT, not JSON, nested too deep, of a newer format, or
    lacks or has a field that the type does not.
    """
    if len(data) > LIMIT:
        raise InputError(where, f"{len(data)} bytes are more than the {LIMIT} a document may have")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format > FORMAT:
            raise InputError(where, f"format {head.format} is newer than {FORMAT}", "update packager")
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise InputError(where, "nested too deep to be a document of ours") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(where, f"not a valid {kind.__name__.lower()} ({error})") from error


class _Head(msgspec.Struct):
    """What every document begins with."""

    format: int


def digest(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
