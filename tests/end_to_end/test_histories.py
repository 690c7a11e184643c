"""What was promised holds after each release of any history: adds, edits, renames, withdrawals, embargoes, budgets."""

import datetime as dt
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.histories import History
from tests.second_implementation.site import Site


def play(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Play one history of four releases."""
    history = History(tmp_path / "project", capsys, random.Random(seed))
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _zone: history.now), UTC=dt.UTC)
    monkeypatch.setattr("packager.api.workers.dt", clock)
    history.release()
    for _ in range(3):
        history.step()
    found = Site(history.root / "site", history.root / "shards").check()  # the second implementation: every byte
    assert found.problems == [], history.told("")


@pytest.mark.parametrize("seed", range(30))
def test_promises_hold_in_any_history(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(seed, tmp_path, capsys, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_promises_hold_in_five_hundred_histories(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(seed, tmp_path, capsys, monkeypatch)
