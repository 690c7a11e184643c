"""next_release.py: what a next release says of keys, and of shards that were published."""

import msgspec
import pytest

from packager.core.config.parse_config import parse_config
from packager.core.releases import documents
from packager.core.releases.kept_entries import LINKS
from packager.core.releases.minisign_key import PublicKey
from packager.core.releases.next_release import PackedShard, check_signer, next_release
from packager.errors import InputError
from packager.model import Infohash, Manifest, Plan, PlannedPhase, PublishedFile, Release
from tests.helpers.simulated_publisher import Publisher, hex_of, make_shard, secret_key

CONFIG = parse_config('[collection]\nname = "demo"\ntitle = "Demo"\nsource = "x"\n[[phases]]\nname = "audio"\n')
AUDIO = PlannedPhase(
    name="audio", title="Audio", content="files", records=1, files=1, payload=1, over_budget=0, shards=()
)
PLAN = Plan(
    format=1, collection="demo", date="2026-01-01T00:00:00Z", catalogue="", options="", without_phase=0, phases=(AUDIO,)
)
OLD, NEW = secret_key("old").public, secret_key("new").public


def release_after(last: Release | None, shards: list[PackedShard], next_key: PublicKey | None = None) -> Release:
    return next_release(
        PLAN,
        CONFIG,
        shards,
        published={"audio"},
        closed={},
        catalogue_records=1,
        last=(last, documents.to_bytes(last)) if last else None,
        date="2026-02-01T00:00:00Z",
        next_key=next_key,
    )


def packed(number: int, also_v1: str | None = None) -> PackedShard:
    shard = make_shard("demo", "audio", number, "2026-01-01T00:00:00Z")
    facts = {
        field: getattr(shard, field) for field in ("name", "phase", "number", "file", "size", "payload", "members")
    }
    hashes = {field: getattr(shard, field) for field in ("piece_length", "pieces_root", "infohash_v1", "infohash_v2")}
    document = msgspec.convert(
        {
            "format": 1,
            "type": "manifest",
            "tool": "",
            "collection": "demo",
            "container": "tar",
            "oversize": False,
            "bag_info": "",
            **facts,
            **hashes,
            **({"twin_infohash": Infohash(hex_of(also_v1, 40))} if also_v1 else {}),
        },
        type=Manifest,
    )
    twin = PublishedFile(path="torrents/x.v1.torrent", size=1, sha256=hex_of("x")) if also_v1 else None
    return PackedShard(
        manifest=document,
        torrent=shard.torrent,
        document=shard.manifest,
        members_table=shard.members_table,
        members_tsv=shard.members_tsv,
        twin_torrent=twin,
    )


def test_a_release_names_the_key_that_signs_the_next() -> None:
    first = release_after(None, [])
    assert first.next_key is None
    assert b"next_key" not in documents.to_bytes(first)
    second = release_after(first, [], NEW)
    assert (second.serial, second.next_key) == (2, NEW.line)
    assert release_after(second, [], NEW) is second
    assert release_after(second, []).next_key is None


def test_what_follows_a_release_that_names_a_key_is_signed_with_no_other() -> None:
    first = release_after(None, [])
    check_signer(first, OLD)
    check_signer(first, NEW)
    second = release_after(first, [], NEW)
    check_signer(second, NEW)
    with pytest.raises(InputError) as error:
        check_signer(second, OLD)
    assert str(error.value) == (
        f"release.secret_key: is the key {OLD.name}, but serial 2 names {NEW.name} for the next releases; "
        f"name the secret key of {NEW.name}; mirrors accept no other"
    )


def test_a_shard_that_is_obsolete_stays_so() -> None:
    publisher = Publisher()
    publisher.publish(2)
    publisher.publish(0, obsolete=["demo-audio-00001"])
    after = release_after(publisher.head.release, [packed(1), packed(2), packed(3)])
    assert [shard.obsolete for shard in after.shards] == [True, False, False]


def test_an_obsolete_shard_keeps_its_links_whatever_the_trackers_are() -> None:
    publisher = Publisher()
    publisher.publish(2)
    publisher.publish(0, obsolete=["demo-audio-00001"])
    last = publisher.head.release
    shards = [packed(1, "a"), packed(2, "b")]
    other = msgspec.structs.replace(shards[0].torrent, sha256=hex_of("other"))
    after = release_after(last, [msgspec.structs.replace(shards[0], torrent=other), shards[1]])
    for field in LINKS:
        assert getattr(after.shards[0], field) == getattr(last.shards[0], field)
    assert after.shards[1].twin_infohash == hex_of("b", 40)


def test_what_every_reader_would_refuse_is_not_released() -> None:
    first = release_after(None, [packed(1), packed(2)])
    for change in ({"members": 9}, {"piece_length": 1 << 16}, {"pieces_root": hex_of("x")}, {"sha256": hex_of("x")}):
        one = packed(1)
        changed = msgspec.structs.replace(one, manifest=msgspec.structs.replace(one.manifest, **change))
        with pytest.raises(InputError, match="a torrent cannot change"):
            release_after(first, [changed, packed(2)])
    with pytest.raises(InputError, match="a torrent cannot change"):
        release_after(first, [packed(1)])


def test_an_extra_torrent_may_come_and_go_but_not_change() -> None:
    plain = release_after(None, [packed(1)])
    twin = release_after(plain, [packed(1, "a")])
    assert twin.shards[0].twin_infohash == hex_of("a", 40)
    assert release_after(twin, [packed(1)]).shards[0].twin_infohash is None
    with pytest.raises(InputError, match="a torrent cannot change"):
        release_after(twin, [packed(1, "b")])
