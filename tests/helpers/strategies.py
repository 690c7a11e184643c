"""Hypothesis strategies that many tests share: file names, members tables, layouts with their members' bytes."""

from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa
from hypothesis import strategies as st

from packager import paths
from packager.core.shards.layout import MemberRange, Segment
from packager.core.shards.tar_layout import TarLayout, tar_layout
from packager.model import TAGS, ShardName

# What a members table of records_jsonl.as_members holds.
MEMBER_ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("source_path", pa.string()),
        ("source_path_b64", pa.string()),
        ("kind", pa.string()),
        ("size", pa.int64()),
        *TAGS,
        ("mtime_ns", pa.int64()),
    ]
)

HOSTILE = (
    "\x00\x01\t\n\r\x1b\x7f\u0085\u00a0\u2028\u2029\u200e\u202e\u2066\u061c\ufeff\ufffd"
    "%\\\"'<>:|?*[]{}()&$`!#~;., -_/aAbB0eE\u0301\u00e9\u00c9\u00df\u0130\u3000\u65e5\ud55c\U0001f3b5"
)
_NAME_TEXT = st.text(st.sampled_from(HOSTILE.replace("\x00", "").replace("/", "")) | st.characters(codec="utf-8"))
_WORDS = st.sampled_from(
    ["CON", "aux.flac", "com\u00b9.tar.gz", "nul .x", "LPT0", "..", ".", "~", "a" * 251 + ".ogg", "é" * 130]
)


def _file_name(name: bytes) -> bytes:
    """Return the bytes as a file system could hold them: no NUL, no slash, at least one byte."""
    return name.replace(b"\0", b"").replace(b"/", b"") or b"x"


def names() -> st.SearchStrategy[bytes]:
    """File names as a POSIX file system may hold them, and longer ones."""
    return st.one_of(
        st.binary(min_size=1, max_size=300).map(_file_name),
        _NAME_TEXT.map(lambda text: _file_name(text.encode())),
        st.builds(lambda word, rest: _file_name((word + rest).encode()), _WORDS, _NAME_TEXT),
    )


def safe_names() -> st.SearchStrategy[str]:
    """Names that may stand in a bag."""
    return names().map(paths.safe_name)


def member_paths(most: int = 8) -> st.SearchStrategy[list[str]]:
    """Up to `most` paths for one bag: distinct to every file system, none a folder of another."""
    name = st.one_of(safe_names(), st.text("abcdefgh .-", min_size=1, max_size=120).map(lambda t: f"x{t}x"))
    one = st.lists(name, min_size=1, max_size=3)
    many = st.lists(one, max_size=most)
    # A number before each keeps them distinct; a path's length still goes past every limit of a tar header.
    return many.map(
        lambda lists: [str(paths.member_path([f"{i}", *parts], str(i).encode())) for i, parts in enumerate(lists)]
    )


def tag_values() -> st.SearchStrategy[dict[str, object]]:
    """Values of the columns of model.TAGS, any of them left out."""
    text = st.text(st.sampled_from(HOSTILE) | st.characters(codec="utf-8"), max_size=20)
    numbers = st.integers(-(2**31), 2**31 - 1)
    doubles = st.floats(allow_nan=False, allow_infinity=False)
    values: dict[pa.DataType, st.SearchStrategy[object]] = {
        pa.string(): text,
        pa.int32(): numbers,
        pa.float64(): doubles,
    }
    optional = {field.name: values[field.type] for field in TAGS if field.name != "extra"}
    extra = st.sampled_from(['{"a":1}', '{"label":"\u2028 \\u0000","n":[1.5,null]}'])
    return st.fixed_dictionaries({}, optional={**optional, "extra": extra})


@st.composite
def members_tables(draw: st.DrawFn, sizes: st.SearchStrategy[int] | None = None, most: int = 8) -> pa.Table:
    """Members tables of up to `most` rows; `sizes` draws the members' sizes in bytes."""
    sizes = st.sampled_from([0, 0, 1, 511, 512, 513]) | st.integers(0, 3000) if sizes is None else sizes
    rows = []
    for path in draw(member_paths(most)):
        source = draw(st.none() | st.just(path + "?"))
        fixed = {"id": draw(st.text(st.sampled_from(HOSTILE), min_size=1, max_size=8)), "path": path, "kind": "audio"}
        rows.append({**fixed, "source_path": source, "size": draw(sizes), **draw(tag_values())})
    return pa.Table.from_pylist(rows, MEMBER_ROWS)


@dataclass(frozen=True)
class Sample:
    """A layout with its members' bytes, and the whole tar read straight off it."""

    layout: TarLayout
    contents: list[bytes]
    digests: bytes
    tar: bytes


def content(row: int, size: int) -> bytes:
    """Return the bytes of a member, other ones for each row."""
    unit = b"%d:" % row + bytes(range(256))
    return (unit * (size // len(unit) + 1))[:size]


def read(segments: "list[Segment]", contents: list[bytes]) -> bytes:
    """Return the bytes that segments stand for."""
    return b"".join(
        contents[part.member][part.start : part.stop] if isinstance(part, MemberRange) else part.data
        for part in segments
    )


def sample(members: pa.Table, name: str = "demo-audio-00001", bag_info: str = "Source: a test\n") -> Sample:
    """Return a layout of these members with made-up bytes."""
    layout = tar_layout(ShardName(name), bag_info, members)
    contents = [content(row, size) for row, size in enumerate(members["size"].to_pylist())]
    digests = b"".join(sha256(data).digest() for data in contents)
    return Sample(layout, contents, digests, read(list(layout.segments(digests=digests)), contents))


def samples() -> st.SearchStrategy[Sample]:
    """Layouts with their bytes."""
    names = st.sampled_from(["s", "demo-audio-00001", "collection-" * 9 + "00001"])
    return st.builds(
        sample, members_tables(), names, st.sampled_from(["", "Source: a test\n", "Rights: \u00e9\n" * 60])
    )
