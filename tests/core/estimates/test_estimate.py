"""What is estimated agrees with what is planned, and says what it is made of."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager import api
from packager.core.estimates import estimate
from packager.core.estimates.estimate import EstimateOptions, FileTotals, ShardTotals
from packager.engine.tables import catalogue_totals as budgets
from packager.options import ShardOptions, TorrentOptions
from tests.helpers.projects import Project, make_project

TB = 10**12
ONE_PHASE = """
[[phases]]
name = "all"
title = "All"
"""


def project(root: Path, *, size: str, files: int = 40) -> Project:
    made = make_project(root, files=files)
    made.write_config(size=size, phases=ONE_PHASE)
    api.scan(made.root / "packager.toml", workers=1)
    return made


@pytest.mark.parametrize("size", ["64 KiB", "96 KiB", "1 GiB"])
def test_a_catalogue_s_estimate_has_the_shards_and_torrents_that_its_plan_gets(tmp_path: Path, size: str) -> None:
    config = project(tmp_path, size=size).root / "packager.toml"
    rough = api.estimate(config, api.EstimateOptions(rate=1e9, workers=1))
    api.plan(config)
    exact = api.estimate(config, api.EstimateOptions(rate=1e9, workers=1))
    assert (rough.basis, exact.basis) == ("catalogue", "plan")
    assert (rough.records, rough.files, rough.payload) == (exact.records, exact.files, exact.payload)
    assert abs(rough.shards - exact.shards) <= max(1, exact.shards // 20)
    assert rough.size == pytest.approx(exact.size, rel=0.05)
    assert rough.piece_length == exact.piece_length
    assert rough.torrent_size == exact.torrent_size
    assert rough.torrents == pytest.approx(exact.torrents, rel=0.1)


def test_an_exact_estimate_is_the_plan_s_own_sums(tmp_path: Path) -> None:
    config = project(tmp_path, size="96 KiB").root / "packager.toml"
    shards = [shard for phase in api.plan(config).plan.phases for shard in phase.shards]
    report = api.estimate(config, api.EstimateOptions(rate=1e6, workers=2, upload_rate=10**6, copies=3))
    assert report.shards == len(shards)
    assert report.size == sum(shard.size for shard in shards)
    assert report.torrents == sum(shard.torrent_size for shard in shards)
    assert report.hash_seconds == report.size / 2e6
    assert report.upload_seconds == pytest.approx(report.size * 3 / 1e6)


def test_two_numbers_are_enough_and_the_result_is_of_the_size_that_the_design_tells() -> None:
    report = api.estimate(
        options=api.EstimateOptions(records=256_000_000, size=300 * TB, rate=6e8, workers=2, copies=4)
    )
    assert report.basis == "description"
    assert 4366 <= report.shards <= 4380  # docs/design.md, "What grows with what": 64 GiB shards
    assert report.piece_length == 4 << 20
    assert 830 << 10 < report.torrent_size < 834 << 10
    with_tars, without_tars = report.stores
    assert with_tars.disks == 16 * 4
    assert without_tars.size == 4 * report.site < 4 * report.size // 1000
    assert with_tars.price == pytest.approx(4 * 300 * 15, rel=0.01)


@settings(max_examples=50)
@given(files=st.integers(1, 10**9), mean=st.integers(0, 10**9))
def test_no_description_gives_shards_that_are_over_their_bound(files: int, mean: int) -> None:
    lot = estimate.described(files, files * mean)
    cut = estimate.cut(lot, ("c", "p"), ShardOptions(), TorrentOptions())
    assert cut.shards >= 1
    assert cut.size >= lot.payload
    assert cut.size / cut.shards <= ShardOptions().size


def test_nothing_takes_nothing() -> None:
    cut = estimate.cut(FileTotals(0, 0, 0, 0), ("c", "p"), ShardOptions(), TorrentOptions())
    assert cut == ShardTotals(0, 0, 0, 0, 0)
    report = estimate.estimate(
        "description", records=0, lot=FileTotals(0, 0, 0, 0), shards=cut, rate=1, workers=1, options=EstimateOptions()
    )
    assert (report.site, report.hash_seconds, report.stores[0].disks) == (0, 0, 0)


def test_a_budget_holds_the_earliest_years_and_the_most_popular_first(tmp_path: Path) -> None:
    made = make_project(tmp_path, files=6)
    lines = []
    for path in sorted(made.source.rglob("*.wav")):
        number = int(path.name[:2])
        row = {"id": f"r{number}", "path": str(path.relative_to(made.source)), "popularity": number / 2}
        lines.append(json.dumps(row | ({"year": 1990 - number} if number else {})))
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    made.write_config(phases=ONE_PHASE, collection='[records]\nfiles = ["records.jsonl"]')
    config = tmp_path / "packager.toml"
    api.scan(config, workers=1)
    sizes = {int(path.name[:2]): path.stat().st_size for path in made.source.rglob("*.wav")}
    years, popular = api.estimate(
        config, api.EstimateOptions(rate=1e9, workers=1, budget=sizes[5] + sizes[4] + 10)
    ).fits
    assert (years.order, years.files, years.size, years.until) == (
        "earliest years first", 2, sizes[5] + sizes[4], 1986,
    )  # fmt: skip
    assert (popular.order, popular.files, popular.until) == ("most popular first", 2, 2.0)
    everything = api.estimate(config, api.EstimateOptions(rate=1e9, workers=1, budget=TB)).fits
    assert [fit.files for fit in everything] == [10, 10]
    assert [fit.unknown for fit in everything] == [5, 4]  # the texts and the picture; of one track the year alone


def test_what_fits_is_asked_of_the_catalogue_and_leaves_nothing_behind(tmp_path: Path) -> None:
    made = project(tmp_path, size="1 GiB", files=3)
    before = sorted((tmp_path / ".packager").rglob("*"))
    api.estimate(made.root / "packager.toml", api.EstimateOptions(rate=1, budget=1, workers=1))
    assert sorted((tmp_path / ".packager").rglob("*")) == before
    assert budgets.budget_fits(tmp_path / ".packager/catalogue.parquet", tmp_path / "spill", 1)[0].until is None


def test_the_command_prints_a_table_and_refuses_half_a_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, size="1 GiB", files=3)
    ran = made.run(capsys, "estimate", "--budget", "1 TB")
    assert (ran.code, ran.err) == (0, "")
    assert "from the catalogue; packager plan makes it exact" in ran.out
    assert "without tars" in ran.out
    assert "1 TB, earliest years first: 7 files" in ran.out
    assert ran.out.splitlines()[-1] == "In total: 1 disk, 0 for 1 year."
    assert "earliest years first: 7 files" in ran.out
    assert made.run(capsys, "estimate", "--records", "5").code == 2
    assert json.loads(made.run(capsys, "estimate", "--json").out)["basis"] == "catalogue"
