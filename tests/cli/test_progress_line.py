"""progress_line.py: one line that fits, with its parts labelled."""

import pytest

from packager.cli.progress_line import clock, progress_line

GIB = 1 << 30


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (60, "Packing     38 %  24.3 of 64.0 GiB  512 MiB/s  1:19 left"),
        (80, "Packing    [#######------------]   38 %  24.3 of 64.0 GiB  512 MiB/s  1:19 left"),
        (
            120,
            "Packing    [##############------------------------]   38 %  24.3 of 64.0 GiB  512 MiB/s"
            "  0:49 elapsed  1:19 left",
        ),
    ],
)
def test_the_line_at_60_80_and_120_columns(width: int, line: str) -> None:
    done, seconds = int(24.35 * GIB), 24.35 * GIB / (512 << 20)
    assert progress_line("Packing", done, 64 * GIB, seconds=seconds, unit="B", width=width) == line


CASES = {
    "Scanning   1,234 files  617/s": (("Scanning", 1234, None), {"seconds": 2, "unit": "file"}),
    "Scanning   1 file": (("Scanning", 1, None), {"seconds": 0.5, "unit": "file"}),
    "Counting   [-------------------]    0 %  0 of 1 swarm": (("Counting", 0, 1), {"seconds": 5, "unit": "swarm"}),
    "Packing    [###################]  100 %  10 of 10 B": (("Packing", 10, 10), {"seconds": 0.1, "unit": "B"}),
}


@pytest.mark.parametrize("line", CASES)
def test_other_lines(line: str) -> None:
    arguments, options = CASES[line]
    assert progress_line(*arguments, width=80, **options) == line


@pytest.mark.parametrize("total", [None, 0, 1, 999, 10**6, 10**15])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999, 1])
@pytest.mark.parametrize("seconds", [0, 0.5, 3, 5000, 900_000])
@pytest.mark.parametrize("unit", ["B", "file"])
def test_a_line_never_wraps_and_its_times_are_labelled(
    total: int | None, share: float, seconds: float, unit: str
) -> None:
    total = min(total or 0, 10**10) if unit == "file" and total else total
    done = int((total or 10**9) * share)
    for width in range(40, 201):
        line = progress_line("Extracting things", done, total, seconds=seconds, unit=unit, width=width)
        assert len(line) < width
        assert ("[" in line) <= (width >= 70)
        assert ("elapsed" in line) == (width >= 100)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (4.4, "0:04"), (79, "1:19"), (7510, "2:05:10")])
def test_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
