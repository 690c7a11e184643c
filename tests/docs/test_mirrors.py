"""The pages for mirrors: their tables are what the code gives."""

import re

import msgspec
import numpy as np
import pytest

from bench import mirrors
from packager.core.releases import mirror_strategies
from packager.model import STRATEGIES, Infohash
from tests.helpers.load_script import DOCS, ROOT
from tests.helpers.simulated_publisher import Publisher, make_shard, phase_of

CHOOSING = (DOCS / "explanation/choosing-shards.md").read_text(encoding="utf-8")
TRUST = (DOCS / "explanation/trust.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def months() -> list[mirrors.Comers]:
    return mirrors.population(50)


def test_the_first_row_of_the_simulation_is_made_again(months: list[mirrors.Comers]) -> None:
    found = {name: mirrors.simulate(months, way)[-1] for name, way in mirrors.WAYS.items()}
    assert mirrors.row(50, found) in CHOOSING.split("\n")
    assert f"{mirrors.SHARDS:,} shards" in CHOOSING


def test_the_simulation_takes_the_shards_that_choose_takes() -> None:
    shards = [make_shard("demo", "audio", number, "2026-01-01T00:00:00Z") for number in range(1, 61)]
    by_name = {shard.name: at for at, shard in enumerate(shards)}
    release = msgspec.structs.replace(Publisher().next(0), shards=tuple(shards), phases=(phase_of("audio", shards),))
    seeds = [at % 4 for at in range(60)]
    infohashes = [bytes.fromhex(shard.infohash_v2 or Infohash("")) for shard in shards]
    for mirror in (b"one", b"two", b"three"):
        drawn = mirror_strategies.uniforms(mirror, infohashes)[np.newaxis]
        for strategy, way in (("spread", mirrors.spread), ("rarest", mirrors.rarest)):
            taken = np.argsort(way(drawn, np.array(seeds, dtype=np.float64))[0])[:20].tolist()
            chosen = mirror_strategies.choose_shards(
                release,
                budget=20 * (shards[0].size + mirror_strategies.documents_of(shards[0])),
                mirror_id=mirror,
                strategy=strategy,
                seeds={shard.name: count for shard, count in zip(shards, seeds, strict=True)},
            )
            assert [by_name[choice.name] for choice in chosen] == taken


def test_every_strategy_stands_in_the_table_and_the_formula_is_the_codes() -> None:
    told = re.findall(r"^\| `(\w+)` \|", CHOOSING, re.MULTILINE)
    assert sorted(told) == sorted(STRATEGIES)
    assert f"(1 + seeds)^-{mirror_strategies.STEEPNESS}" in CHOOSING
    one, two = mirror_strategies.weights(np.array([20.0, 21.0]))
    assert f"20 seeds against 21 is {one / two:.2f} : 1" in CHOOSING
    zero, first = mirror_strategies.weights(np.array([0.0, 1.0]))
    assert f"{zero / first:.0f} : 1" in CHOOSING


def test_every_refusal_in_the_table_is_one_that_the_code_makes() -> None:
    code = "".join(
        (ROOT / "packager/core/releases" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("trust", "kept_entries", "document_checks", "minisign_signature")
    )
    code += "not a valid release"  # documents.py writes the kind's name
    refused = TRUST.partition("\n## What is refused\n")[2].partition("\n## ")[0]
    rows = [line for line in refused.split("\n") if line.startswith("| **")]
    names = [name for line in rows for name in re.findall(r"\*\*([^*]+)\*\*", line.split("|")[1])]
    assert len(names) > 15
    assert [name for name in names if name not in code] == []
