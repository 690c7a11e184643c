"""piece_length.py: the published vectors, the rule, and the table of docs/explanation/piece-length.md."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.core.bittorrent.build_torrent import torrent_size
from packager.core.bittorrent.piece_length import (
    ALLOWANCE,
    DIGESTS,
    LARGEST,
    LOADABLE,
    SMALLEST,
    WANTED,
    choose_piece_length,
    piece_length_of_files,
)
from packager.model import TorrentVersion
from packager.options import TorrentOptions
from packager.units import GIB, MIB, TIB, format_size

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "manifests/vectors/piece_length.json").read_text())
PAGE = ROOT / "docs/explanation/piece-length.md"
VERSIONS: tuple[TorrentVersion, ...] = ("hybrid", "v1", "v2")


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda v: f"{v['size']}-{v['version']}")
def test_choice_equals_the_published_vector(vector: dict[str, int | TorrentVersion]) -> None:
    assert choose_piece_length(vector["size"], vector["version"]) == vector["piece_length"]


@given(size=st.integers(0, 1 << 50), version=st.sampled_from(VERSIONS))
def test_the_choice_is_the_smallest_whose_torrent_is_small_enough(size: int, version: TorrentVersion) -> None:
    chosen = choose_piece_length(size, version)
    options = TorrentOptions(format=version)
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
        cells = [format_size(size)]
        for version in VERSIONS:
            chosen = choose_piece_length(size, version)
            made = torrent_size("demo-audio-00001.tar", size, chosen, TorrentOptions(format=version))
            cells += [format_size(chosen), format_size(made)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def test_the_table_in_the_explanation_is_what_the_code_chooses() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("|")] == table()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 1 << 33), min_size=2, max_size=30).filter(any), st.sampled_from(["hybrid", "v2"]))
def test_of_files_it_is_the_smallest_that_keeps_the_torrent_small(sizes: list[int], version: TorrentVersion) -> None:
    def beyond(length: int) -> int:
        return sum(-(-size // length) - 1 for size in sizes if size) * DIGESTS[version] + ALLOWANCE

    length = piece_length_of_files(sizes, version)
    assert length & (length - 1) == 0
    mean = sum(sizes) // len(sizes)
    first = next(each for each in (1 << bits for bits in range(14, 19)) if each >= min(max(mean, 1), SMALLEST))
    assert first <= length <= LARGEST
    assert beyond(length) <= WANTED or length == LARGEST
    assert length == first or beyond(length // 2) > WANTED


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
def test_of_one_file_and_of_files_that_touch_it_is_that_of_their_sum(version: TorrentVersion) -> None:
    assert piece_length_of_files([5 * GIB], version) == choose_piece_length(5 * GIB, version)
    assert piece_length_of_files([GIB] * 5, "v1") == choose_piece_length(5 * GIB, "v1")
