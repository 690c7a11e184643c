"""`packager inspect`: what it says of good files and made-up ones, and that damage escapes as nothing else."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.check.inspect.inspect import inspect
from packager.cli.app import main
from packager.core.bittorrent import bencode
from packager.core.reports import inspection
from packager.core.reports.inspection import Inspection
from packager.core.reports.issues import IssueList
from packager.engine.files.tar_reader import TarReader
from packager.engine.tables import jsonl_zst_writer
from packager.errors import InputError
from tests.helpers.error_lines import as_sentence

MANIFESTS = Path(__file__).parents[3] / "manifests"
GOLDEN = MANIFESTS / "vectors/shard/expected"
NAME = "example-texts-00001"
SIGNED = json.loads((MANIFESTS / "vectors/signature.json").read_bytes())
SCHEMA = json.loads((MANIFESTS / "schema/reports/inspect.schema.json").read_bytes())
LINES = b"".join(b'{"id":"%d","title":"x"}\n' % number for number in range(100_000))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["inspect", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def report(capsys: pytest.CaptureFixture[str], file: Path | str) -> Any:
    """The --json report, valid by its schema."""
    _, out, err = run(capsys, str(file), "--json")
    assert err == ""
    found = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Path]:
    """A good file of every kind."""
    catalogue = tmp_path / "catalogue-00001.jsonl.zst"
    jsonl_zst_writer.write_jsonl_zst(catalogue, [LINES])
    (tmp_path / "release.json.minisig").write_text(SIGNED["signed"][0]["signature"])
    (tmp_path / "key.pub").write_text(SIGNED["public_key"])
    return {
        "torrent": GOLDEN / f"{NAME}.torrent",
        "magnet links": GOLDEN / "magnets.txt",
        "tar": GOLDEN / f"{NAME}.tar",
        "manifest": GOLDEN / f"{NAME}.manifest.json",
        "release": GOLDEN / "release.json",
        "members table": GOLDEN / f"{NAME}.members.parquet",
        "catalogue": catalogue,
        "signature": tmp_path / "release.json.minisig",
        "public key": tmp_path / "key.pub",
    }


def test_a_good_file_of_every_kind_is_known_and_has_no_fault(
    good: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, path in good.items():
        code, out, err = run(capsys, str(path))
        assert (code, err) == (0, ""), out
        assert out.startswith(f"{path}: {kind}, ")
        assert out.endswith("\nNo faults found.\n")
        found = report(capsys, path)
        assert (found["kind"], found["facts"]["type"], found["faults"]) == (kind, kind, [])


def test_what_a_file_is_does_not_hang_on_its_name(good: dict[str, Path], tmp_path: Path) -> None:
    for kind, path in good.items():
        named = tmp_path / "renamed"
        named.write_bytes(path.read_bytes())
        assert inspect(str(named)).kind == kind


def test_the_golden_shards_files_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    torrent = report(capsys, GOLDEN / f"{NAME}.torrent")["facts"]
    link = report(capsys, GOLDEN / "magnets.txt")["facts"]["magnets"][0]
    tar = report(capsys, GOLDEN / f"{NAME}.tar")["facts"]
    manifest = report(capsys, GOLDEN / f"{NAME}.manifest.json")["facts"]["manifest"]
    release = report(capsys, GOLDEN / "release.json")["facts"]
    members = report(capsys, GOLDEN / f"{NAME}.members.parquet")["facts"]
    for version in ("infohash_v1", "infohash_v2"):
        assert torrent[version] == link[version] == manifest[version]
    assert torrent["size"] == link["size"] == manifest["size"] == release["size"]
    assert tar["bag"]["payload"] == members["payload"] == manifest["payload"] == release["payload"]
    assert tar["bag"]["payload_files"] == members["rows"] == manifest["members"]
    assert (tar["deterministic"], tar["departures"]) == (True, [])


def test_the_catalogues_lines_are_counted(good: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    facts = report(capsys, good["catalogue"])["facts"]
    assert (facts["records"], facts["unpacked"]) == (100_000, len(LINES))
    assert facts["frames"] > 1


def test_a_catalogue_of_parquet_is_told_from_a_members_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "catalogue-00001.parquet"
    pq.write_table(pa.table({"id": ["a", "b", "b"], "path": ["x", None, "y"], "title": ["A", "B", "C"]}), path)
    code, out, _ = run(capsys, str(path))
    assert code == 1
    assert out.startswith(f"{path}: catalogue, ")
    found = report(capsys, path)
    assert (found["kind"], found["facts"]["records"], found["facts"]["row_groups"]) == ("catalogue", 3, 1)
    assert [(fault["where"], fault["what"]) for fault in found["faults"]] == [("row 3", 'the id "b" occurs twice')]


def test_a_magnet_link_may_be_given_itself(capsys: pytest.CaptureFixture[str]) -> None:
    link = (GOLDEN / "magnets.txt").read_text().strip()
    code, out, _ = run(capsys, link)
    assert code == 0
    assert "example-texts-00001.tar" in out
    for written in (link.replace("magnet:", "MAGNET:"), link.replace("urn:bt", "URN:bt")):
        found = report(capsys, written)
        assert found["facts"]["count"] == 1
        assert found["remarks"][0]["what"].startswith("libtorrent refuses the link as it is written: ")
    assert report(capsys, f' "{link}"\n')["facts"]["count"] == 1


def test_clients_that_have_trouble_are_told_by_the_torrents_version(capsys: pytest.CaptureFixture[str]) -> None:
    hybrid = run(capsys, str(GOLDEN / f"{NAME}.torrent"))[1]
    assert "Transmission 3.00 refuses it" in hybrid
    assert "aria2 1.36.0 reads it wrong" in hybrid
    assert report(capsys, GOLDEN / f"{NAME}.v1.torrent")["facts"]["clients"] == []


@pytest.mark.parametrize("name", ["a[b].flac", "a[/b].flac", "a\x1b[31mb.flac", ":smile:.flac", "Ærø é.flac"])
def test_names_from_a_file_are_shown_as_they_are(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: list[bencode.Value] = [{b"length": 4, b"path": [part.encode() for part in name.split("/")]}]
    info: bencode.Dictionary = {b"files": files, b"name": b"x", b"piece length": 16384, b"pieces": bytes(20)}
    (tmp_path / "x").write_bytes(bencode.encode({b"info": info}))
    out = run(capsys, str(tmp_path / "x"))[1]
    assert out.count(name.replace("\x1b", "\\x1b")) >= 1
    assert "\x1b" not in out


def test_a_path_that_is_not_utf8_is_exact_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = {b"length": 4, b"name": b"caf\xe9", b"piece length": 16384, b"pieces": bytes(20)}
    (tmp_path / "x.torrent").write_bytes(bencode.encode({b"info": info}))
    file = report(capsys, tmp_path / "x.torrent")["facts"]["files"][0]
    assert file == {"path": "caf\ufffd", "size": 4, "path_b64": "Y2Fm6Q=="}


def test_what_is_of_no_known_kind_is_refused_by_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_bytes(b"hello\n")
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    for name, sentence in {
        "notes": "is not a known kind of file",
        "empty": "is empty",
        "fifo": "is not a regular file",
        "gone": "not found",
        "": "is a folder, not a file",
    }.items():
        code, out, err = run(capsys, str(tmp_path / name))
        assert (code, out, as_sentence(err).count("\n")) == (2, "", 1)
        assert sentence in err
        assert "Traceback" not in err


FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
MEMBERS = {"a.txt": 0, "folder/b.txt": 511, "c": 512, "folder/d": 513, "n" * 90: 70_000}
LONG = {"long/" * 30 + "x": 3, "é/" + "y" * 120: 4}


def made(kind: str) -> bytes:
    """A tar by Python's own writer."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=FORMATS[kind]) as tar:
        for path, size in (MEMBERS | LONG if kind != "ustar" else MEMBERS).items():
            entry = tarfile.TarInfo(path)
            entry.size = size
            tar.addfile(entry, io.BytesIO(bytes(size)))
    return held.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_tars_of_others_are_read_as_they_read_them(kind: str) -> None:
    data, faults = made(kind), IssueList()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        theirs = [(entry.name, entry.size, entry.offset_data) for entry in tar.getmembers()]
    ours = TarReader(io.BytesIO(data), len(data), faults).entries()
    assert [(entry.text, entry.size, entry.offset) for entry in ours] == theirs
    assert faults.kept == ()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_tars_of_others_are_good_but_not_as_ours(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.tar").write_bytes(made(kind))
    assert run(capsys, str(tmp_path / "x.tar"))[0] == 0
    facts = report(capsys, tmp_path / "x.tar")["facts"]
    assert (facts["bag"], facts["deterministic"]) == (None, False)
    assert "it contains no bag" in facts["departures"]


@pytest.mark.parametrize(
    ("change", "departure"),
    [
        (lambda tar: tar + bytes(512), "512 bytes follow its two zero blocks"),
        (lambda tar: tar.replace(b"0000644\0", b"0000600\0", 1), None),
        (lambda tar: tar[:566] + b"x" + tar[567:], 'the padding of "example-texts-00001/bagit.txt" is not zeros'),
    ],
)
def test_a_shard_of_other_bytes_is_not_deterministic(change: Any, departure: str | None, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(change((GOLDEN / f"{NAME}.tar").read_bytes()))
    found = inspect(str(tmp_path / "x.tar"))
    assert isinstance(found.facts, inspection.TarFacts)
    assert not found.facts.deterministic
    if departure is None:  # the checksum is wrong now
        assert found.fault_count == 1
    else:
        assert (found.facts.departures, found.fault_count) == ((departure,), 0)


def test_long_lists_are_cut_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: list[Any] = [{b"length": 0, b"path": [b"%d" % number]} for number in range(3000)]
    files[0][b"length"] = 1
    info = {b"files": files, b"name": b"x", b"piece length": 16384, b"pieces": bytes(20)}
    (tmp_path / "x.torrent").write_bytes(bencode.encode({b"info": info}))
    facts = report(capsys, tmp_path / "x.torrent")["facts"]
    assert (facts["file_count"], len(facts["files"])) == (3000, 1000)
    assert "and 2,980 more files" in run(capsys, str(tmp_path / "x.torrent"))[1]


@settings(max_examples=25)
@given(data=st.data())
def test_a_damaged_file_ends_in_a_report_or_our_error_alone(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for name in (f"{NAME}.tar", f"{NAME}.torrent", f"{NAME}.members.parquet", "release.json", "magnets.txt"):
        whole = bytearray((GOLDEN / name).read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1), label=name)
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        (folder / name).write_bytes(whole)
        assert isinstance(_inspected(folder / name), Inspection | InputError)


def _inspected(path: Path) -> Inspection | InputError:
    try:
        return inspect(str(path))
    except InputError as error:
        return error
