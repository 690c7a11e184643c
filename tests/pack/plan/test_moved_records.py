"""Files that change their names with one another: none of them is published again."""

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from packager.engine.files import atomic_files
from packager.engine.tables import parquet
from tests.end_to_end.test_growing import assert_frozen, by_name, new_shards, read_release, release
from tests.end_to_end.test_moved_and_withdrawn import PHASES, Capture, current, make, move, table, write
from tests.helpers.projects import Project


@pytest.mark.parametrize("extra", [0, 1], ids=["equal sizes", "other sizes"])
@pytest.mark.parametrize("count", [2, 3])
def test_files_that_exchange_their_names_stay_in_their_shard(
    tmp_path: Path, capsys: Capture, count: int, extra: int
) -> None:
    files = {f"{number}.txt": bytes([65 + number]) * (5 + extra * number) for number in range(count)}
    project = make(tmp_path / "p", files)
    first = read_release(project)
    for number in range(count):
        move(project, f"{number}.txt", f"{number}")
    for number in range(count):
        move(project, f"{number}", f"{(number + 1) % count}.txt")
    second = release(project, capsys)
    assert new_shards(first, second) == []
    assert_frozen(first, second)
    assert current(project) == {f"{number}.txt": f"{(number + 1) % count}.txt" for number in range(count)}
    assert "is published; nothing changed." in project.run(capsys, "release").out


def test_rotated_logs_stay_in_their_shards(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"log": b"first"})
    for number in (2, 3, 4):
        for older in range(number - 1, 1, -1):
            move(project, f"log.{older - 1}", f"log.{older}")
        move(project, "log", "log.1")
        write(project, {"log": b"log number %d" % number})
        document = release(project, capsys)
    assert [shard["members"] for shard in document["shards"]] == [1, 1, 1, 1]
    now = [current(project, f"tones-all-0000{number}")["log"] for number in (1, 2, 3, 4)]
    assert now == ["log.3", "log.2", "log.1", None]


def test_a_file_that_replaces_a_published_one_is_a_new_version_of_that(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a": b"content a", "b": b"the b", "c": b"c is third"})
    move(project, "b", "c")
    move(project, "a", "b")
    release(project, capsys)
    marks = {row["id"]: (row["current_id"], row["superseded"]) for row in table(project, "tones-all-00001")}
    assert marks == {"a": (None, None), "b": (None, "tones-all-00002"), "c": (None, "tones-all-00002")}


def test_a_copy_of_an_earlier_version_takes_no_id_of_the_records_file(tmp_path: Path, capsys: Capture) -> None:
    project = Project(tmp_path / "p")
    write(project, {"a.txt": b"first version", "b.txt": b"two"})
    (project.root / "records.csv").write_text("id,path\nr-1,a.txt\n")
    project.write_config(phases=PHASES, collection='[records]\nfiles = ["records.csv"]')
    release(project, capsys)
    move(project, "a.txt", "a.bak")
    write(project, {"a.txt": b"edited"})
    second = release(project, capsys)
    marks = {row["id"]: row["superseded"] for row in table(project, "tones-all-00001")}
    assert marks == {"r-1": "tones-all-00002", "b.txt": None}
    assert {row["id"] for row in table(project, "tones-all-00002")} == {"r-1", "a.bak"}
    assert by_name(second)["tones-all-00002"]["members"] == 2


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(
    ("module", "function"),
    [
        (parquet, "write_rows"),
        (atomic_files, "move_file"),
        (atomic_files, "write_bytes"),
        (atomic_files, "remove_file"),
    ],
)
def test_a_kill_between_two_shards_leaves_no_record_twice(
    tmp_path: Path, capsys: Capture, module: ModuleType, function: str, nth: int
) -> None:
    project = make(tmp_path / "p", {name: name.encode() * 30_000 for name in ("a", "b", "c")})
    first = read_release(project)
    assert [shard["members"] for shard in first["shards"]] == [1, 1, 1]
    for name in ("a", "b", "c"):
        move(project, name, f"{name}.old")
    for name, new in (("a", "b"), ("b", "c"), ("c", "a")):
        move(project, f"{name}.old", new)
    calls: list[int] = []

    def kill(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return getattr(module, function)(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        name = module.__name__.rpartition(".")[2]
        patch.setattr(
            f"packager.engine.published.moved_files.{name}", SimpleNamespace(**{**vars(module), function: kill})
        )
        assert project.run(capsys, "release").code == (130 if len(calls) >= nth else 0)
    assert calls
    second = release(project, capsys)
    assert new_shards(first, second) == []
    now = {key: value for shard in second["shards"] for key, value in current(project, shard["name"]).items()}
    assert now == {"a": "b", "b": "c", "c": "a"}


def test_a_file_that_moved_back_is_listed_where_it_is(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a": b"content a", "b": b"the b"})
    move(project, "a", "z")
    release(project, capsys)
    assert current(project) == {"a": "z", "b": None}
    move(project, "z", "a")
    release(project, capsys)
    assert [(row["id"], row["current_id"], row["current_path"]) for row in table(project, "tones-all-00001")] == [
        ("a", None, None),
        ("b", None, None),
    ]
    assert "is published; nothing changed." in project.run(capsys, "release").out
