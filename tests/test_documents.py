"""Documents are written in one form, and read only in that shape and within limits."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import documents
from packager.errors import InputError
from packager.model import Manifest, Struct


class Note(Struct, frozen=True, kw_only=True):
    format: int
    text: str
    many: tuple[int, ...] = ()


NOTE = Note(format=1, text='é "x" \u2028 \n \x00', many=(1, 2))


def test_the_bytes_are_canonical() -> None:
    assert (
        documents.to_bytes(NOTE)
        == (
            '{\n  "format": 1,\n  "text": "é \\"x\\" \u2028 \\n \\u0000",\n  "many": [\n    1,\n    2\n  ]\n}\n'
        ).encode()
    )


@given(st.text(), st.lists(st.integers(0, 2**63 - 1)))
def test_a_document_reads_back_and_is_plain_json(text: str, many: list[int]) -> None:
    note = Note(format=1, text=text, many=tuple(many))
    data = documents.to_bytes(note)
    assert documents.from_bytes(data, Note, "note.json") == note
    assert json.loads(data) == {"format": 1, "text": text, "many": many}
    assert documents.digest(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "x.json: not a valid note (Input data was truncated)"),
        (b'{"format":1,"text":"a"', "x.json: not a valid note (Input data was truncated)"),
        (b"[]", "x.json: not a valid note (Expected `object`, got `array`)"),
        (b"{}", "x.json: not a valid note (Object missing required field `format`)"),
        (b'{"format":1}', "x.json: not a valid note (Object missing required field `text`)"),
        (b'{"format":"1","text":"a"}', "x.json: not a valid note (Expected `int`, got `str` - at `$.format`)"),
        (b'{"format":true,"text":"a"}', "x.json: not a valid note (Expected `int`, got `bool` - at `$.format`)"),
        (b'{"format":1,"text":2}', "x.json: not a valid note (Expected `str`, got `int` - at `$.text`)"),
        (b'{"format":1,"text":"a","more":1}', "x.json: not a valid note (Object contains unknown field `more`)"),
        (b'{"format":2,"text":"a","new":1}', "x.json: format 2 is newer than 1; update packager"),
        (b'{"format":1,"text":"a"} x', "x.json: not a valid note (JSON is malformed: trailing characters (byte 25))"),
        (
            b'{"format":1,"text":"a","many":[5,-1]}',
            "x.json: holds the number -1, not from 0 to 9223372036854775807",
        ),
        (
            b'{"format":1,"text":"a","many":[9223372036854775808]}',
            "x.json: holds the number 9223372036854775808, not from 0 to 9223372036854775807",
        ),
        (b'{"format":-1,"text":"a"}', "x.json: holds the number -1, not from 0 to 9223372036854775807"),
        (b'{"format":1,"text":"a","text":"b"}', 'x.json: holds the key "text" twice in one object'),
        (b'{"format":1,"text":"a","te\\u0078t":"{"}', 'x.json: holds the key "text" twice in one object'),
        (b'{"format":1,"text":"\\ud800"}', None),
        (b'{"format":1,"text":"\xff"}', None),
        (b'{"format":1,"text":"a","many":[' + b"9" * 5000 + b"]}", None),
        (b'{"format":1e999,"text":"a"}', None),
        (b"\xff\xfe{\0}\0", None),
        (b"\xef\xbb\xbf{}", None),
        (b'{"format":1,"text":"a","many":' + b"[" * 100_000, None),
        (b"[" * 100_000, None),
        (b'{"a":' * 100_000, None),
    ],
)
def test_a_document_of_another_shape_is_refused_in_one_sentence(data: bytes, sentence: str | None) -> None:
    with pytest.raises(InputError) as error:
        documents.from_bytes(data, Note, "x.json")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("x.json: ")
    assert sentence is None or str(error.value) == sentence


@pytest.mark.parametrize(
    "data",
    [
        b'{"text":"{\\"text\\":1,\\"text\\":2}","format":1}',
        b' { "format" : 1 , "text" : "format" , "many" : [ ] } ',
        b'{"format":1,"text":"\\\\","many":[]}',
    ],
)
def test_a_document_that_another_program_wrote_is_read(data: bytes) -> None:
    assert documents.from_bytes(data, Note, "x.json").format == 1


def test_a_document_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(InputError, match=r"67108865 bytes are more than the 67108864 a document may have"):
        documents.from_bytes(bytes(documents.LIMIT + 1), Note, "x.json")


@given(
    st.binary(max_size=200)
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_bytes_raise_anything_but_our_error(data: bytes) -> None:
    with pytest.raises(InputError):
        documents.from_bytes(data, Manifest, "x.json")
