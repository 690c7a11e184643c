"""bencode.py: canonical both ways, and hostile bytes end in our error alone."""

import contextlib
import re

import libtorrent as lt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packager.core.bittorrent import bencode
from packager.core.bittorrent.bencode import DEPTH, LIMIT, VALUES, Value
from packager.errors import InputError

VALUE: st.SearchStrategy[Value] = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=6), inner, max_size=5),
    max_leaves=30,
)


@given(value=VALUE)
@settings(max_examples=200)
def test_a_value_survives_and_equals_what_libtorrent_writes(value: Value) -> None:
    data = bencode.encode(value)
    assert bencode.decode(data, "x") == value
    assert data == lt.bencode(value)


@given(data=st.binary(max_size=60) | st.text("0123456789ilde:-ab", max_size=40).map(str.encode))
@settings(max_examples=400)
@example(b"d0:d6:lengthi0eee")
def test_bytes_are_read_only_where_they_are_canonical(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert bencode.encode(bencode.decode(data, "x.torrent")) == data


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "byte 0: no bencoded value begins here"),
        (b"x", "byte 0: no bencoded value begins here"),
        (b"i1", "byte 0: not an integer"),
        (b"ie", "byte 0: not an integer"),
        (b"i01e", "byte 0: not an integer"),
        (b"i-0e", "byte 0: not an integer"),
        (b"i+1e", "byte 0: not an integer"),
        (b"i 1e", "byte 0: not an integer"),
        (b"i9223372036854775808e", "byte 0: not an integer"),
        (b"i" + b"9" * 100_000 + b"e", "byte 0: not an integer"),
        (b"01:a", "byte 0: no bencoded value begins here"),
        (b"-1:a", "byte 0: no bencoded value begins here"),
        (b"3:ab", "byte 0: a string of 3 bytes is cut short"),
        (b"99999999:a", "byte 0: a string of 99999999 bytes is cut short"),
        (b"999999999:a", "byte 0: no bencoded value begins here"),
        (b"le1:a", "byte 2: bytes follow the end"),
        (b"l1:a", "byte 4: no bencoded value begins here"),
        (b"di1e1:ae", "byte 1: no bencoded value begins here"),
        (b"d1:ae", "byte 4: no bencoded value begins here"),
        (b"d1:ai1e1:ai2ee", "byte 7: a dictionary's key is doubled"),
        (b"d1:bi1e1:ai2ee", "byte 7: dictionary keys out of order"),
        (b"l" * 1_000_000, f"byte {DEPTH}: lists and dictionaries nested deeper than {DEPTH}"),
        (b"d0:" * 1_000_000, f"byte {3 * DEPTH}: lists and dictionaries nested deeper than {DEPTH}"),
        (b"l" + b"0:" * VALUES + b"e", f"more than {VALUES} values"),
    ],
    ids=lambda part: repr(part[:24]) if isinstance(part, bytes) else None,
)
def test_a_fault_is_named_with_its_byte(data: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=re.escape(fault)):
        bencode.decode(data, "x.torrent")


def test_nesting_up_to_the_limit_is_read() -> None:
    data = b"l" * DEPTH + b"e" * DEPTH
    assert bencode.encode(bencode.decode(data, "x")) == data


def test_more_bytes_than_a_torrent_may_have_are_refused_unread() -> None:
    with pytest.raises(InputError, match="10000001 bytes are more than the 10000000 that"):
        bencode.decode(bytes(LIMIT + 1), "x")
