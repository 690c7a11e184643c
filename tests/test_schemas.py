"""manifests/schema/: what make.py makes, and what real documents and --json reports are valid against."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from packager.cli.app import main
from tests.test_shard_vector import load

MANIFESTS = Path(__file__).parents[1] / "manifests"
SCHEMA, SHARD = MANIFESTS / "schema", MANIFESTS / "vectors/shard"
PHASES = """[[phases]]
name = "metadata"
content = "catalogue"

[[phases]]
name = "texts"
where = "id LIKE 'ex-%'"

[[phases]]
name = "rest"
"""
MAKE = load(SCHEMA / "make.py")


def check(document: object, name: str) -> None:
    schema = json.loads((SCHEMA / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize(("path", "text"), MAKE.texts().items(), ids=MAKE.texts())
def test_a_schema_is_made_again_byte_for_byte(path: str, text: str) -> None:
    assert (SCHEMA / path).read_text(encoding="utf-8") == text


def test_no_schema_lies_there_that_is_not_made() -> None:
    assert {path.relative_to(SCHEMA).as_posix() for path in SCHEMA.rglob("*.json")} == set(MAKE.texts())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a phase of files, a catalogue phase and a third, which is never published."""
    shutil.copytree(SHARD / "source", tmp_path / "source")
    shutil.copyfile(SHARD / "records.csv", tmp_path / "records.csv")
    config = (SHARD / "packager.toml").read_text(encoding="utf-8")
    head, _, tail = config.partition("[[phases]]")
    (tmp_path / "packager.toml").write_text(head + PHASES + "\n[release]" + tail.partition("[release]")[2])
    return tmp_path


def test_every_report_and_document_of_a_release_is_valid(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ("--config", str(project / "packager.toml"), "--json")
    for name, more in {
        "status": (),
        "scan": (),
        "plan": (),
        "pack": ("--workers", "1"),
        "publish": ("--phase", "metadata"),
    }.items():
        assert main([name, *config, *more]) == 0
        check(printed(capsys), f"reports/{name}")
    check_site(project / "output", serial=1)
    assert main(["release", *config]) == 0
    report = printed(capsys)
    check(report, "reports/release")
    assert report["publish"]["serial"] == 2
    check_site(project / "output", serial=2)
    assert main(["status", *config]) == 0
    check(printed(capsys), "reports/status")


def check_site(site: Path, *, serial: int) -> None:
    release = json.loads((site / "release.json").read_bytes())
    check(release, "release")
    assert (release["serial"], release["previous"] is None) == (serial, serial == 1)
    check(json.loads((site / "torrents.json").read_bytes()), "torrents")
    manifests = sorted((site / "manifests").glob("*.json"))
    assert len(manifests) == len(release["shards"])
    for path in manifests:
        check(json.loads(path.read_bytes()), "manifest")


def test_an_error_with_json_is_a_valid_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(tmp_path / "packager.toml"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    check(json.loads(err), "reports/error")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("type", "manifest"),
        ("serial", 0),
        ("date", "2026-11-21"),
        ("previous", "ABC"),
        ("unknown", 1),
        ("shards", [{}]),
    ],
)
def test_a_release_with_one_fault_is_not_valid(key: str, value: Any) -> None:
    release = json.loads((SHARD / "expected/release.json").read_bytes())
    check(release, "release")
    with pytest.raises(jsonschema.ValidationError):
        check(release | {key: value}, "release")


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)
