"""Tag files and manifest lines follow RFC 8493, and their sizes are known before any digest is."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.core.shards import bag
from tests.helpers.strategies import HOSTILE, safe_names


def test_bagit_txt_is_the_two_lines_of_the_standard() -> None:
    assert bag.BAGIT_TXT == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"Source": ""}, ""),
        ({"Source": " \t\u2028"}, ""),
        ({"Source": "a", "Rights": "CC0"}, "Source: a\nRights: CC0\n"),
        ({"Source": "two\nlines\r\nRights: none"}, "Source: two lines Rights: none\n"),
        ({"Source": " a: b "}, "Source: a: b\n"),
        ({"Source": "nel\u0085ls\u2028ps\u2029vt\x0bnbsp\u00a0x"}, "Source: nel ls ps vt nbsp x\n"),
    ],
)
def test_bag_info_has_one_line_for_each_value_that_is_there(fields: dict[str, str], text: str) -> None:
    assert bag.bag_info(fields) == text


@given(st.dictionaries(st.sampled_from(["Source", "Rights", "Contact-Name"]), st.text(st.sampled_from(HOSTILE))))
def test_no_value_breaks_out_of_its_line(fields: dict[str, str]) -> None:
    lines = bag.bag_info(fields).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [label for label, value in fields.items() if value.strip()]


@given(st.binary(min_size=32, max_size=32), safe_names())
def test_a_manifest_line_is_as_long_as_said(digest: bytes, name: str) -> None:
    line = bag.manifest_line(digest, f"data/{name}")
    assert line == f"{digest.hex()}  data/{name}\n".encode()
    assert len(line) == bag.manifest_line_size(len(f"data/{name}".encode()))


def test_the_tag_manifest_lists_every_other_tag_file_in_order() -> None:
    digests = [sha256(name.encode()).digest() for name in bag.TAGGED]
    text = bag.tagmanifest(digests).decode()
    assert len(text) == bag.TAGMANIFEST_SIZE
    assert [line.split("  ")[1] for line in text.splitlines()] == [
        "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "records.jsonl",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="zip"):
        bag.tagmanifest(digests[1:])
