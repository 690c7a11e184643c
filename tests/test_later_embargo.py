"""An embargo that comes after a record was published: what was out stays out, and nothing new of it goes out before."""

import json
from pathlib import Path

import pytest

from tests.test_growing import assert_frozen, new_shards, release
from tests.test_moved_and_withdrawn import PHASES, Capture, anywhere, make, move, table, write

CLOSED = """
[[phases]]
name = "closed"
title = "Closed"
where = "starts_with(path, 'audio')"
embargo = "2999-01-01"
"""


@pytest.mark.parametrize("data", [b"secret v2", b"v1"[::-1]], ids=["other size", "equal size"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_new_version_waits_for_the_embargo(tmp_path: Path, capsys: Capture, data: bytes, is_replaced: bool) -> None:
    project = make(tmp_path / "p", capsys, {"audio": b"v1", "b": b"b"})
    project.write_config(phases=CLOSED + PHASES)
    write(project, {"audio": data, "audio 2": b"never published"})
    if is_replaced:
        assert project.run(capsys, "supersede", "tones-all-00001", "--reason", "x").code == 0
    second = release(project, capsys)
    assert anywhere(project, (data, b"never published", b"audio 2"), tmp_path) == set()
    assert new_shards(second, release(project, capsys)) == []
    project.write_config(phases=CLOSED.replace("2999", "2001") + PHASES)
    third = release(project, capsys)
    assert_frozen(second, third)
    found = [row["id"] for name in new_shards(second, third) for row in table(project, name)]
    assert sorted(found) == ["audio", "audio 2"]


@pytest.mark.parametrize(
    ("year", "other", "following"),
    [("2999", "", ""), ("2001", "", "packager publish"), ("2999", 'embargo = "3000-01-01"\n', "")],
)
def test_status_names_no_next_command_while_an_embargo_is_all_that_is_waited_for(
    tmp_path: Path, capsys: Capture, year: str, other: str, following: str
) -> None:
    second = f'[[phases]]\nname = "second"\nwhere = "path = \'b\'"\n{other}'
    project = make(tmp_path / "p", capsys, {"c": b"c"})
    write(project, {"audio": b"not yet", "b": b"b"})
    project.write_config(phases=CLOSED + second + PHASES)
    release(project, capsys)
    project.write_config(phases=CLOSED.replace("2999", year) + second + PHASES)
    status = json.loads(project.run(capsys, "status", "--json").out)
    assert (status["left"], status["next"]) == (0, following)


def test_what_is_published_stays_in_a_shard_that_is_replaced(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", capsys, {"audio": b"v1", "b": b"b"})
    project.write_config(phases=CLOSED + PHASES)
    assert project.run(capsys, "supersede", "tones-all-00001", "--reason", "x").code == 0
    release(project, capsys)
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["audio", "b"]
    move(project, "audio", "audio 2")
    release(project, capsys)  # the name of a closed record is none that a published one may get
    assert anywhere(project, (b"audio 2",), tmp_path) == set()
