"""An embargo that comes after a record was published: what was out stays out, and nothing new of it goes out before."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_growing import assert_frozen, new_shards, release
from tests.end_to_end.test_moved_and_withdrawn import PHASES, Capture, anywhere, make, move, table, write
from tests.helpers.projects import Project

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
    project = make(tmp_path / "p", {"audio": b"v1", "b": b"b"})
    project.write_config(phases=CLOSED + PHASES)
    write(project, {"audio": data, "audio 2": b"never published"})
    if is_replaced:
        assert project.run(capsys, "replace", "--yes", "tones-all-00001", "--reason", "x").code == 0
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
    project = make(tmp_path / "p", {"c": b"c"})
    write(project, {"audio": b"not yet", "b": b"b"})
    project.write_config(phases=CLOSED + second + PHASES)
    release(project, capsys)
    project.write_config(phases=CLOSED.replace("2999", year) + second + PHASES)
    status = json.loads(project.run(capsys, "status", "--json").out)
    assert (status["remaining_bytes"], status["next"]) == (0, following)


def test_what_is_published_stays_in_a_shard_that_is_replaced(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"audio": b"v1", "b": b"b"})
    project.write_config(phases=CLOSED + PHASES)
    assert project.run(capsys, "replace", "--yes", "tones-all-00001", "--reason", "x").code == 0
    release(project, capsys)
    assert [row["id"] for row in table(project, "tones-all-00002")] == ["audio", "b"]
    move(project, "audio", "audio 2")
    release(project, capsys)  # the name of a closed record is none that a published one may get
    assert anywhere(project, (b"audio 2",), tmp_path) == set()


EMB = '[[phases]]\nname = "emb"\nwhere = "path LIKE \'%secret%\'"\nembargo = "2999-01-01"\n'


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (PHASES + EMB, "2 records that phase emb selects are taken by the earlier phase all, which is open"),
        (
            PHASES.replace("[[phases]]", '[[phases]]\nembargo = "2998-01-01"') + EMB + '[[phases]]\nname = "x"\n',
            "2 records that phase emb selects are taken by the earlier phase all, which opens 2998-01-01",
        ),
        (
            '[[phases]]\nname = "one"\nwhere = "path = \'secret 1\'"\n' + EMB + PHASES,
            "1 record that phase emb selects is taken by the earlier phase one, which is open",
        ),
        (EMB + PHASES, None),
        (PHASES.replace("[[phases]]", "[[phases]]\nwhere = \"path = 'a'\"") + EMB, None),
    ],
)
def test_plan_warns_of_records_that_an_earlier_phase_takes_from_an_embargo(
    tmp_path: Path, capsys: Capture, phases: str, expected: str | None
) -> None:
    project = Project(tmp_path / "p")
    write(project, {"a": b"a", "secret 1": b"1", "secret 2": b"2"})
    project.write_config(phases=phases)
    assert project.run(capsys, "scan").code == 0
    for _ in range(2):  # also of a plan that did not change
        ran = project.run(capsys, "plan")
        assert ("move emb before it" in ran.out) == (expected is not None)
        if expected:
            assert f"warning: emb: {expected}: move emb before it\n" in ran.out


def test_a_phase_whose_records_are_elsewhere_is_not_to_be_removed(tmp_path: Path, capsys: Capture) -> None:
    project = make(tmp_path / "p", {"a": b"a", "secret 1": b"1", "secret 2": b"2"})
    project.write_config(phases=PHASES + EMB)
    wanted = "warning: emb: has nothing to publish: the 2 records that it selects are in another phase, published"
    ran = project.run(capsys, "plan")
    assert (wanted in ran.out, "change its where" in ran.out) == (True, False), ran.out
    assert project.run(capsys, "withdraw", "--yes", "--path", "*secret*", "--reason", "x").code == 0
    ran = project.run(capsys, "release")
    assert (wanted in ran.out, "change its where" in ran.out) == (True, False), ran.out
