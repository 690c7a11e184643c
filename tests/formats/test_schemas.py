"""manifests/schema/: what make.py makes, and what real documents and --json reports are valid against."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from packager import api
from packager.cli.app import main
from packager.core.bittorrent import parse_torrent as torrents
from tests.helpers.load_script import load
from tests.helpers.projects import make_project

MANIFESTS = Path(__file__).parents[2] / "manifests"
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
NAME = "tones-rest-00001"


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
    check_site(project / "site", serial=1)
    assert main(["release", *config]) == 0
    report = printed(capsys)
    check(report, "reports/release")
    assert report["publish"]["serial"] == 2
    check_site(project / "site", serial=2)
    assert main(["status", *config]) == 0
    check(printed(capsys), "reports/status")


CONTAINERS = [(kind, version) for kind in ("tar", "folder") for version in ("hybrid", "v1", "v2", "twin")]


@pytest.mark.parametrize(("container", "version"), CONTAINERS, ids=["-".join(pair) for pair in CONTAINERS])
def test_documents_of_every_container_and_torrent_version_are_valid(
    container: str, version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project", files=3)
    options = "also_v1 = true" if version == "twin" else f'format = "{version}"'
    phase = f'[[phases]]\nname = "all"\ntitle = "All"\ncontainer = "{container}"\n'
    project.write_config(phases=phase, torrent=options, collection="[records]\nfile_times = true")
    assert project.run(capsys, "release").code == 0
    (project.source / "notes.txt").write_bytes(b"written again\n")
    (project.source / "album 0" / "00 tone [b].wav").rename(project.source / "moved.wav")
    assert project.run(capsys, "release").code == 0
    assert project.run(capsys, "withdraw", "--yes", "empty.txt", "notes.txt", "--reason", "x").code == 0
    assert project.run(capsys, "release").code == 0
    assert project.run(capsys, "withdraw", "--yes", "notes.txt", "--undo").code == 0
    assert project.run(capsys, "release").code == 0
    site = project.root / "site"
    check_site(site, serial=4)
    for number in range(1, 5):
        check(json.loads((site / f"releases/{number}.json").read_bytes()), "release")
    check(json.loads((site / "lookup.json").read_bytes()), "lookup")
    check(json.loads((project.root / "withdrawals.json").read_bytes()), "withdrawals")
    for path in (site / "manifests").glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        check([row | {"sha256": row["sha256"].hex()} for row in rows], "members")
    release = json.loads((site / "release.json").read_bytes())
    listed = json.loads((site / "torrents.json").read_bytes())
    assert len(listed) == len([shard for shard in release["shards"] if not shard.get("withdrawn")]) > 0
    for entry in listed:
        torrent = torrents.parse_torrent((site / "torrents" / entry["display_name"]).read_bytes(), "torrent")
        files = [file for file in torrent.files if not file.pad]
        assert (entry["num_files"], entry["data_size"]) == (len(files), sum(file.length for file in files))


@pytest.mark.parametrize("vector", ["shard", "folder"])
def test_the_golden_documents_are_valid(vector: str) -> None:
    expected = MANIFESTS / "vectors" / vector / "expected"
    for name, schema in (("members.json", "members"), ("torrents.json", "torrents")):
        check(json.loads((expected / name).read_bytes()), schema)
    check(json.loads((expected / "example-texts-00001.manifest.json").read_bytes()), "manifest")


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({"mood": "calm"}, True),
        ({"id": "a\tb"}, False),
        ({"size": -1}, False),
        ({"kind": "virus"}, False),
        ({"sha256": "0"}, False),
        ({"path": None}, False),
        ({"superseded": "x"}, False),
    ],
)
def test_a_row_of_a_members_table_with_one_fault_is_not_valid(change: dict[str, Any], valid: bool) -> None:
    [row, *_] = json.loads((SHARD / "expected/members.json").read_bytes())
    if valid:
        check([row | change], "members")
    else:
        with pytest.raises(jsonschema.ValidationError):
            check([row | change], "members")


def check_site(site: Path, *, serial: int) -> None:
    release = json.loads((site / "release.json").read_bytes())
    check(release, "release")
    assert (release["serial"], release["previous"] is None) == (serial, serial == 1)
    check(json.loads((site / "torrents.json").read_bytes()), "torrents")
    manifests = sorted((site / "manifests").glob("*.json"))
    assert len(manifests) == len(release["shards"])
    for path in manifests:
        check(json.loads(path.read_bytes()), "manifest")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a small project."""
    root = make_project(tmp_path_factory.mktemp("released"), files=4).root
    api.release(root / "packager.toml", workers=1)
    return root


