"""The Range header: what RFC 9110 asks for, nothing outside the file, never many times the file for one request."""

import email
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.http.range_header import MOST, UnsatisfiableError, content_range, parse_range, part_heads

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "ranges"),
    [  # the first seven are RFC 9110's own examples (14.1.2), of a file of 10,000 bytes
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=500-700,601-999", [(500, 701), (601, 1000)]),
        ("Bytes=5-5", [(5, 6)]),
        ("bytes=0-", [(0, 10_000)]),
        ("bytes=9999-10000", [(9999, 10_000)]),
        ("bytes=0-" + "9" * 5000, [(0, 10_000)]),
        ("bytes=-" + "9" * 30, [(0, 10_000)]),
        ("bytes=" + "0" * 30 + "5-" + "0" * 30 + "9", [(5, 10)]),
        ("bytes=-20000", [(0, 10_000)]),
        ("bytes=20000-,5-6", [(5, 7)]),
        ("bytes=,5-6,,", [(5, 7)]),
        ("bytes=5-6,0-1", [(5, 7), (0, 2)]),
    ],
)
def test_a_header_is_read_as_rfc_9110_tells(header: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_range(header, SIZE) == ranges


@pytest.mark.parametrize("header", ["items=0-5", "0-5", "bytes", "", "seconds=1-2, bytes=3-4"])
def test_another_unit_is_passed_over(header: str) -> None:
    assert parse_range(header, SIZE) is None


@pytest.mark.parametrize(
    "header",
    [
        "bytes=",
        "bytes=-",
        "bytes=10000-",
        "bytes=-0",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=0x1-2",
        "bytes=\u0661-\u0662",
        "bytes=99999999999999999999-",
        "bytes=0-9999,0-9999",
        "bytes=" + ",".join(["0-0"] * (MOST + 1)),
        "bytes=" + ",".join(["20000-"] * (MOST + 1)) + ",0-0",
    ],
)
def test_what_is_no_range_of_the_file_or_too_much_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range(header, SIZE)


def test_no_byte_of_an_empty_file_can_be_asked_for() -> None:
    for header in ("bytes=0-", "bytes=-1", "bytes=0-0"):
        with pytest.raises(UnsatisfiableError):
            parse_range(header, 0)


@settings(max_examples=200)
@given(
    header=st.one_of(
        st.text(max_size=60),
        st.lists(st.from_regex(r"[0-9]{0,6}-[0-9]{0,6}", fullmatch=True), max_size=70).map(
            lambda specs: "bytes=" + ",".join(specs)
        ),
    ),
    size=st.integers(0, 1 << 62),
)
def test_whatever_is_asked_ranges_lie_in_the_file_and_are_no_more_than_it(header: str, size: int) -> None:
    try:
        ranges = parse_range(header, size)
    except UnsatisfiableError:
        return
    for start, stop in ranges or ():
        assert 0 <= start < stop <= size
    assert len(ranges or ()) <= MOST
    assert len(ranges or ()) < 2 or sum(stop - start for start, stop in ranges or ()) <= size


def test_several_ranges_stand_in_a_frame_that_a_mail_reader_takes_apart() -> None:
    data = bytes(range(256)) * 40
    ranges = [(0, 1), (500, 700), (9999, 10_000)]
    heads = part_heads(ranges, SIZE, "application/x-tar", "frontier")
    body = b"".join(head + data[start:stop] for head, (start, stop) in zip(heads, ranges, strict=False)) + heads[-1]
    message = email.message_from_bytes(b"Content-Type: multipart/byteranges; boundary=frontier\r\n\r\n" + body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert [part["Content-Range"] for part in parts] == [content_range(each, SIZE) for each in ranges]
    assert {part["Content-Type"] for part in parts} == {"application/x-tar"}
    assert re.fullmatch(rb"\r\n--frontier--\r\n", heads[-1])
