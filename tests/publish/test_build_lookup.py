"""The index that publishing makes: what stands in it, what does not, and that its bytes hang on nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from packager.core.releases import lookup_index
from packager.core.releases.lookup_index import EMPTY, NUMBERS, SLOT, Lookup, LookupHit
from packager.engine.tables import parquet
from packager.model import MEMBERS
from packager.progress import SILENT
from packager.publish import build_lookup as making
from packager.publish.build_lookup import MembersTable, build_lookup
from tests.helpers.made_up_releases import make_members
from tests.helpers.projects import make_project

MARK = "abcdef0123456789"


def write(folder: Path, name: str, rows: Sequence[dict[str, object]], shard: int, since: int = 1) -> MembersTable:
    path = folder / f"{name}.members.parquet"
    parquet.write_members(path, MEMBERS, make_members(rows).to_batches(), len(rows))
    return MembersTable(path, shard, since)


def made(folder: Path, members: Sequence[MembersTable], withdrawn: Sequence[str] = ()) -> Lookup:
    index = build_lookup(members, withdrawn, folder / "lookup", MARK, SILENT)
    facts = {"collection": "tones", "serial": 1, "phases": ("metadata", "audio")}
    return Lookup(**{name: facts.get(name, getattr(index, name)) for name in index.__struct_fields__})


def find(folder: Path, index: Lookup, key: str) -> list[LookupHit]:
    place = lookup_index.bucket_range(index, key)
    part = (folder / place.part.path).read_bytes()
    assert len(part) == place.part.size
    return lookup_index.parse_bucket(index, part[place.start : place.stop], place.mark)


def row(number: int, **more: object) -> dict[str, object]:
    return {"id": f"id-{number}", "path": f"a/{number}.flac"} | more


def test_every_key_of_every_member_leads_to_its_row(tmp_path: Path) -> None:
    rows = [row(number, isrc=f"us-abc-{number % 100:02d}-{number:05d}") for number in range(5000)]
    rows[17]["source_path"] = "a/seventeen%.flac"
    shards = [write(tmp_path, "one", rows[:3000], 1), write(tmp_path, "two", rows[3000:], NUMBERS + 2)]
    index = made(tmp_path, shards)
    assert index.keys == 15_001
    assert index.buckets == 8
    for number in (0, 17, 2999, 3000, 4999):
        hit = (
            LookupHit("tones-metadata-00001", number)
            if number < 3000
            else LookupHit("tones-audio-00002", number - 3000)
        )
        for key in (f"id-{number}", f"a/{number}.flac", f"USABC{number % 100:02d}{number:05d}"):
            assert hit in find(tmp_path, index, key)
    assert find(tmp_path, index, "a/seventeen%.flac") == [LookupHit("tones-metadata-00001", 17)]


def test_a_key_that_nobody_has_leads_nowhere(tmp_path: Path) -> None:
    index = made(tmp_path, [write(tmp_path, "one", [row(1, isrc="N/A"), row(2, isrc="")], 1)])
    assert index.keys == 4
    assert [find(tmp_path, index, key) for key in ("id-3", "N/A", "")] == [[], [], []]


def test_what_was_withdrawn_vanishes(tmp_path: Path) -> None:
    rows = [row(1), row(2, id="it's"), row(3)]
    index = made(tmp_path, [write(tmp_path, "one", rows, 1)], withdrawn=["it's", "id-9"])
    assert find(tmp_path, index, "it's") == find(tmp_path, index, "a/2.flac") == []
    assert find(tmp_path, index, "id-3") == [LookupHit("tones-metadata-00001", 2)]


def test_a_moved_file_is_found_by_its_id_of_now_and_by_both_paths(tmp_path: Path) -> None:
    rows = [
        row(1, id="old/a.txt", path="old/a.txt", current_id="new/a.txt", current_path="new/a.txt"),
        row(2, current_path="moved/2.flac"),
        row(3, source_path="a/3%.flac", current_path="b/3%.flac"),
        row(4, id="new/d.txt", path="new/d.txt", current_id="gone", current_path="gone"),
    ]
    index = made(tmp_path, [write(tmp_path, "one", rows, 1)], withdrawn=["gone"])
    keys = ("old/a.txt", "new/a.txt", "id-2", "a/2.flac", "moved/2.flac", "id-3", "a/3.flac", "a/3%.flac", "b/3%.flac")
    found = {key: [hit.row for hit in find(tmp_path, index, key)] for key in (*keys, "new/d.txt", "gone")}
    assert found == {key: [at] for key, at in zip(keys, (0, 0, 1, 1, 1, 2, 2, 2, 2), strict=True)} | {
        "new/d.txt": [],
        "gone": [],
    }


def test_an_old_id_that_another_record_has_now_leads_to_that_alone(tmp_path: Path) -> None:
    rows = [row(1, id="a.txt", path="a~1.txt", current_id="b.txt"), row(2, id="b.txt", path="b~1.txt", current_id="c")]
    index = made(tmp_path, [write(tmp_path, "one", rows, 1), write(tmp_path, "two", [row(3, id="a.txt")], 2, since=2)])
    assert [find(tmp_path, index, key) for key in ("a.txt", "b.txt", "c")] == [
        [LookupHit("tones-metadata-00002", 0)],
        [LookupHit("tones-metadata-00001", 0)],
        [LookupHit("tones-metadata-00001", 1)],
    ]


def test_the_newest_shard_stands_first(tmp_path: Path) -> None:
    shards = [
        write(tmp_path, "new", [row(1)], 1, since=3),
        write(tmp_path, "old", [row(1)], 2, since=1),
        write(tmp_path, "newer in its release", [row(1)], 3, since=3),
    ]
    found = find(tmp_path, made(tmp_path, shards), "id-1")
    assert [hit.shard for hit in found] == ["tones-metadata-00003", "tones-metadata-00001", "tones-metadata-00002"]


def test_a_wrong_isrc_of_thousands_of_members_does_not_swell_the_index(tmp_path: Path) -> None:
    rows = [row(number, isrc="XXXXX0000000") for number in range(6000)]
    index = made(tmp_path, [write(tmp_path, "one", rows, 1)])
    assert len(find(tmp_path, index, "XXXXX0000000")) == lookup_index.SAME_KEY
    assert index.keys == 12_000 + lookup_index.SAME_KEY
    assert index.slots < 1.2 * lookup_index.BUCKET_KEYS


def test_a_bucket_has_room_for_all_its_keys_and_ends_empty(tmp_path: Path) -> None:
    index = made(tmp_path, [write(tmp_path, "one", [row(number) for number in range(5000)], 1)])
    slots = np.frombuffer((tmp_path / index.parts[0].path).read_bytes(), SLOT).reshape(index.buckets, index.slots)
    full = slots["shard"] != EMPTY
    assert full.sum() == index.keys == 10_000
    assert full.sum(axis=1).max() == index.slots
    assert all((line[:-1] >= line[1:]).all() for line in full)


def test_parts_are_cut_between_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "PART_BYTES", 60_000)
    rows = [row(number) for number in range(5000)]
    index = made(tmp_path, [write(tmp_path, "one", rows, 1)])
    assert (len(index.parts), index.part_buckets) == (3, 2)
    for number in range(0, 5000, 97):
        assert find(tmp_path, index, f"id-{number}") == [LookupHit("tones-metadata-00001", number)]


def test_blocks_of_any_size_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = write(tmp_path, "one", [row(number, isrc="XXXXX0000000") for number in range(5000)], 1)
    first = made(tmp_path, [shard])
    monkeypatch.setattr(making, "_BLOCK", 999)
    assert made(tmp_path, [shard]) == first


def test_only_what_changed_makes_the_index_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path)
    assert project.run(capsys, "release", "--json").code == 0
    mark = project.root / ".packager/lookup/mark"
    before = mark.stat().st_ino, (project.root / "site/lookup.json").read_bytes()
    project.write_config(collection='description = "other words"')
    assert project.run(capsys, "release", "--json").code == 0
    after = (project.root / "site/lookup.json").read_bytes()
    assert mark.stat().st_ino == before[0]
    assert after == before[1].replace(b'"serial": 1', b'"serial": 2')
    sums = (project.root / "site/SHA256SUMS").read_text()
    assert sums.count(" lookup/") == 1
    assert sums.count(" lookup.json") == 1


def test_the_tables_schema_may_differ_by_further_columns(tmp_path: Path) -> None:
    one = write(tmp_path, "one", [row(1)], 1)
    more = make_members([row(2)]).append_column("mtime_ns", pa.array([1], pa.int64()))
    parquet.write_members(tmp_path / "two", more.schema, more.to_batches(), 1)
    for order in ([one, MembersTable(tmp_path / "two", 2, 1)], [MembersTable(tmp_path / "two", 2, 1), one]):
        assert find(tmp_path, made(tmp_path, order), "id-2") == [LookupHit("tones-metadata-00002", 0)]


def test_an_index_that_lost_a_part_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path)
    assert project.run(capsys, "release", "--json").code == 0
    (part,) = (project.root / "site/lookup").iterdir()
    before = part.read_bytes()
    (project.root / ".packager/lookup" / part.name).unlink()
    (project.root / ".packager/shown").unlink()
    assert project.run(capsys, "publish", "--json").code == 0
    assert part.read_bytes() == before
