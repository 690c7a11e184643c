"""Names of files made from strangers' tags and paths: below their folder, distinct, and as they were asked for."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.shards.path_formats import (
    FIELDS,
    add_number,
    exact_path,
    extension,
    folded_path,
    make_distinct,
    original_path,
    parse_path_format,
)
from packager.paths import NAME_MAX, is_safe_path

TEXT = st.one_of(st.none(), st.text(max_size=300), st.sampled_from(["..", ".", "/", "CON", "a/../..", "x\0", "\udcff"]))
PATHS = st.lists(st.sampled_from([b"a", b"A", b"a/b", b"a/B", b"a.x", b"A.X", b"\xc3\xa9", b"e\xcc\x81"]), max_size=8)


@settings(max_examples=200)
@given(values=st.lists(TEXT, min_size=3, max_size=3), track=st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)))
def test_whatever_the_tags_are_a_layout_gives_a_safe_path_of_its_own_depth(
    values: list[str | None], track: int | None
) -> None:
    row = dict(zip(("artist", "album", "title"), values, strict=True)) | {"track": track}
    for layout in ("{artist}/{album}/{track:02} {title}", "{title}", "{artist}{title}/x {album}"):
        path = parse_path_format(layout).path(row, ".flac")
        assert is_safe_path(path)
        assert path.count("/") == layout.count("/")
        assert path.endswith(".flac")


def test_fields_are_written_as_people_write_them() -> None:
    row = {"track": 7, "duration": 61.0, "popularity": 0.25, "title": None, "sha256": b"\x01\xff", "album": "A/B"}
    layout = parse_path_format("{track:02}-{track}-{duration}-{popularity}-{title}-{sha256}-{album}-{{}}")
    assert layout.path(row, ".ogg") == "07-7-61-0.25-unknown-01ff-A_B-{}.ogg"
    assert layout.fields == ["track", "duration", "popularity", "title", "sha256", "album"]
    assert parse_path_format("{duration}").path({"duration": float("inf")}, "") == "inf"
    assert {"id", "path", "kind", "artist"} <= set(FIELDS)


@settings(max_examples=200)
@given(wanted=PATHS)
def test_distinct_paths_are_distinct_and_no_file_is_a_folder(wanted: list[bytes]) -> None:
    for key in (folded_path, exact_path):
        found = make_distinct(wanted, key)
        keys = [key(path) for path in found]
        assert len(set(keys)) == len(keys)
        folders = {key(path[: match.start()]) for path in found for match in re.finditer(b"/", path)}
        assert not folders & set(keys)
        assert all(
            path.rpartition(b"/")[0] == asked.rpartition(b"/")[0] for path, asked in zip(found, wanted, strict=True)
        )


def test_the_first_of_twins_keeps_its_name() -> None:
    assert make_distinct([b"x/a.ogg", b"x/A.ogg", b"x/a.ogg"], folded_path) == [b"x/a.ogg", b"x/A~2.ogg", b"x/a~3.ogg"]
    assert make_distinct([b"x/a.ogg", b"x/A.ogg", b"x/a.ogg"], exact_path) == [b"x/a.ogg", b"x/A.ogg", b"x/a~2.ogg"]
    assert make_distinct([b"a~2", b"a", b"a"], folded_path) == [b"a~2", b"a", b"a~3"]


def test_numbers_sort_as_played_and_no_name_grows_too_long() -> None:
    long = b"x" * 250 + b".flac"
    names = [add_number(b"album/" + long, number, 120) for number in (1, 20, 120)]
    assert names == sorted(names)
    assert [name[:10] for name in names] == [b"album/001 ", b"album/020 ", b"album/120 "]
    assert all(len(name) == len(b"album/") + NAME_MAX and name.endswith(b".flac") for name in names)


@settings(max_examples=200)
@given(path=st.one_of(st.text(max_size=60), st.from_regex(r"(\.{0,2}a?/){0,4}\.{0,2}b?", fullmatch=True)))
def test_an_original_path_stays_below_its_folder_or_is_none(path: str) -> None:
    found = original_path(path, None)
    if found is not None:
        assert found == path.encode()
        assert not {b"", b".", b".."} & set(found.split(b"/"))


def test_an_extension_is_short_and_plain() -> None:
    assert [extension(path) for path in ("a.flac", "x.y/a", "a.", ".hidden", "a.b c", "a.tar.gz", "a." + "x" * 11)] == [
        *(".flac", "", "", "", "", ".gz", "")
    ]
