"""Bencoding, BEP 3, both ways: what is written is canonical. No file is read here.

`decode` reads only what is canonical. `decode_torrent` reads what libtorrent reads, with a remark where that is not
canonical, and the place of each value, since an infohash is of the bytes as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from packager.errors import InputError

Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]
Dictionary: TypeAlias = dict[bytes, Value]

LIMIT = 10_000_000  # bytes of a .torrent: libtorrent's and torf's own limit
DEPTH = 99  # nested lists and dictionaries: as many as libtorrent reads
VALUES = 2_000_000  # lists, dictionaries, strings and integers, keys not counted: bounds memory to some 300 MB
_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,7}):")
_LOOSE_INTEGER = re.compile(rb"i(-?[0-9]{1,20})e")
_LOOSE_LENGTH = re.compile(rb"([0-9]{1,16}):")


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


@dataclass(frozen=True)
class Decoded:
    """A dictionary that was read liberally. spans: the bytes [start, stop) of each of its values, by key."""

    value: Dictionary
    spans: Mapping[bytes, tuple[int, int]]
    remarks: tuple[str, ...]


def decode_torrent(data: bytes, where: object, strict: frozenset[bytes]) -> Decoded:
    """Return the dictionary that `data` begins with, as libtorrent reads it.

    Bytes after its end, keys in any order, leading zeros, -0 and integers of more than 64 bits are remarks; so are keys
    that are doubled, of which the first counts. But in and for the values of the keys `strict` a doubled key is
    refused: two readers would see two things. Raises InputError like `decode` for all else, and if it is no dictionary.
    """
    if len(data) > LIMIT:
        raise InputError(where, f"{len(data)} bytes are more than the {LIMIT} that a .torrent may have")
    reader = _LooseReader(data, where, strict)
    value = reader.value(DEPTH)
    if not isinstance(value, dict):
        raise InputError(where, "is not a bencoded dictionary, so not a .torrent")
    if reader.at != len(data):
        reader.remark("after the end", f"{len(data) - reader.at} bytes follow the end")
    return Decoded(value, reader.spans, tuple(reader.remarks.values()))


class _Reader:
    """Reads values from `data`, one after another, from byte `at`."""

    integer, length, any_size = _INTEGER, _LENGTH, False

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
        match = self.integer.match(self._data, self.at)
        number = int(match[1]) if match else 1 << 64
        if match is None or not (self.any_size or -(1 << 63) <= number < 1 << 63):
            raise self.fault("not an integer in canonical form and of at most 64 bits")
        self._check_digits(match[1])
        self.at = match.end()
        return number

    def _string(self) -> bytes:
        match = self.length.match(self._data, self.at)
        if match is None:
            raise self.fault("no bencoded value begins here")
        start, length = match.end(), int(match[1])
        if start + length > len(self._data):
            raise self.fault(f"a string of {length} bytes is cut short")
        self._check_digits(match[1])
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
            if key in values:
                self._doubled(key, start, depth)
            elif last is not None and key < last:
                self._unsorted(start)
            found = self._keyed(key, depth)
            values.setdefault(key, found)
            last = key
        return values

    def _keyed(self, key: bytes, depth: int) -> Value:  # noqa: ARG002 (a looser reader asks)
        return self.value(depth)

    def _check_digits(self, digits: bytes) -> None:
        """Take note of digits that are not canonical; the pattern lets none through."""

    def _doubled(self, key: bytes, start: int, depth: int) -> None:  # noqa: ARG002 (a looser reader asks)
        self.at = start
        raise self.fault("a dictionary's key is doubled")

    def _unsorted(self, start: int) -> None:
        if not self._any_order:
            self.at = start
            raise self.fault("dictionary keys out of order")


class _LooseReader(_Reader):
    """Reads what libtorrent reads. remarks: by kind, the first of each."""

    integer, length, any_size = _LOOSE_INTEGER, _LOOSE_LENGTH, True

    def __init__(self, data: bytes, where: object, strict: frozenset[bytes]) -> None:
        super().__init__(data, where, any_order=True)
        self.spans: dict[bytes, tuple[int, int]] = {}
        self.remarks: dict[str, str] = {}
        self._strict, self._is_strict = strict, False

    def remark(self, kind: str, what: str) -> None:
        """Take note of the first of a kind."""
        self.remarks.setdefault(kind, f"byte {self.at}: {what}")

    def _check_digits(self, digits: bytes) -> None:
        if digits.lstrip(b"-").startswith(b"0") and digits != b"0":
            self.remark("digits", "a number has a leading zero or is -0")
        if len(digits) > 18 and not -(1 << 63) <= int(digits) < 1 << 63:
            self.remark("size", "an integer has more than 64 bits")

    def _keyed(self, key: bytes, depth: int) -> Value:
        if depth < DEPTH - 1:
            return self.value(depth)
        self._is_strict = key in self._strict
        start = self.at
        value = self.value(depth)
        self.spans.setdefault(key, (start, self.at))
        self._is_strict = False
        return value

    def _doubled(self, key: bytes, start: int, depth: int) -> None:
        if self._is_strict or (depth == DEPTH - 1 and key in self._strict):
            super()._doubled(key, start, depth)
        self.remark("doubled", "a dictionary's key is doubled; the first counts")

    def _unsorted(self, start: int) -> None:
        self.remarks.setdefault("order", f"byte {start}: dictionary keys out of order")


def get_integer(fields: Dictionary, key: str, where: object) -> int:
    """Return the integer under `key`, at least 0. Raises InputError if there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, int) or value < 0:
        raise InputError(where, f'"{key}" is missing or not a whole number from 0')
    return value


def get_string(fields: Dictionary, key: str, where: object) -> bytes:
    """Return the string under `key`. Raises InputError if there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, bytes):
        raise InputError(where, f'"{key}" is missing or not a string')
    return value


def get_list(fields: Dictionary, key: str, where: object) -> list[Value]:
    """Return the list under `key`. Raises InputError if there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, list):
        raise InputError(where, f'"{key}" is missing or not a list')
    return value


def get_dictionary(fields: Dictionary, key: str, where: object) -> Dictionary:
    """Return the dictionary under `key`. Raises InputError if there is none."""
    value = fields.get(key.encode())
    if not isinstance(value, dict):
        raise InputError(where, f'"{key}" is missing or not a dictionary')
    return value
