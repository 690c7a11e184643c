"""The hard bound: over random catalogues no planned tar is larger than shards.size, and its size is exact."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.shards.cut_shards import ShardCutter
from packager.core.shards.records_jsonl import as_members
from packager.core.shards.tar_layout import tar_layout
from packager.model import CATALOGUE, PLANNED
from packager.options import CollectionOptions, Config, PhaseOptions, ShardOptions

SELECTED = pa.schema([CATALOGUE.field(name) for name in PLANNED.names if name != "shard"])
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120)
RECORDS = st.fixed_dictionaries(
    {
        "size": st.integers(0, 50_000) | st.integers(0, 1 << 34),
        "folder": NAMES | st.just("a" * 200),
        "title": st.none() | st.text(st.characters(codec="utf-8"), max_size=200),
        "popularity": st.none() | st.floats(0, 100),
    }
)


def rows_of(records: list[dict]) -> pa.Table:
    rows = [
        {
            "id": f"{number}",
            "path": f"{record['folder']}/{number}.flac",
            "member": f"{record['folder']}/{number}.flac",
            "kind": "audio",
            "size": record["size"],
            "title": record["title"],
            "popularity": record["popularity"],
        }
        for number, record in enumerate(records)
    ]
    return pa.Table.from_pylist(rows, SELECTED)


@settings(max_examples=30)
@given(
    records=st.lists(RECORDS, min_size=1, max_size=25),
    size=st.integers(64 << 10, 300_000),
    batch=st.integers(1, 50),
    budget=st.none() | st.integers(0, 2_000_000),
)
def test_no_planned_tar_exceeds_the_bound_unless_it_is_one_oversize_member(
    records: list[dict], size: int, batch: int, budget: int | None
) -> None:
    phase = PhaseOptions(name="audio", title="Audio", budget=budget)
    config = Config(
        collection=CollectionOptions(name="tones", title="Tones", source="source", contact="ö" * 50),
        shards=ShardOptions(size=size),
        phases=(phase,),
    )
    rows = rows_of(records)
    cutter = ShardCutter(config, phase)
    planned = pa.Table.from_batches(list(cutter.cut(iter(rows.to_batches(batch)))), PLANNED)
    assert planned["id"].to_pylist() == rows["id"].to_pylist()[: planned.num_rows]
    for shard in cutter.shards:
        part = planned.slice(shard.first_row, shard.rows)
        assert set(part["shard"].to_pylist()) == {shard.number - 1}
        assert tar_layout(shard.name, shard.bag_info, as_members(part)).size == shard.size
        assert shard.size <= size or (shard.oversize and shard.rows == 1)
        assert shard.payload == sum(part["size"].to_pylist())
    if budget is not None:
        assert sum(shard.size for shard in cutter.shards) <= budget
    else:
        assert planned.num_rows == len(records)


@settings(max_examples=15)
@given(records=st.lists(RECORDS, min_size=1, max_size=30), batch=st.integers(1, 30))
def test_the_plan_does_not_hang_on_how_the_rows_come(records: list[dict], batch: int) -> None:
    phase = PhaseOptions(name="audio", title="Audio")
    config = Config(
        collection=CollectionOptions(name="tones", title="Tones", source="source"),
        shards=ShardOptions(size=100_000),
        phases=(phase,),
    )
    rows = rows_of(records)
    plans = []
    for rows_at_once in (batch, 1000):
        cutter = ShardCutter(config, phase)
        list(cutter.cut(iter(rows.to_batches(rows_at_once))))
        plans.append(cutter.shards)
    assert plans[0] == plans[1]
