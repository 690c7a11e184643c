"""Addresses of stores: what they mean, and that no secret of one is ever shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.config.store_url import StoreUrl, is_store_url, parse_store_url
from packager.errors import InputError


@pytest.mark.parametrize(
    ("written", "address", "file"),
    [
        ("s3://bucket", StoreUrl("s3", "bucket", ""), "a/b"),
        ("S3://bucket/pre fix/x/", StoreUrl("s3", "bucket", "pre fix/x"), "pre fix/x/a/b"),
        ("sftp://me@host:2222/srv/x", StoreUrl("sftp", "host", "/srv/x", "me", 2222), "/srv/x/a/b"),
        ("sftp://host/srv", StoreUrl("sftp", "host", "/srv"), "/srv/a/b"),
        ("file:///srv/x/", StoreUrl("file", "", "/srv/x"), "/srv/x/a/b"),
    ],
)
def test_an_address_says_where_its_files_lie(written: str, address: StoreUrl, file: str) -> None:
    found = parse_store_url(written, "test")
    assert (found, found.below("a/b")) == (address, file)
    assert parse_store_url(str(found), "test") == found


def test_a_place_holds_itself_and_what_is_below_it_and_no_other() -> None:
    def holds(one: str, other: str) -> bool:
        return parse_store_url(one, "test").holds(parse_store_url(other, "test"))

    assert holds("s3://bucket", "s3://bucket/a")
    assert holds("s3://bucket/a", "s3://bucket/a")
    assert holds("file:///a", "file:///a/b")
    assert not holds("s3://bucket/a", "s3://bucket/ab")
    assert not holds("s3://bucket/a", "s3://bucket")
    assert not holds("s3://bucket/a", "s3://other/a/b")
    assert not holds("sftp://host/a", "file:///a/b")


PARTS = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=100)
@given(st.sampled_from(("s3", "sftp", "file", "https", "gs")), PARTS, PARTS)
def test_an_address_with_a_password_is_refused_and_never_shown(scheme: str, before: str, after: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_store_url(f"{scheme}://{before}:hunter2@{after}", "test")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "written", ["s3://AKIA:hun/ter2@bucket/x", "sftp://me:hun/ter2@host/x", "https://me:hun/ter2@host"]
)
def test_a_password_with_a_slash_is_never_shown(written: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_store_url(written, "test")
    assert "ter2" not in str(refused.value)


def test_paths_are_no_addresses() -> None:
    assert not any(is_store_url(path) for path in ("songs", "/srv/songs", "s3:/x", "C:\\songs", "a b://x", "://x"))


@pytest.mark.parametrize(
    "written", ["s3://", "s3://b", "s3:///x", "s3://b//x", "s3://bucket/../x", "sftp:///x", "file://h/x"]
)
def test_an_address_that_is_not_complete_is_refused(written: str) -> None:
    with pytest.raises(InputError):
        parse_store_url(written, "test")
