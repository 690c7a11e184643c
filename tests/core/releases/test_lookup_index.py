"""Keys, hashes and buckets of the lookup index, and a lookup.json that a stranger wrote."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.releases import documents, lookup_index
from packager.core.releases.lookup_index import EMPTY, LOOKUP, SLOT, Lookup, LookupHit
from packager.errors import InputError
from packager.model import PublishedFile

VECTORS = json.loads((Path(__file__).parents[3] / "manifests/vectors/lookup.json").read_bytes())["cases"]


def make_lookup(**more: object) -> Lookup:
    """An index of ten buckets of three slots, in parts of four."""
    sizes = [4 * 36, 4 * 36, 2 * 36]
    facts: dict[str, object] = {
        "format": 1,
        "type": "lookup",
        "collection": "tones",
        "serial": 1,
        "keys": 20,
        "buckets": 10,
        "slots": 3,
        "part_buckets": 4,
        "parts": tuple(
            PublishedFile(path=f"lookup/{at}.bin", size=size, sha256="0" * 64) for at, size in enumerate(sizes)
        ),
        "phases": ("metadata", "audio"),
        "trackers": (),
        "web_seeds": (),
    }
    return msgspec.convert(facts | more, Lookup)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["key"]))
def test_a_key_stands_where_the_published_vector_says(vector: dict[str, object]) -> None:
    assert lookup_index.normal(str(vector["key"])) == vector["normal"]
    assert f"{lookup_index.key_hash(str(vector['key'])):016x}" == vector["hash"]


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1), st.integers(1, (1 << 32) - 1))
@settings(max_examples=200)
def test_a_bucket_is_the_hash_times_buckets_without_a_rounding(hashes: list[int], buckets: int) -> None:
    found = lookup_index.bucket_numbers(np.array(hashes, np.uint64), buckets)
    assert found.tolist() == [each * buckets >> 64 for each in hashes]


@given(st.text())
@settings(max_examples=200)
def test_every_key_has_a_place_inside_its_part(key: str) -> None:
    index = make_lookup()
    place = lookup_index.bucket_range(index, key)
    assert 0 <= place.start < place.stop <= place.part.size
    assert place.stop - place.start == index.bucket_bytes


def test_a_key_that_is_not_utf_8_has_a_place_too() -> None:
    assert lookup_index.bucket_range(make_lookup(), "caf\udce9").mark >= 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("us-s1z-99-00001", "USS1Z9900001"),
        ("US S1Z 9900001", "USS1Z9900001"),
        ("USS1Z990000", None),
        ("USS1Z99000012", None),
        ("USS1Z99٠٠٠٠١", None),
        ("ß1Z9900001", None),
        ("", None),
    ],
)
def test_an_isrc_is_known_by_its_form(text: str, code: str | None) -> None:
    assert lookup_index.isrc(text) == code


def test_a_bucket_tells_the_shard_and_row_of_each_slot_with_the_mark() -> None:
    slots = np.array([(7, 100_002, 5), (8, 1, 0), (7, 3, 9), (7, EMPTY, EMPTY)], SLOT)
    found = lookup_index.parse_bucket(make_lookup(), slots.tobytes(), 7)
    assert [(hit.shard, hit.row) for hit in found] == [("tones-audio-00002", 5), ("tones-metadata-00003", 9)]
    assert isinstance(found[0], LookupHit)


def test_a_bucket_that_names_no_shard_is_refused() -> None:
    for shard in (200_001, 100_000, 0):
        with pytest.raises(InputError, match="which does not exist"):
            lookup_index.parse_bucket(make_lookup(), np.array([(7, shard, 5)], SLOT).tobytes(), 7)


def test_lookup_json_reads_back() -> None:
    index = make_lookup()
    assert lookup_index.parse_lookup(documents.to_bytes(index), LOOKUP) == index


@pytest.mark.parametrize(
    "wrong",
    [
        {"buckets": 0},
        {"buckets": 11},
        {"buckets": 1 << 40},
        {"slots": 0},
        {"slots": 1 << 40},
        {"part_buckets": 0},
        {"part_buckets": 1 << 60},
        {"parts": ()},
        {"parts": (PublishedFile(path="../../etc/passwd", size=360, sha256="0" * 64),), "part_buckets": 10},
        {"parts": (PublishedFile(path="http://x/y", size=360, sha256="0" * 64),), "part_buckets": 10},
        {"buckets": (1 << 32) - 1, "part_buckets": 1},
        {"collection": "../up"},
        {"phases": ("a/b",)},
        {"phases": ("",)},
    ],
    ids=repr,
)
def test_a_lookup_json_that_contradicts_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        lookup_index.parse_lookup(documents.to_bytes(make_lookup(**wrong)), LOOKUP)


def test_the_hash_is_the_beginning_of_the_sha_256() -> None:
    assert lookup_index.key_hash("ex-1") == int(hashlib.sha256(b"ex-1").hexdigest()[:16], 16)
