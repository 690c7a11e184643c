"""What a release document says of withdrawals agrees with itself; extensions are ignored, other fields are refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packager.core.releases import documents, lookup_index
from packager.core.releases.document_checks import check_release
from packager.core.releases.lookup_index import Lookup
from packager.core.reports.issues import IssueList
from packager.errors import InputError
from packager.model import FileDigest, Manifest, PublishedFile, Release, ReleaseShard, Withdrawal
from tests.helpers.made_up_releases import make_shard

VECTOR = Path(__file__).parents[3] / "manifests/vectors/shard/expected"
DATE = "2026-11-21T00:00:00Z"
FILE = FileDigest(size=5, sha256="0" * 64)


def withdrawal(**more: Any) -> Withdrawal:
    facts = {"id": "a", "reason": "asked", "date": DATE, "since": 2, "shards": ("example-texts-00001",)} | more
    return Withdrawal(**facts)


def faults_of(*withdrawals: Withdrawal, withdrawn: int) -> list[str]:
    """Return what is wrong with the vector's release as serial 5, its shard with so many withdrawn members."""
    release = documents.from_bytes((VECTOR / "release.json").read_bytes(), Release, "release.json")
    [shard] = release.shards
    release = msgspec.structs.replace(
        release,
        serial=5,
        previous="0" * 64,
        shards=(msgspec.structs.replace(shard, withdrawn=withdrawn),),
        withdrawals=withdrawals,
    )
    faults = IssueList()
    check_release(release, faults)
    return [f"{each.where}: {each.what}" for each in faults.kept]


@pytest.mark.parametrize("key", ["homepage", "base_url"])
@pytest.mark.parametrize(
    ("written", "is_right"),
    [
        ("", True),
        ("https://archive.example/about?x=1", True),
        ("HTTP://archive.example/", True),
        ("javascript:alert(1)", False),
        ("JavaScript://archive.example/%0aalert(1)", False),
        ("data:text/html,x", False),
        ("ftp://archive.example/", False),
        ("//archive.example/", False),
        ("https://archive.example/\u202e", False),
    ],
)
def test_an_address_that_a_page_links_to_is_of_the_web(key: str, written: str, is_right: bool) -> None:
    release = documents.from_bytes((VECTOR / "release.json").read_bytes(), Release, "release.json")
    if key == "homepage":
        release = msgspec.structs.replace(
            release, collection=msgspec.structs.replace(release.collection, homepage=written)
        )
    else:
        release = msgspec.structs.replace(release, base_url=written)
    faults = IssueList()
    check_release(release, faults)
    assert [each.where for each in faults.kept] == ([] if is_right else [key])


def test_withdrawals_that_agree_with_themselves_are_right() -> None:
    assert faults_of(withdrawn=0) == []
    assert faults_of(withdrawal(files=(FILE,)), withdrawn=1) == []
    assert faults_of(withdrawal(lifted=3), withdrawn=0) == []
    assert faults_of(withdrawal(lifted=3), withdrawn=1) == []  # the rows that it would bring back were lost
    again = withdrawal(lifted=3), withdrawal(since=3, lifted=4), withdrawal(since=5)
    assert faults_of(*again, withdrawn=1) == []
    assert faults_of(withdrawal(id="not published", shards=()), withdrawn=0) == []


