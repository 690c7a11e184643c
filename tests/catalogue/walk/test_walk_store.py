"""The walk of a listing: the order and the names of a folder's walk, whatever order the store lists in."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.catalogue.walk.walk_folder import SkippedEntry, UnreadFolder, Walked, WalkedFile, sort_key, walk_folder
from packager.catalogue.walk.walk_store import walk_store
from packager.engine.stores.base import Refused, Store, StoreEntry, StoreStat
from packager.errors import InputError

NAMES = st.text(st.sampled_from("aAb -./é%"), min_size=1, max_size=3).filter(lambda name: "/" not in name)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


class Listing:
    """A store of which only the listing is asked. closed: folders that it refuses to list."""

    def __init__(self, keys: list[str], closed: Sequence[str] = ()) -> None:
        self.found = [StoreEntry(key, StoreStat(len(key), 1, key)) for key in keys]
        self.closed = closed

    def entries(self, refused: Refused) -> Iterator[StoreEntry]:
        for folder in self.closed:
            refused(folder, "the host refuses it")
        return iter(self.found)


def walked(keys: list[str], closed: Sequence[str] = ()) -> list[Walked]:
    return walked_of(Listing(keys, closed))


def walked_of(listing: Listing) -> list[Walked]:
    with tempfile.TemporaryDirectory() as scratch:
        return list(walk_store(cast(Store, cast(Any, listing)), Path(scratch)))


def test_a_folder_that_cannot_be_listed_is_unread_in_its_place_in_the_walk() -> None:
    seen = walked(["a/1", "b/c/x", "b/z", "d"], ["a/0", "b/c/below", "e/f"])
    refused = "the folder cannot be read (the host refuses it)"
    assert [item.path for item in seen] == [b"a/0", b"a/1", b"b/c/below", b"b/c/x", b"b/z", b"d", b"e/f"]
    assert [item for item in seen if not isinstance(item, WalkedFile)] == [
        UnreadFolder(path, refused, is_folder=True) for path in (b"a/0", b"b/c/below", b"e/f")
    ]


def is_folder_tree(keys: list[str]) -> bool:
    """Say whether a folder could hold these keys."""
    files = set(keys)
    parts = [key.split("/") for key in keys]
    folders = {"/".join(each[:depth]) for each in parts for depth in range(1, len(each))}
    return not files & folders and not any(name in (".", "..") for each in parts for name in each)


@settings(max_examples=60)
@given(st.lists(KEYS, unique=True, max_size=12).filter(is_folder_tree))
def test_a_listing_is_walked_as_the_same_files_in_a_folder(keys: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        for key in keys:
            path = Path(root, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * len(key))
        expected = [
            (each.path, each.member, each.why)
            for each in walk_folder(os.fsencode(root))
            if isinstance(each, WalkedFile)
        ]
    found = [(each.path, each.member, each.why) for each in walked(keys) if isinstance(each, WalkedFile)]
    assert found == expected


@settings(max_examples=60)
@given(st.lists(KEYS, unique=True, max_size=12))
def test_every_key_is_found_once_in_order_under_a_member_path_of_its_own(keys: list[str]) -> None:
    try:
        found = [each for each in walked(keys) if isinstance(each, WalkedFile)]
    except InputError:
        return  # names that cannot be told apart
    assert [each.path for each in found] == sorted((key.encode() for key in keys), key=sort_key)
    assert len({each.member for each in found}) == len(keys)


def test_a_file_whose_replaced_name_is_another_s_is_refused() -> None:
    [_, renamed] = sorted(each.member for each in walked(["a", "a/b"]) if isinstance(each, WalkedFile))
    assert renamed.startswith("a~")
    with pytest.raises(InputError, match="would be named"):
        walked(["a", "a/b", renamed])


def test_markers_of_folders_are_no_files() -> None:
    listing = Listing([])
    listing.found = [
        StoreEntry("made/", StoreStat(0, 1, "x")),
        StoreEntry("made/f", StoreStat(1, 1, "y")),
        StoreEntry("empty/", StoreStat(0, 1, "z")),
    ]
    assert walked_of(listing) == [
        SkippedEntry(b"empty", "an empty folder; shards contain only files"),
        WalkedFile(b"made/f", "made/f", 1, StoreStat(1, 1, "y").stamp.mtime_ns, ""),
    ]
