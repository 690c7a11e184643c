"""JSON documents <-> bytes: manifests, release documents, the plan. Canonical to write, limited to read.

Canonical: UTF-8, fields in the struct's order, two spaces of indentation, one LF at the end.
"""

import hashlib
import json
import re
from typing import TypeVar

import msgspec

from packager.errors import InputError
from packager.model import Struct
from packager.paths import shown

FORMAT = 1  # of every document; a newer one is refused
LIMIT = 64 << 20  # bytes of a document that is read
_CANONICAL = (
    16 << 20
)  # bytes of a document that is compared with what we would write: the quickest look for doubled keys
_KEY_OR_BRACE = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}]', re.S)

T = TypeVar("T", bound=Struct)


def to_bytes(document: Struct) -> bytes:
    """Return a document's canonical bytes."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def from_bytes(data: bytes, kind: type[T], where: object) -> T:
    """Return the document of type `kind` that `data` holds.

    Raises InputError where it is larger than LIMIT, not JSON, nested too deep, of a newer format, lacks or
    has a field or value that the type does not, or holds a key twice.
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
    is_canonical = len(data) <= _CANONICAL and data == to_bytes(document)
    if not is_canonical and (key := _doubled_key(data)) is not None:
        raise InputError(where, f'holds the key "{shown(key, 80)}" twice in one object')
    return document


def _doubled_key(data: bytes) -> str | None:
    """Return a key that stands twice in one object of valid JSON. Readers differ in which of them they take."""
    open_keys: list[set[bytes]] = []
    for match in _KEY_OR_BRACE.finditer(data):
        key = match[1]
        if key is None:
            if match[0] == b"{":
                open_keys.append(set())
            else:
                open_keys.pop()
        elif match[2] is not None:
            if b"\\" in key:
                key = str(json.loads(b'"' + key + b'"')).encode()
            if key in open_keys[-1]:
                return key.decode()
            open_keys[-1].add(key)
    return None


class _Head(msgspec.Struct):
    """What every document begins with."""

    format: int


def digest(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
