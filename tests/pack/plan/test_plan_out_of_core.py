"""A plan that DuckDB sorts with several threads and on disk is the same as one that it sorts with one, in memory."""

import hashlib
from functools import partial
from pathlib import Path

import pytest

from bench import scale
from packager import api
from packager.engine.tables import sql

CONFIG = """
[collection]
name = "scale"
title = "Scale"
source = "source"
[shards]
size = "20 GiB"
[[phases]]
name = "popular"
title = "The most popular"
where = "popularity > 50"
order = "round(popularity) DESC"
[[phases]]
name = "rest"
title = "The rest"
order = "year NULLS LAST"
[release]
date = "2026-11-21"
"""


def planned(project: Path, monkeypatch: pytest.MonkeyPatch, *, threads: int, memory: str) -> dict[str, str]:
    """Return the digests of a plan's files."""
    with monkeypatch.context() as patched:
        patched.setattr(sql, "open_database", partial(sql.open_database, threads=threads))
        patched.setattr(sql, "MEMORY_LIMIT", memory)
        api.plan(project / "packager.toml")
    plan = project / ".packager/plan"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in plan.iterdir()}
    (plan / "plan.json").unlink()
    return found


@pytest.mark.soak
def test_a_plan_is_the_same_for_any_number_of_threads_and_any_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / ".packager").mkdir()
    (tmp_path / "packager.toml").write_text(CONFIG)
    scale.write_catalogue(tmp_path / ".packager/catalogue.parquet", 700_000)
    one = planned(tmp_path, monkeypatch, threads=1, memory="2GiB")
    assert set(one) == {"plan.json", "popular.parquet", "rest.parquet", "withdrawn.parquet"}
    assert planned(tmp_path, monkeypatch, threads=2, memory="2GiB") == one
    assert planned(tmp_path, monkeypatch, threads=sql.THREADS, memory="150MiB") == one
