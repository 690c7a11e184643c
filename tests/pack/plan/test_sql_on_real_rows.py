"""A phase's SQL that fails on the value of one record: the phase, the value and the record are named at plan."""

import json
import random
from pathlib import Path

import pytest

from packager.cli.app import main
from tests.helpers.projects import Project

Capture = pytest.CaptureFixture[str]
BAD = 42  # the number of the record whose values are wrong


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of 60 texts with records, scanned; the fields of record QZ-0042 are of no use as numbers."""
    project = Project(tmp_path_factory.mktemp("sql") / "project")
    project.source.mkdir(parents=True)
    chance = random.Random(7)
    rows = ["id,path,plays,day,zero,odd"]
    for number in range(60):
        (project.source / f"{number}.txt").write_bytes(b"x" * number)
        bad = number == BAD
        values = ("many", "2020-13-45", 0, "[") if bad else (chance.randrange(99), "2020-01-02", 1 + number, "a")
        rows.append(f"QZ-{number:04d},{number}.txt," + ",".join(map(str, values)))
    (project.root / "records.csv").write_text("\n".join(rows) + "\n")
    return project


FAILING = [
    ("order", "CAST(extra->>'plays' AS INTEGER)", 'cannot convert "many" to INTEGER', "TRY_CAST"),
    ("order", "path, (extra->>'plays')::BIGINT DESC NULLS LAST", 'cannot convert "many" to BIGINT', "TRY_CAST"),
    ("where", "(extra->>'plays')::DOUBLE > 3", 'cannot convert "many" to DOUBLE', "TRY_CAST"),
    ("where", "(extra->>'day')::DATE > '2000-01-01'", "date field value out of range", "TRY_CAST"),
    ("order", "100 // CAST(extra->>'zero' AS INTEGER)", "Division by zero", "other SQL"),
    ("where", "regexp_matches(path, extra->>'odd')", "missing ]", "other SQL"),
]


@pytest.mark.parametrize(("case"), FAILING, ids=lambda case: case[1])
def test_the_record_on_which_a_phases_sql_fails_is_named(
    scanned: Project, capsys: Capture, case: tuple[str, str, str, str]
) -> None:
    key, sql, what, fix = case
    written = sql.replace('"', '\\"')
    phases = f'[[phases]]\nname = "first"\nwhere = "size < 3"\n[[phases]]\nname = "all"\n{key} = "{written}"\n'
    scanned.write_config(phases=phases, collection='[records]\nfiles = ["records.csv"]')
    assert scanned.run(capsys, "scan").code == 0
    for command in ("plan", "release"):
        ran = scanned.run(capsys, command, "--json")
        error = json.loads(ran.err.splitlines()[-1])
        assert ran.code == 2
        assert error["where"] == f"packager.toml: phases[1].{key}"
        assert what in error["what"]
        assert error["what"].endswith(f"(record QZ-{BAD:04d})")
        assert fix in error["fix"]
        assert "Error:" not in ran.err


def test_a_record_that_an_earlier_phase_selects_fails_in_each_run_alike(scanned: Project, capsys: Capture) -> None:
    phases = (
        f'[[phases]]\nname = "first"\nwhere = "size = {BAD}"\n'
        '[[phases]]\nname = "all"\nwhere = "(extra->>\'plays\')::INTEGER > 3"\n'
    )
    scanned.write_config(phases=phases, collection='[records]\nfiles = ["records.csv"]')
    assert scanned.run(capsys, "scan").code == 0
    for _ in range(3):
        ran = scanned.run(capsys, "plan")
        assert (ran.code, f"(record QZ-{BAD:04d})" in ran.err) == (2, True)


def test_an_order_is_only_evaluated_on_the_records_of_its_phase(scanned: Project, capsys: Capture) -> None:
    phases = (
        f'[[phases]]\nname = "first"\nwhere = "size = {BAD}"\n'
        '[[phases]]\nname = "all"\norder = "(extra->>\'plays\')::INTEGER, id"\n'
    )
    scanned.write_config(phases=phases, collection='[records]\nfiles = ["records.csv"]')
    assert scanned.run(capsys, "scan").code == 0
    assert scanned.run(capsys, "plan").code == 0


def test_the_sql_of_a_catalogue_phase_names_the_record_too(scanned: Project, capsys: Capture) -> None:
    phases = (
        '[[phases]]\nname = "meta"\ncontent = "catalogue"\nwhere = "(extra->>\'plays\')::INTEGER > 3"\n'
        '[[phases]]\nname = "all"\n'
    )
    scanned.write_config(phases=phases, collection='[records]\nfiles = ["records.csv"]')
    assert scanned.run(capsys, "scan").code == 0
    ran = scanned.run(capsys, "plan")
    assert ran.code == 2
    assert f'phases[0].where: cannot convert "many" to INTEGER (record QZ-{BAD:04d})' in ran.err


def test_where_of_withdraw_and_extract_names_the_record(scanned: Project, tmp_path: Path, capsys: Capture) -> None:
    scanned.write_config(
        phases='[[phases]]\nname = "all"\n', collection='[records]\nfiles = ["records.csv"]', size="1 MiB"
    )
    where = "CAST(extra->>'plays' AS INTEGER) > 3"
    ran = scanned.run(capsys, "release")
    assert ran.code == 0, ran.err
    arguments = ("withdraw", "--yes", "--where", where, "--reason", "a test", "--dry-run")
    ran = scanned.run(capsys, *arguments)
    assert ran.code == 2
    assert f'--where: cannot convert "many" to INTEGER (record QZ-{BAD:04d})' in ran.err
    assert scanned.run(capsys, *arguments, "QZ-0001").code in (0, 2)
    tar = next((scanned.root / "shards").glob("*.tar"))
    site = str(scanned.root / "site")
    assert main(["extract", str(tar), "--release", site, "--to", str(tmp_path / "to"), "--where", where]) == 2
    assert f'--where: cannot convert "many" to INTEGER (record QZ-{BAD:04d})' in capsys.readouterr().err
