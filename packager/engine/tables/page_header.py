"""The header of one Parquet page: how long it is, packed and unpacked, and how its values are encoded. Pure.

A footer's totals are a writer's word; a reader makes room by these. Parquet format, "PageHeader", in
Thrift's compact protocol.
"""

from dataclasses import dataclass
from typing import TypeAlias

from packager.errors import InputError

HEADER_MOST = 1 << 20  # bytes of a page header that is read; it may hold a column's least and greatest value
_DEPTH = 8  # structs within one another
_FIELDS = 1000  # of one header
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _STRUCT = (*range(1, 9), 12)
_Fields: TypeAlias = dict[int, "int | _Fields"]


@dataclass(frozen=True)
class PageHeader:
    """What a page's header says. header, packed, unpacked: bytes, `header` of the header itself."""

    header: int
    packed: int
    unpacked: int
    encoding: int | None  # Parquet's number; None for a page that holds no values


class ShortError(Exception):
    """The header goes on beyond the bytes that were given."""


def parse_page_header(window: bytes, where: object) -> PageHeader:
    """Return the header that `window` begins with. Raises ShortError, and InputError if it is none."""
    reader = _Reader(window, where)
    fields = reader.struct(_DEPTH)
    packed, unpacked = fields.get(3), fields.get(2)
    if not isinstance(packed, int) or not isinstance(unpacked, int) or packed < 0 or unpacked < 0:
        raise InputError(where, "a page's header lacks its sizes")
    encoding = None
    for kind, number in ((5, 2), (7, 2), (8, 4)):  # data page, dictionary page, data page of version 2
        own = fields.get(kind)
        if isinstance(own, dict):
            found = own.get(number)
            encoding = found if isinstance(found, int) else -1
    return PageHeader(reader.at, packed, unpacked, encoding)


class _Reader:
    """Reads Thrift's compact protocol; of what is no number or struct, only the length is minded."""

    def __init__(self, data: bytes, where: object) -> None:
        self.at = 0
        self._data, self._where, self._left = data, where, _FIELDS

    def _fault(self) -> InputError:
        return InputError(self._where, "a page's header is not in Thrift's compact protocol")

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ShortError
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, size: int) -> None:
        if self.at + size > len(self._data):
            raise ShortError
        self.at += size

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise self._fault()

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)  # zigzag

    def struct(self, depth: int) -> _Fields:
        """Return the numbers and structs of a struct by their field ids."""
        fields: _Fields = {}
        number = 0
        while head := self._byte():
            self._left -= 1
            if self._left < 0 or not depth:
                raise self._fault()
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15, depth - 1)
        return fields

    def _value(self, kind: int, depth: int) -> "int | _Fields":
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth)
        if kind in (_TRUE, _FALSE):
            return int(kind == _TRUE)
        if kind == _BYTE:
            return self._byte()
        if kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        else:
            raise self._fault()  # no page header holds a list, a set or a map
        return 0
