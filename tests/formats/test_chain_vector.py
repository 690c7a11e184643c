"""manifests/vectors/chain/ is what its make.py makes today, and what FORMAT.md says."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from packager.core.releases.lookup_index import bucket_range, parse_bucket, parse_lookup
from packager.core.releases.trust import accept_release, pin
from packager.engine.tables import members_tsv
from tests.helpers.load_script import load
from tests.second_implementation.site import Site

CHAIN = Path(__file__).parents[2] / "manifests/vectors/chain"
RELEASE = CHAIN / "expected/release"
MAKE = load(CHAIN / "make.py")
# Whether a key leads to a member: not that of a file that was withdrawn.
KEYS = {"moved.txt": True, "US-S1Z-99-00001": True, "new.txt": True, "ex-3": True, "letter.txt": False, "ex-4": False}


def test_the_chain_is_made_again_byte_for_byte() -> None:
    written = json.loads((CHAIN / "expected/versions.json").read_bytes())
    if written != MAKE.VERSIONS:
        pytest.skip(f"the bytes of tables depend on {MAKE.VERSIONS}, and expected/ has those of {written}")
    made = MAKE.made()
    paths = [path for path in sorted((CHAIN / "expected").rglob("*")) if path.is_file()]
    assert sorted(made) == sorted(path.relative_to(CHAIN / "expected").as_posix() for path in paths)
    for path in paths:
        assert made[path.relative_to(CHAIN / "expected").as_posix()] == path.read_bytes(), path.name


def test_the_second_implementation_finds_the_chain_right() -> None:
    found = Site(RELEASE, CHAIN / "expected/shards").check()
    assert found.problems == []
    assert (found.checked["documents"], found.checked["shard bytes"], found.checked["catalogue"]) == (8, 8, 4)


def test_a_follower_accepts_the_four_releases_one_after_another() -> None:
    bodies = [(RELEASE / f"releases/{serial}.json").read_bytes() for serial in range(1, 5)]
    state = pin(bodies[0]).followed
    for body in bodies[1:]:
        state = accept_release(state, body, b"").followed
    assert state.serial == 4
    assert [(each.id, each.since, each.lifted) for each in state.withdrawals] == [
        ("ex-3", 3, 4),
        ("ex-4", 3, 0),
        ("copy of the letter.txt", 3, 0),
    ]


def test_the_chain_has_what_it_is_for() -> None:
    rows = pq.read_table(RELEASE / "manifests/example-texts-00001.members.parquet").to_pylist()
    assert [row["id"] for row in rows] == ["ex-2", "empty.txt", "ex-1", "ex-3", "moves.txt"]
    assert {row["superseded"] for row in rows} == {None, "example-texts-00002"}
    assert ("moved.txt", "moved.txt") in {(row["current_id"], row["current_path"]) for row in rows}
    lines = [row for batch in members_tsv.read_members_tsv(RELEASE / "manifests/example-texts-00001.members.tsv.zst")
             for row in batch.to_pylist()]  # fmt: skip
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    index = parse_lookup((RELEASE / "lookup.json").read_bytes(), "lookup.json")
    for key, found in KEYS.items():
        where = bucket_range(index, key)
        bucket = (RELEASE / where.part.path).read_bytes()[where.start : where.stop]
        assert bool(parse_bucket(index, bucket, where.mark)) == found, key
