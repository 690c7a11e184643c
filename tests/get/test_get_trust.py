"""What vouches for a member: ranges alone, a signed release, or the release that a mirror accepted."""

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from packager.cli.app import main
from packager.core.releases import documents
from packager.core.releases.lookup_index import SLOT
from packager.core.releases.minisign_key import SecretKey
from packager.core.releases.minisign_signature import sign
from packager.engine.tables import parquet
from packager.model import MEMBERS, Release, Withdrawal
from tests.helpers.tagged_archive import NAME, Archive, Capture, Web, files_of, get, make_archive, member

KEY = SecretKey(b"listener", bytes(range(32)))
OTHER = SecretKey(b"stranger", bytes(range(1, 33)))
TABLE = f"manifests/{NAME}.members.parquet"


def sign_release(folder: Path, key: SecretKey = KEY) -> None:
    body = (folder / "release.json").read_bytes()
    (folder / "release.json.minisig").write_bytes(sign(body, key, "release 1 of tones"))


def list_again(folder: Path, table: Path) -> None:
    """Let a release list a members table as it is now."""
    path = folder / "release.json"
    release = json.loads(path.read_bytes())
    listed = release["shards"][0]["members_table"]
    listed["size"], listed["sha256"] = table.stat().st_size, hashlib.sha256(table.read_bytes()).hexdigest()
    path.unlink()
    path.write_text(json.dumps(release))


@pytest.fixture
def signed(web: Web, tmp_path: Path) -> Archive:
    """A copy of the archive, signed."""
    shutil.copytree(web.archive.root, tmp_path / "signed")
    sign_release(tmp_path / "signed/site")
    return Archive(tmp_path / "signed")


def test_with_a_key_the_whole_table_is_the_one_of_the_signed_release(
    web: Web, signed: Archive, tmp_path: Path, capsys: Capture
) -> None:
    signed.lay(web.site)
    for release in (web.release, signed.output):
        code, report = get(
            capsys, "id-4", "--release", release, "--key", KEY.public.line, "--to", tmp_path / "to", "--overwrite"
        )
        assert (code, report["evidence"]["kind"]) == (0, "signature")
    assert files_of(tmp_path / "to") == {member(4): signed.source(4)}
    web.site.files.pop("release/release.json.minisig")


def test_what_the_key_did_not_sign_is_refused(signed: Archive, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["id-4", "--release", signed.output, "--key", KEY.public.line, "--to", tmp_path / "to"]
    sign_release(signed.output, OTHER)
    code, error = get(capsys, *arguments)
    assert code == 1, error
    sign_release(signed.output)
    table = signed.output / TABLE
    data = table.read_bytes()
    table.unlink()
    table.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    code, error = get(capsys, *arguments)
    assert code == 1
    assert "not the file that release.json lists" in error["what"]
    assert not (tmp_path / "to").exists()


def test_a_record_that_the_signed_release_withdrew_is_not_had_from_an_older_index(
    signed: Archive, tmp_path: Path, capsys: Capture
) -> None:
    path = signed.output / "release.json"
    release = documents.from_bytes(path.read_bytes(), Release, path)
    taken_back = Withdrawal(id="id-4", reason="a mistake", date=release.date)
    path.unlink()
    path.write_bytes(documents.to_bytes(msgspec.structs.replace(release, withdrawals=(taken_back,))))
    sign_release(signed.output)
    arguments = ["--release", signed.output, "--key", KEY.public.line, "--to", tmp_path / "to"]
    assert get(capsys, "id-4", *arguments)[0] == 2
    assert get(capsys, "--where", "id = 'id-4'", *arguments)[0] == 2
    assert get(capsys, "id-5", *arguments)[0] == 0


def test_a_mirrors_accepted_release_vouches_whatever_its_source_says_now(
    web: Web, signed: Archive, tmp_path: Path, capsys: Capture
) -> None:
    held = tmp_path / "mirror"
    follow = ["mirror", "follow", str(signed.output), str(held), "--budget", "1 GB", "--reserve", "1 MB"]
    assert main([*follow, "--key", KEY.public.line, "--yes", "--client", "none", "--json"]) == 0
    arguments = ["id-6", "--release", held, "--to", tmp_path / "to"]
    code, report = get(capsys, *arguments, "--from", f"{web.site.address}shards/")
    assert (code, report["evidence"]["kind"]) == (0, "signature")
    assert files_of(tmp_path / "to") == {member(6): signed.source(6)}
    (signed.output / TABLE).unlink()
    (signed.output / TABLE).write_bytes(b"PAR1 something else PAR1")
    code, error = get(capsys, *arguments, "--overwrite")
    assert code == 1
    assert "release.json lists" in error["what"]


def test_records_of_a_release_that_changed_meanwhile_are_not_taken_for_others(
    web: Web, tmp_path: Path, capsys: Capture
) -> None:
    """The index of one release over the tables of another finds nothing, rather than something else."""
    other = make_archive(tmp_path / "other", size=50_000)
    for file in (TABLE, f"manifests/{NAME}.manifest.json"):
        table = (other.output / file).read_bytes()
        web.site.files[f"release/{file}"] = table
    code, report = get(capsys, "id-4", "--release", web.release, "--to", tmp_path / "to")
    assert (code, report.get("written", 0)) in ((1, 0), (2, 0))
    assert not (tmp_path / "to" / member(4)).exists()


def test_an_index_that_lies_hides_a_member_and_does_nothing_else(
    signed: Archive, tmp_path: Path, capsys: Capture
) -> None:
    (part,) = (signed.output / "lookup").iterdir()
    slots = np.frombuffer(part.read_bytes(), SLOT).copy()
    slots["row"] = (slots["row"] + 1) % 60
    part.unlink()
    part.write_bytes(slots.tobytes())
    code, error = get(capsys, "id-4", "--release", signed.output, "--to", tmp_path / "to")
    assert code == 2
    assert "no member of the release" in error["what"]
    slots["row"] = 1_000_000
    part.write_bytes(slots.tobytes())
    assert get(capsys, "id-4", "--release", signed.output, "--to", tmp_path / "to")[0] == 2
    part.write_bytes(part.read_bytes()[:-1])
    assert get(capsys, "id-4", "--release", signed.output, "--to", tmp_path / "to")[0] == 2
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "CON", "a\x1b[31m"])
def test_a_table_whose_path_leads_astray_is_refused(
    signed: Archive, tmp_path: Path, capsys: Capture, path: str
) -> None:
    table = signed.output / TABLE
    rows = parquet.read_rows(table, 0, 60).to_pylist()
    for row in rows:
        row["path"] = path if row["id"] == "id-4" else row["path"]
    table.unlink()
    parquet.write_members(table, MEMBERS, pa.Table.from_pylist(rows, MEMBERS).to_batches(), 60)
    code, error = get(capsys, "id-4", "--release", signed.output, "--to", tmp_path / "to")
    assert (code, "release.json says" in error["what"]) == (1, True)
    list_again(signed.output, table)
    for arguments in (["id-4"], ["--where", "id = 'id-4'"]):
        code, error = get(capsys, *arguments, "--release", signed.output, "--to", tmp_path / "to")
        assert code == 2
        assert "cannot be a member" in error["what"]
    assert not (tmp_path / "to").exists()
