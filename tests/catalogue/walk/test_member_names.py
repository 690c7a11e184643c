"""Member names of one folder."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager import paths
from packager.catalogue.walk.member_names import member_names
from packager.errors import InputError

NAMES = st.binary(min_size=1, max_size=12).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b".."))


@settings(max_examples=200)
@given(
    names=st.lists(st.one_of(NAMES, st.sampled_from([b"a%", b"a_", b"A_", b"con", "é".encode(), "e\u0301".encode()])))
)
def test_every_name_becomes_a_safe_one_that_no_file_system_takes_for_another(names: list[bytes]) -> None:
    named = member_names(list(dict.fromkeys(names)), folder=b"album")
    assert set(named) == set(names)
    assert all(bool(new.why) == (new.name.encode() != name) for name, new in named.items())
    safe = {name: new.name for name, new in named.items()}
    assert all(paths.is_safe_name(name) for name in safe.values())
    assert len({paths.collision_key(name) for name in safe.values()}) == len(safe)


def test_a_name_that_is_what_another_becomes_is_changed_too() -> None:
    replaced = paths.safe_name(b"100%.flac")
    twin = replaced.upper().encode()
    named = member_names([b"100%.flac", twin], folder=b"")
    assert named[b"100%.flac"].name == replaced
    assert named[twin].name == paths.safe_name(twin, collides=True)
    assert named[twin].why == "the name equals that of a changed name or path"


def test_the_name_that_long_paths_use_is_changed_at_the_top_only() -> None:
    assert (
        member_names([b"Long-Paths~"], folder=b"")[b"Long-Paths~"].why
        == "the name equals that of a changed name or path"
    )
    assert member_names([b"long-paths~"], folder=b"below")[b"long-paths~"] == ("long-paths~", "")


def test_two_names_whose_hashes_begin_alike_are_refused() -> None:
    twins = [b"\x83\x98\xa9", b"\x86\xff\x91"]  # found by trying: both SHA-256 begin with 5c01cd43
    with pytest.raises(InputError) as refused:
        member_names(twins, folder=b"album")
    assert str(refused.value) == (
        r'album: "\x83\x98\xa9" and "\x86\xff\x91" would both be named "___~5c01cd43" in a shard; rename one of them'
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"\xff.flac", "the name is not UTF-8"),
        (b"x" * 256, "the name has more than 255 bytes"),
        (b"song ", "the name ends in a dot or a space"),
        (b"song.", "the name ends in a dot or a space"),
        (b"con.txt", "the name is reserved on Windows"),
        (b"a\nb", "the name contains a character that other systems or programs read differently"),
        (b"100%.flac", "the name contains a character that other systems or programs read differently"),
    ],
)
def test_the_reason_for_a_changed_name_is_told(name: bytes, why: str) -> None:
    assert member_names([name, b"other"], folder=b"")[name].why == why


def test_twins_are_told_so_whatever_else_is_odd_about_them() -> None:
    why = "the name differs from another only by case or by Unicode normalisation"
    assert {new.why for new in member_names([b"A%", b"a%"], folder=b"").values()} == {why}


PLAIN_NAMES = (
    st.text("aAbB1 ._-~%()nulcomNULé\n/", min_size=1, max_size=6).filter(lambda name: "/" not in name).map(str.encode)
)


@settings(max_examples=300)
@given(
    st.lists(PLAIN_NAMES | st.sampled_from([b"con", b"NUL.txt", b"lpt1 .a", b"a\na", b"x" * 256, b"b."]), unique=True)
)
def test_a_folder_of_plain_names_is_named_as_by_the_long_way(names: list[bytes]) -> None:
    if paths.are_plain(names):
        assert [paths.safe_name(name).encode() for name in names] == names
        assert not paths.colliding(names)
        assert [named.why for named in member_names(names, folder=b"").values()] == [""] * len(names)
