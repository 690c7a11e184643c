"""JSON documents <-> bytes: manifests, release documents, the plan. Canonical to write, limited to read.

Canonical: UTF-8, fields in the struct's order, two spaces of indentation, one LF at the end.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from packager.errors import InputError
from packager.model import Struct
from packager.paths import shown

FORMAT = 1  # of every document; a newer one is refused
LIMIT = 64 << 20  # bytes of a document that is read
_INTEGER_END = 1 << 63  # whole numbers stay below it, so that every language reads them
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}:]', re.S)

T = TypeVar("T", bound=Struct)


def to_bytes(document: Struct) -> bytes:
    """Return a document's canonical bytes."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def from_bytes(data: bytes, kind: type[T], where: object) -> T:
    """Return the document of type `kind` that `data` holds.

    Raises InputError where it is larger than LIMIT, not JSON, nested too deep, of a newer format, lacks or
    has a field that the type does not, holds a key twice, or a number below 0 or of more than 63 bits.
    """
    if len(data) > LIMIT:
        raise InputError(where, f"{len(data)} bytes are more than the {LIMIT} a document may have")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format > FORMAT:
            raise InputError(where, f"format {head.format} is newer than {FORMAT}", "update packager")
        document = msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise InputError(where, "nested too deep to be a document of ours") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(where, f"not a valid {kind.__name__.lower()} ({error})") from error
    if (number := _odd_number(document)) is not None:
        raise InputError(where, f"holds the number {shown(str(number), 40)}, not from 0 to {_INTEGER_END - 1}")
    if data != to_bytes(document) and (key := _doubled_key(data)) is not None:
        raise InputError(where, f'holds the key "{shown(key, 80)}" twice in one object')
    return document


def _odd_number(value: object) -> int | None:
    """Return a whole number that no document has: below 0 or of more than 63 bits."""
    if isinstance(value, int):
        return None if 0 <= value < _INTEGER_END else value
    parts: Iterable[object] = ()
    if isinstance(value, Struct):
        parts = (getattr(value, name) for name in value.__struct_fields__)
    elif isinstance(value, tuple):
        parts = value
    return next((odd for part in parts if (odd := _odd_number(part)) is not None), None)


def _doubled_key(data: bytes) -> str | None:
    """Return a key that stands twice in one object of valid JSON. Readers differ in which of them they take."""
    open_keys: list[set[str]] = []
    string = b""
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token == b"{":
            open_keys.append(set())
        elif token == b"}":
            open_keys.pop()
        elif token != b":":
            string = token
        else:
            key = json.loads(string)
            if key in open_keys[-1]:
                return str(key)
            open_keys[-1].add(key)
    return None


class _Head(msgspec.Struct):
    """What every document begins with."""

    format: int


def digest(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
