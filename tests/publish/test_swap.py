"""The new site takes the old one's place in one step, and nobody else's files are ever replaced."""

import threading
from pathlib import Path

import pytest

from packager.errors import InputError
from packager.publish import swap


def build(output: Path, serial: int) -> Path:
    built = swap.staging(output)
    (built / "release.json").write_text(str(serial))
    (built / "index.html").write_text(str(serial))
    return built


def test_a_reader_always_finds_a_whole_site(tmp_path: Path) -> None:
    output = tmp_path / "output"
    swap.swap(build(output, 0), output)
    stop, seen, missing = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            for name in ("release.json", "index.html"):
                try:
                    seen.add((output / name).read_text())
                except FileNotFoundError:
                    missing.append(name)

    thread = threading.Thread(target=read)
    thread.start()
    for serial in range(1, 100):
        swap.swap(build(output, serial), output)
    stop.set()
    thread.join()
    assert missing == []
    assert "" not in seen
    assert (output / "release.json").read_text() == "99"
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_where_the_system_cannot_exchange_the_old_site_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    output = tmp_path / "output"
    for serial in range(3):
        swap.swap(build(output, serial), output)
    assert (output / "release.json").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_what_a_killed_run_left_is_built_anew(tmp_path: Path) -> None:
    output = tmp_path / "output"
    left = build(output, 1)
    (left / "half").write_text("x")
    assert not (build(output, 2) / "half").exists()


@pytest.mark.parametrize("kind", ["folder with other files", "file", "link"])
def test_what_is_no_site_of_ours_is_never_replaced(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "output"
    if kind == "file":
        output.write_text("mine")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        output.symlink_to("elsewhere")
    else:
        output.mkdir()
        (output / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="output"):
        swap.staging(output)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    swap.swap(build(output, 1), output)
    assert (output / "release.json").read_text() == "1"
