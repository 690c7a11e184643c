"""Documents are written in one form, and read only in that shape and within limits."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.core.releases import documents
from packager.errors import InputError
from packager.model import FrozenStruct, Manifest, Uint63


class Note(FrozenStruct, frozen=True, kw_only=True):
    format: Uint63
    text: str
    many: tuple[Uint63, ...] = ()
    words: tuple[str, ...] = ()


NOTE = Note(format=1, text='é "x" \u2028 \n \x00', many=(1, 2))


def test_the_bytes_are_canonical() -> None:
    assert (
        documents.to_bytes(NOTE)
        == (
            '{\n  "format": 1,\n  "text": "é \\"x\\" \u2028 \\n \\u0000",\n  "many": [\n    1,\n    2\n  ],\n'
            '  "words": []\n}\n'
        ).encode()
    )


@given(st.text(), st.lists(st.integers(0, 2**63 - 1)))
def test_a_document_reads_back_and_is_plain_json(text: str, many: list[int]) -> None:
    note = Note(format=1, text=text, many=tuple(many))
    data = documents.to_bytes(note)
    assert documents.from_bytes(data, Note, "note.json") == note
    assert json.loads(data) == {"format": 1, "text": text, "many": many, "words": []}
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
            "x.json: not a valid note (Expected `int` >= 0 - at `$.many[1]`)",
        ),
        (
            b'{"format":1,"text":"a","many":[9223372036854775808]}',
            "x.json: not a valid note (Expected `int` <= 9223372036854775807 - at `$.many[0]`)",
        ),
        (b'{"format":-1,"text":"a"}', "x.json: format -1 does not exist; get the document again"),
        (b'{"format":1,"text":"a","text":"b"}', 'x.json: has the key "text" twice in one object'),
        (b'{"format":1,"text":"a","te\\u0078t":"{"}', 'x.json: has the key "text" twice in one object'),
        (
            b'{"format":1,"text":"a","words":["text","b:"],"words":[]}',
            'x.json: has the key "words" twice in one object',
        ),
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
        b'{"format":1,"text":"a","words":["text","text","]","\\":","{"]}',
    ],
)
def test_a_document_that_another_program_wrote_is_read(data: bytes) -> None:
    assert documents.from_bytes(data, Note, "x.json").format == 1


def test_a_document_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(InputError, match=r"50331649 bytes are more than the 50331648 a document may have"):
        documents.from_bytes(bytes(documents.LIMIT + 1), Note, "x.json")


@given(
    st.binary(max_size=200)
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_bytes_raise_anything_but_our_error(data: bytes) -> None:
    with pytest.raises(InputError):
        documents.from_bytes(data, Manifest, "x.json")


_TEXT = st.text('ab":{}[]\\ \n', max_size=3)
_JSON = st.recursive(
    st.integers(0, 9) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(_TEXT, inner), max_size=3).map(tuple),
    max_leaves=12,
)


def written(value: object, doubled: list[bool]) -> str:
    """JSON in which an object is a tuple of pairs, doubled keys too; `doubled` is told of each object."""
    if isinstance(value, tuple):
        doubled.append(len({key for key, _ in value}) < len(value))
        return "{" + " , ".join(f"{json.dumps(key)} : {written(inner, doubled)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner, doubled) for inner in value) + "]"
    return json.dumps(value)


@given(_JSON)
def test_a_key_is_found_doubled_where_an_object_has_it_twice(value: object) -> None:
    doubled: list[bool] = []
    data = written((("whole", value),), doubled).encode()
    assert (documents._doubled_key(data) is not None) == any(doubled)