@pytest.mark.parametrize(
    ("withdrawals", "withdrawn", "sentence"),
    [
        ([withdrawal()], 0, "has 0 withdrawn members, and 1 withdrawals in force list it"),
        ([], 1, "has 1 withdrawn members, and 0 withdrawals in force list it"),
        ([withdrawal(lifted=3)], 2, "has 2 withdrawn members, and 0 withdrawals in force list it"),
        ([withdrawal(), withdrawal(id="b")], 1, "has 1 withdrawn members, and 2 withdrawals in force list it"),
        ([withdrawal(), withdrawal(since=3)], 2, 'the record "a" is withdrawn twice'),
        ([withdrawal(lifted=4), withdrawal(since=3)], 1, "withdrawn in serial 3, before it was lifted in serial 4"),
        ([withdrawal(lifted=2)], 0, "withdrawn since serial 2 and lifted in serial 2"),
        ([withdrawal(lifted=6)], 0, "withdrawn since serial 2 and lifted in serial 6"),
        ([withdrawal(since=6)], 1, "names a serial or a shard that does not exist"),
        ([withdrawal(shards=("example-texts-00002",))], 0, "names a serial or a shard that does not exist"),
        ([withdrawal(shards=("example-texts-00001",) * 2)], 1, 'names the shard "example-texts-00001" twice'),
        ([withdrawal(files=(FileDigest(size=0, sha256="0" * 64),))], 1, "lists an empty file, which has no content"),
        ([withdrawal(files=(FileDigest(size=1, sha256="0" * 63),))], 1, "is not 64 lower-case hex digits"),
    ],
)
def test_withdrawals_that_contradict_themselves_are_faults(
    withdrawals: list[Withdrawal], withdrawn: int, sentence: str
) -> None:
    assert any(sentence in fault for fault in faults_of(*withdrawals, withdrawn=withdrawn))


def with_extensions(kind: type, extensions: Any) -> bytes:
    """Return a document of a type, with extensions."""
    if kind is Lookup:
        facts = {
            "format": 1,
            "type": "lookup",
            "collection": "example",
            "serial": 1,
            "keys": 1,
            "buckets": 1,
            "slots": 1,
        }
        part = {"path": "lookup/1.bin", "size": 12, "sha256": "0" * 64}
        lists = {"parts": [part], "phases": ["texts"], "trackers": [], "web_seeds": []}
        document = facts | {"buckets": 1, "slots": 1, "part_buckets": 1} | lists
    else:
        name = "release.json" if kind is Release else "example-texts-00001.manifest.json"
        document = json.loads((VECTOR / name).read_bytes())
    return json.dumps(document | {"extensions": extensions}).encode()


ANYTHING = {"a": [1, -5, 2.5, None, True, "x", {"": {}}], "b": 1 << 80, "é": "\u2028", "c": {"deep": [[[[]]]]}}


@pytest.mark.parametrize("kind", [Release, Manifest, Lookup])
@pytest.mark.parametrize("extensions", [ANYTHING, {}, {"format": 9}])
def test_extensions_of_any_content_are_read_and_ignored(kind: type, extensions: Any) -> None:
    read = lookup_index.parse_lookup if kind is Lookup else lambda data, where: documents.from_bytes(data, kind, where)
    document = read(with_extensions(kind, extensions), "x.json")
    without = msgspec.structs.replace(document, extensions={})
    assert without == read(with_extensions(kind, {}), "x.json")
    assert b"extensions" not in documents.to_bytes(without)
    assert documents.from_bytes(documents.to_bytes(document), kind, "x.json").extensions.keys() == extensions.keys()


@pytest.mark.parametrize("kind", [Release, Manifest, Lookup])
@pytest.mark.parametrize("extensions", [None, [], "x", 1])
def test_extensions_that_are_no_object_are_refused(kind: type, extensions: Any) -> None:
    with pytest.raises(InputError, match="not a valid"):
        documents.from_bytes(with_extensions(kind, extensions), kind, "x.json")


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_extensions_that_are_nested_too_deep_are_refused(depth: int) -> None:
    data = with_extensions(Release, {"x": None}).replace(b'"x": null', b'"x": ' + b"[" * depth + b"]" * depth)
    with pytest.raises(InputError, match="nested too deep"):
        documents.from_bytes(data, Release, "x.json")


def test_a_key_that_stands_twice_in_extensions_is_refused() -> None:
    data = with_extensions(Release, {"x": 1}).replace(b'"x": 1', b'"x": 1, "x": 2')
    with pytest.raises(InputError, match="twice in one object"):
        documents.from_bytes(data, Release, "x.json")


def test_a_shard_names_all_its_documents() -> None:
    shard = make_shard("audio", 1, also_v1=True)
    values = [getattr(shard, name) for name in ReleaseShard.__struct_fields__]
    assert set(shard.documents) == {value for value in values if isinstance(value, PublishedFile)}