@pytest.fixture
def tar(released: Path, tmp_path: Path) -> Path:
    """A copy of a released shard's tar, to be damaged, in a folder of its own."""
    return Path(shutil.copy(released / f"shards/{NAME}.tar", tmp_path))


FILES = (
    f"shards/{NAME}.tar",
    f"site/torrents/{NAME}.torrent",
    f"site/manifests/{NAME}.manifest.json",
    f"site/manifests/{NAME}.members.parquet",
    "site/magnets.txt",
    "site/release.json",
)


@pytest.mark.parametrize("path", FILES)
def test_a_report_of_inspect_is_valid(path: str, released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_of("inspect", capsys, 0, str(released / path))["facts"] is not None


def test_reports_of_inspect_of_what_lies_in_no_such_release_are_valid(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.extract(released / "shards/tones-metadata-00001.tar", tmp_path)
    api.keygen(tmp_path / "a.key", tmp_path / "a.pub", password=None)
    signed = json.loads((MANIFESTS / "vectors/signature.json").read_bytes())["signed"][0]
    (tmp_path / "a.minisig").write_text(signed["signature"])
    (tmp_path / "broken.torrent").write_bytes(b"d4:info")
    assert report_of("inspect", capsys, 0, str(tmp_path / "catalogue-00001.jsonl.zst"))["kind"] == "catalogue"
    assert report_of("inspect", capsys, 0, str(tmp_path / "a.pub"))["kind"] == "public key"
    assert report_of("inspect", capsys, 0, str(tmp_path / "a.minisig"))["kind"] == "signature"
    assert report_of("inspect", capsys, 0, f"magnet:?xt=urn:btih:{'a' * 40}&so=0,4-6")["kind"] == "magnet links"
    assert report_of("inspect", capsys, 1, str(tmp_path / "broken.torrent"))["facts"] is None


def test_reports_of_extract_are_valid(
    released: Path, tar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = (str(tar), "--release", str(released / "site"))
    assert report_of("extract", capsys, 0, *of, "--to", str(tmp_path / "a"), "--dry-run")["files"]
    damage(tar)
    assert report_of("extract", capsys, 1, *of, "--to", str(tmp_path / "b"))["bad_members"]
    shutil.copytree(tmp_path / "b", tmp_path / "c")
    for file in (tmp_path / "c").rglob("*.txt"):
        file.write_bytes(b"another")
    assert report_of("extract", capsys, 1, *of, "--to", str(tmp_path / "c"))["blocked"]


def test_reports_of_rebuild_are_valid(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = (NAME, "--release", str(released / "site"), "--to", str(tmp_path / "a.tar"), "--workers", "1")
    of = (*of, "--index", str(tmp_path / "index"))
    assert report_of("rebuild", capsys, 3, *of, "--from", str(tmp_path))["missing"]
    assert report_of("rebuild", capsys, 0, *of, "--from", str(released / "source"))["complete"]


def test_reports_of_verify_and_repair_are_valid(released: Path, tar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = (str(tar), "--release", str(released / "site"), "--workers", "1")
    damage(tar)
    assert report_of("verify", capsys, 1, *of)["faults"]
    assert report_of("repair", capsys, 1, *of, "--no-web-seeds")["unrepaired"]
    assert report_of("repair", capsys, 0, *of, "--from", str(released / "source"))["data_sources"]
    assert report_of("verify", capsys, 0, *of, "--sample", "1")["sample"]


def test_a_report_of_seed_is_valid(released: Path, tar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tar.parent / f"{NAME.replace('rest', 'gone')}.tar").write_bytes(b"")
    of = (str(tar.parent), "--release", str(released / "site"), "--verify", "--workers", "1")
    report = report_of("seed", capsys, 1, *of, "--listen", "127.0.0.1:0", "--for", "1 s")
    assert (len(report["torrents"]), len(report["refused"])) == (1, 1)


def report_of(command: str, capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> Any:
    """Run a command with --json, and return its report once that is found valid."""
    capsys.readouterr()
    assert main([command, *arguments, "--json"]) == code
    report = printed(capsys)
    check(report, f"reports/{command}")
    return report


def damage(tar: Path) -> None:
    """Change a byte of the data of the shard's largest member."""
    data = bytearray(tar.read_bytes())
    data[data.index(b"\x89PNG") + 100] ^= 1
    tar.write_bytes(data)


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
