"""piece_length.py: the published vectors, the rule, and the table of docs/explanation/piece-length.md."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.metainfo import torrent_size
from packager.model import Version
from packager.options import TorrentOptions
from packager.piece_length import ALLOWANCE, LARGEST, LOADABLE, SMALLEST, WANTED, choose_piece_length
from packager.units import GIB, MIB, TIB, show_size

ROOT = Path(__file__).parents[1]
VECTORS = json.loads((ROOT / "manifests/vectors/piece_length.json").read_text())
PAGE = ROOT / "docs/explanation/piece-length.md"
VERSIONS: tuple[Version, ...] = ("hybrid", "v1", "v2")


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda v: f"{v['size']}-{v['version']}")
def test_choice_equals_the_published_vector(vector: dict[str, int | Version]) -> None:
    assert choose_piece_length(vector["size"], vector["version"]) == vector["piece_length"]


@given(size=st.integers(0, 1 << 50), version=st.sampled_from(VERSIONS))
def test_the_choice_is_the_smallest_whose_torrent_is_small_enough(size: int, version: Version) -> None:
    chosen = choose_piece_length(size, version)
    options = TorrentOptions(version=version)
    made = torrent_size("demo-audio-00001.tar", size, chosen, options)
    assert chosen.bit_count() == 1
    assert chosen >= SMALLEST
    assert made < WANTED or chosen >= LARGEST
    assert made < LOADABLE
    if chosen > SMALLEST:
        smaller = torrent_size("demo-audio-00001.tar", size, chosen // 2, options)
        assert smaller > (WANTED if chosen <= LARGEST else LOADABLE) - ALLOWANCE


def table() -> list[str]:
    """The lines of the page's table, from the code."""
    lines = [
        "| shard | hybrid: piece | .torrent | v1: piece | .torrent | v2: piece | .torrent |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in (MIB, 100 * MIB, GIB, 4 * GIB, 16 * GIB, 64 * GIB, 100 * GIB, 256 * GIB, TIB, 4 * TIB):
        cells = [show_size(size)]
        for version in VERSIONS:
            chosen = choose_piece_length(size, version)
            made = torrent_size("demo-audio-00001.tar", size, chosen, TorrentOptions(version=version))
            cells += [show_size(chosen), show_size(made)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def test_the_table_in_the_explanation_is_what_the_code_chooses() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("|")] == table()
