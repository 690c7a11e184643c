"""Write JSON documents in canonical form, and read them within limits: manifests, release documents, the plan.

Canonical: UTF-8, fields in the struct's order, two spaces of indentation, one LF at the end.
"""

import hashlib
import json
import re
from typing import TypeVar

import msgspec

from packager.errors import InputError
from packager.model import FrozenStruct
from packager.paths import display_text

FORMAT = 1  # of every document; a newer one is refused
LIMIT = 48 << 20  # maximum bytes of a document: about 18,000 shards, within 300 MB of memory
_CANONICAL = 16 << 20  # bytes; smaller documents are first compared with their canonical bytes
_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_STRING = rb'"' + _TEXT + rb'"'
_FLAT = (
    rb'\{[^{}"]*+(?:' + _STRING + rb'[^{}"]*+){0,200}+\}'
)  # an object without nested ones, of any size that we write
_PART = re.compile(_FLAT + rb"|[{}]|" + _STRING + rb"(?:\s*+:(?:\s*+" + _STRING + rb")?)?", re.S)
_STRING_OR_PAIR = re.compile(rb'"(' + _TEXT + rb')"(?:\s*+(:)(?:\s*+' + _STRING + rb")?)?", re.S)


T = TypeVar("T", bound=FrozenStruct)


def to_bytes(document: FrozenStruct) -> bytes:
    """Return a document's canonical bytes."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def from_bytes(data: bytes, kind: type[T], where: object) -> T:
    """Return the document of type `kind` in `data`.

    Raises InputError if it is larger than LIMIT, not JSON, nested too deep, of a newer format, if it has a
    missing or unknown field, a wrong value, or a key twice.
    """
    if len(data) > LIMIT:
        raise InputError(where, f"{len(data)} bytes are more than the {LIMIT} a document may have")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format > FORMAT:
            raise InputError(where, f"format {head.format} is newer than {FORMAT}", "update packager")
        if head.format < FORMAT:
            raise InputError(where, f"format {head.format} does not exist", "get the document again")
        document = msgspec.json.decode(data, type=kind)
        is_canonical = len(data) <= _CANONICAL and data == to_bytes(document)
    except RecursionError as error:
        raise InputError(where, "nested too deep for a document of packager") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(where, f"not a valid {kind.__name__.lower()} ({error})") from error
    if not is_canonical and (key := _doubled_key(data)) is not None:
        raise InputError(where, f'has the key "{display_text(key, 80)}" twice in one object')
    return document


def _doubled_key(data: bytes) -> str | None:
    """Return a key that is twice in one object of valid JSON. Readers differ in which one they use."""
    open_objects: list[set[bytes]] = []
    for match in _PART.finditer(data):
        part = match[0]
        if part == b"{":
            open_objects.append(set())
        elif part == b"}":
            open_objects.pop()
        else:
            seen = open_objects[-1] if part[:1] == b'"' else set()
            keys = [_unescaped(key) for key, colon in _STRING_OR_PAIR.findall(part) if colon]
            if len(set(keys)) < len(keys) or not seen.isdisjoint(keys):
                return str(next(key for at, key in enumerate(keys) if key in keys[:at] or key in seen), "utf-8")
            seen.update(keys)
    return None


def _unescaped(key: bytes) -> bytes:
    """Return a key without JSON's escapes."""
    return str(json.loads(b'"' + key + b'"')).encode() if b"\\" in key else key


class _Head(msgspec.Struct):
    """The first field of every document."""

    format: int


def claimed_serial(data: bytes) -> int | None:
    """Return the serial that an unchecked release document has; None if it has none."""
    try:
        return msgspec.json.decode(data[:LIMIT], type=_Serial).serial
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Serial(msgspec.Struct):
    """The serial of an unchecked release document."""

    serial: int


def digest(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
