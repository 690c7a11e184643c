"""Bencoding, BEP 3, both ways: what is written is canonical, and only what is canonical is read.

So an infohash can be taken over a decoded info dictionary encoded again. No file is read here.
"""

import re
from typing import TypeAlias

from packager.errors import InputError

Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]
Dictionary: TypeAlias = dict[bytes, Value]

LIMIT = 10_000_000  # bytes of a .torrent: libtorrent's and torf's own limit
DEPTH = 100  # nested lists and dictionaries: libtorrent's own limit
VALUES = 2_000_000  # lists, dictionaries, strings and integers, keys not counted: bounds memory to some 300 MB
_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,7}):")


def encode(value: Value) -> bytes:
    """Return `value` bencoded; dictionary keys are sorted as raw bytes (BEP 3, "bencoding")."""
    written = bytearray()  # a list of its parts would take 30 times the memory where they are small
    _write(value, written)
    return bytes(written)


def _write(value: Value, written: bytearray) -> None:
    if isinstance(value, int):
        written += b"i%de" % value
    elif isinstance(value, bytes):
        written += b"%d:" % len(value)
        written += value
    elif isinstance(value, list):
        written += b"l"
        for entry in value:
            _write(entry, written)
        written += b"e"
    else:
        written += b"d"
        for key in sorted(value):
            written += b"%d:" % len(key)
            written += key
            _write(value[key], written)
        written += b"e"


def decode(data: bytes, where: object, *, any_order: bool = False) -> Value:
    """Return the one value that `data` holds.

    Raises InputError naming the fault and its byte: over LIMIT bytes, DEPTH levels or VALUES values, cut
    short, bytes after the value, a leading zero, -0, an integer of more than 64 bits, keys doubled or out
    of order. Then `encode(decode(data)) == data`. any_order: let keys stand in any order, as trackers send them.
    """
    if len(data) > LIMIT:
        raise InputError(where, f"{len(data)} bytes are more than the {LIMIT} that a .torrent may have")
    reader = _Reader(data, where, any_order=any_order)
    value = reader.value(DEPTH)
    if reader.at != len(data):
        raise reader.fault("bytes follow the end of the bencoded value")
    return value


class _Reader:
    """Reads values from `data`, one after another, from byte `at`."""

    def __init__(self, data: bytes, where: object, *, any_order: bool) -> None:
        self.at = 0
        self._data, self._where, self._left, self._any_order = data, where, VALUES, any_order

    def fault(self, what: str) -> InputError:
        """Return the error that says what is wrong at the current byte."""
        return InputError(self._where, f"byte {self.at}: {what}")

    def value(self, depth: int) -> Value:
        """Return the value that begins here; lists and dictionaries may nest `depth` deep."""
        self._left -= 1
        if self._left < 0:
            raise self.fault(f"more than {VALUES} values")
        kind = self._data[self.at : self.at + 1]
        if kind == b"i":
            return self._integer()
        if kind not in (b"l", b"d"):
            return self._string()
        if not depth:
            raise self.fault(f"lists and dictionaries nested deeper than {DEPTH}")
        self.at += 1
        value: Value = self._list(depth - 1) if kind == b"l" else self._dictionary(depth - 1)
        self.at += 1
        return value

    def _integer(self) -> int:
        match = _INTEGER.match(self._data, self.at)
        number = int(match[1]) if match else 1 << 64
        if match is None or not -(1 << 63) <= number < 1 << 63:
            raise self.fault("not an integer in canonical form and of at most 64 bits")
        self.at = match.end()
        return number

    def _string(self) -> bytes:
        match = _LENGTH.match(self._data, self.at)
        if match is None:
            raise self.fault("no bencoded value begins here")
        start, length = match.end(), int(match[1])
        if start + length > len(self._data):
            raise self.fault(f"a string of {length} bytes is cut short")
        self.at = start + length
        return self._data[start : self.at]

    def _list(self, depth: int) -> list[Value]:
        values: list[Value] = []
        while self._data[self.at : self.at + 1] != b"e":
            values.append(self.value(depth))
        return values

    def _dictionary(self, depth: int) -> Dictionary:
        values: Dictionary = {}
        last: bytes | None = None
        while self._data[self.at : self.at + 1] != b"e":
            start = self.at
            key = self._string()
            if key in values or (last is not None and key < last and not self._any_order):
                self.at = start
                raise self.fault("a dictionary's key is doubled" if key in values else "dictionary keys out of order")
            values[key] = self.value(depth)
            last = key
        return values


def get_integer(fields: Dictionary, key: str, where: object) -> int:
    """Return the integer under `key`, at least 0. Raises InputError where there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, int) or value < 0:
        raise InputError(where, f'"{key}" is missing or not a whole number from 0')
    return value


def get_string(fields: Dictionary, key: str, where: object) -> bytes:
    """Return the string under `key`. Raises InputError where there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, bytes):
        raise InputError(where, f'"{key}" is missing or not a string')
    return value


def get_list(fields: Dictionary, key: str, where: object) -> list[Value]:
    """Return the list under `key`. Raises InputError where there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, list):
        raise InputError(where, f'"{key}" is missing or not a list')
    return value


def get_dictionary(fields: Dictionary, key: str, where: object) -> Dictionary:
    """Return the dictionary under `key`. Raises InputError where there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, dict):
        raise InputError(where, f'"{key}" is missing or not a dictionary')
    return value
