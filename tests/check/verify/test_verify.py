"""Verify names exactly the pieces, byte ranges and members that are bad; in tars, bags and loose files."""

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from packager.cli.app import main
from packager.core.reports.faults import tar_extents
from packager.engine.published.published_shard import PublishedShard, open_published_shard, shard_files
from tests.helpers.error_lines import as_sentence
from tests.helpers.projects import Project, Ran

Capture = pytest.CaptureFixture[str]
NAME = "tones-all-00001"
SCHEMA = json.loads((Path(__file__).parents[3] / "manifests/schema/reports/verify.schema.json").read_bytes())
PHASE = '[[phases]]\nname = "all"\ntitle = "All"\n'


class Held:
    """A released project, its one shard's tar as it was published, and verify run on it."""

    def __init__(self, root: Path, capsys: Capture) -> None:
        self.root, self.capsys = root, capsys
        self.tar = root / "shards" / f"{NAME}.tar"
        self.right = self.tar.read_bytes()
        self.manifest = root / "site" / "manifests" / f"{NAME}.manifest.json"

    @property
    def published(self) -> PublishedShard:
        return open_published_shard(shard_files(self.manifest))

    def verify(self, *arguments: object) -> Ran:
        self.capsys.readouterr()
        code = main(["verify", *map(str, arguments), "--workers", "1"])
        printed = self.capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    def report(self, *arguments: object, code: int) -> dict[str, Any]:
        ran = self.verify(*arguments, "--json")
        assert ran.code == code, ran.out + ran.err
        report = json.loads(ran.out)
        jsonschema.validate(report, SCHEMA)
        return report

    def faults(self, *arguments: object) -> list[dict[str, Any]]:
        found = self.report(*arguments, code=1)["faults"]
        assert isinstance(found, list)
        return found

    def bag(self) -> Path:
        subprocess.run(["tar", "xf", self.tar, "-C", self.root], check=True)
        return self.root / NAME


def make_release(root: Path, *, members: int, member: int, size: str, torrent: str) -> None:
    """Release a project of random files, the first two of one size, one of them under a name that is replaced."""
    project, chance = Project(root), random.Random(11)
    project.source.mkdir(parents=True)
    for number in range(members):
        length = member if number < 2 else chance.randrange(member // 4, member * 2)
        (project.source / f"{number:03d} [b].bin").write_bytes(chance.randbytes(length))
    (project.source / "100%.bin").write_bytes(b"all of it")
    project.write_config(size=size, phases=PHASE, torrent=torrent)
    assert main(["release", "--json", "--config", str(root / "packager.toml"), "--workers", "1"]) == 0


@pytest.fixture(scope="module", params=["hybrid", "v1"])
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    root = tmp_path_factory.mktemp("released") / "project"
    torrent = f'piece_length = "16 KiB"\nformat = "{request.param}"'
    make_release(root, members=20, member=30_000, size="16 MiB", torrent=torrent)
    return root


@pytest.fixture
def held(made: Path, tmp_path: Path, capsys: Capture) -> Held:
    shutil.copytree(made, tmp_path / "project")
    return Held(tmp_path / "project", capsys)


def flip_a_bit(held: Held, data: bytearray) -> None:
    data[len(data) // 2] ^= 4


def zero_a_hole(held: Held, data: bytearray) -> None:
    start, length = len(data) // 3, 4 * held.published.pieces.piece_length
    data[start : start + length] = bytes(length)


def swap_two_members(held: Held, data: bytearray) -> None:
    offsets, sizes = held.published.layout.offsets.tolist(), held.published.layout.sizes.tolist()
    one, two = (at for at, size in enumerate(sizes) if sizes.count(size) == 2)
    first, second = (slice(offsets[at], offsets[at] + sizes[at]) for at in (one, two))
    data[first], data[second] = data[second], data[first]


def damage_the_first_and_the_last_byte(held: Held, data: bytearray) -> None:
    data[0] ^= 1
    data[-1] ^= 1


DAMAGES = [flip_a_bit, zero_a_hole, swap_two_members, damage_the_first_and_the_last_byte]
Damage = Callable[[Held, bytearray], None]


def wanted_faults(held: Held, data: bytes) -> list[tuple[int, int, int, int, list[str], list[str]]]:
    """What is bad by comparing bytes, piece after piece, and by looking at every member in turn."""
    pieces, extents = held.published.pieces, tar_extents(held.published.layout)
    runs: list[list[int]] = []
    for piece in range(pieces.count):
        start, stop = pieces.span(piece)
        if data[start:stop] != held.right[start:stop]:
            if runs and runs[-1][1] == piece - 1:
                runs[-1][1] = piece
            else:
                runs.append([piece, piece])
    wanted = []
    for first, last in runs:
        start, stop = pieces.span(first)[0], pieces.span(last)[1]
        names = [
            extents.name(at)
            for at in range(len(extents.starts))
            if extents.starts[at] < stop and extents.stops[at] > start
        ]
        members = [name for name in names if name.endswith(".bin")]
        wanted.append((first, last, start, stop, members, [name for name in names if name not in members]))
    return wanted


def check_damage(held: Held, how: Damage) -> None:
    data = bytearray(held.right)
    how(held, data)
    held.tar.write_bytes(data)
    wanted = wanted_faults(held, bytes(data))
    assert wanted
    found = [
        (
            fault["first_piece"],
            fault["last_piece"],
            fault["start"],
            fault["stop"],
            fault.get("members", []),
            fault.get("tag_files", []),
        )
        for fault in held.faults(held.tar)
        if fault["kind"] == "bad"
    ]
    assert found == wanted


@pytest.mark.parametrize("how", DAMAGES)
def test_bad_pieces_ranges_and_members_are_exactly_those_that_differ(held: Held, how: Damage) -> None:
    check_damage(held, how)


def test_a_cut_tail_is_short_by_its_bytes_and_touches_what_lay_there(held: Held) -> None:
    size = len(held.right) - 100_000
    os.truncate(held.tar, size)
    (fault,) = held.faults(held.tar)
    pieces, extents = held.published.pieces, tar_extents(held.published.layout)
    first = size // pieces.piece_length
    assert (fault["kind"], fault["start"], fault["stop"]) == ("short", size, len(held.right))
    assert (fault["first_piece"], fault["last_piece"]) == (first, pieces.count - 1)
    members, tag_files = extents.touched(first * pieces.piece_length, len(held.right))
    assert (fault["members"], fault["tag_files"]) == (members, tag_files)
    assert tag_files == ["manifest-sha256.txt", "tagmanifest-sha256.txt"]


def test_bytes_after_the_end_are_long_and_the_rest_is_read(held: Held) -> None:
    data = bytearray(held.right + b"more")
    data[0] ^= 1
    held.tar.write_bytes(data)
    long, bad = held.faults(held.tar)
    assert (long["kind"], long["start"], long["stop"]) == ("long", len(held.right), len(held.right) + 4)
    assert (bad["kind"], bad["first_piece"], bad["tag_files"][0]) == ("bad", 0, "bagit.txt")


def test_a_good_tar_is_read_once_and_whole(held: Held) -> None:
    report = held.report(held.tar, code=0)
    assert (report["ok"], report["complete"], report["read_bytes"]) == (True, True, len(held.right))
    ran = held.verify(held.tar)
    assert ran.out.startswith("Compared with release 1 of tones in ")
    assert ran.out.splitlines()[2].startswith(f"1 shard checked: all good. {held.published.pieces.count} pieces, ")


def test_a_folder_of_tars_tells_missing_sizes_and_extra_ones(held: Held) -> None:
    shutil.copyfile(held.tar, held.tar.with_name("stranger.tar"))
    (fault,) = held.faults(held.tar.parent)
    assert (fault["kind"], Path(fault["path"]).name) == ("extra", "stranger.tar")
    held.tar.unlink()
    (fault,) = held.faults(held.tar)
    assert (fault["kind"], fault["first_piece"], fault["stop"]) == ("missing", 0, len(held.right))


def test_quick_finds_sizes_and_reads_nothing(held: Held) -> None:
    held.tar.write_bytes(bytes(len(held.right)))
    report = held.report(held.tar, "--quick", code=0)
    assert (report["mode"], report["read_bytes"]) == ("quick", 0)
    os.truncate(held.tar, 1000)
    (fault,) = held.faults(held.tar, "--quick")
    assert fault["kind"] == "short"


def test_a_sample_reads_its_share_and_says_what_it_proves(held: Held) -> None:
    report = held.report(held.tar, "--sample", "10%", "--sample-seed", "5", code=0)
    pieces = held.published.pieces
    taken = -(-pieces.count // 10)
    sample = report["sample"]
    assert (sample["sampled"], sample["total"], sample["random_seed"]) == (taken, pieces.count, 5)
    assert (taken - 1) * pieces.piece_length < report["read_bytes"] <= taken * pieces.piece_length
    assert "with 99 % confidence fewer than" in report["sample"]["conclusion"]
    assert report == {
        **held.report(held.tar, "--sample", "10%", "--sample-seed", "5", code=0),
        "seconds": report["seconds"],
    }
    held.tar.write_bytes(bytes(len(held.right)))
    report = held.report(held.tar, "--sample", "3", code=1)
    assert sum(fault["last_piece"] - fault["first_piece"] + 1 for fault in report["faults"]) == 3
    assert report["sample"]["fewer_bad_than"] is None


def test_an_extracted_shard_is_a_bag_that_its_release_and_itself_agree_on(held: Held) -> None:
    bag = held.bag()
    report = held.report(bag, "--release", held.root / "site", code=0)
    assert report["targets"][0]["files"] == 21 + 5
    (bag / "data" / "000 [b].bin").write_bytes(b"short")
    (bag / "data" / "002 [b].bin").unlink()
    (bag / "data" / "new.bin").write_bytes(b"new")
    (bag / "bag-info.txt").write_bytes((bag / "bag-info.txt").read_bytes().replace(b"Tones", b"Tunes"))
    for arguments in ([bag, "--release", held.root / "site"], [bag]):
        found = {(fault["kind"], os.path.relpath(fault["path"], bag)) for fault in held.faults(*arguments)}
        assert found == {
            ("bad", "data/000 [b].bin"),
            ("missing", "data/002 [b].bin"),
            ("extra", "data/new.bin"),
            ("bad", "bag-info.txt"),
            ("short", "data"),  # Payload-Oxum
        }


def test_a_bag_that_agrees_with_itself_but_not_with_the_release_is_bad(held: Held) -> None:
    import bagit

    bag = held.bag()
    (bag / "data" / "003 [b].bin").write_bytes(b"another")
    bagit.Bag(str(bag)).save(manifests=True)
    assert held.verify(bag, "--release", held.root / "site").code == 1
    (bag.rename(bag.with_name("elsewhere")))
    assert held.verify(bag.with_name("elsewhere")).code == 0


def test_loose_files_are_found_by_the_source_path_and_by_the_member_path(held: Held) -> None:
    source = held.root / "source"
    report = held.report(source, "--release", held.root / "site", code=0)
    assert report["targets"][0]["files"] == 21
    member = next(path for path in held.published.members["path"].to_pylist() if path.startswith("100"))
    (source / "100%.bin").rename(source / member)
    held.report(source, "--manifest", held.manifest, code=0)
    (source / "004 [b].bin").write_bytes(b"")
    (source / "005 [b].bin").unlink()
    flipped = bytearray((source / "006 [b].bin").read_bytes())
    flipped[-1] ^= 1
    (source / "006 [b].bin").write_bytes(flipped)
    found = [(fault["kind"], Path(fault["path"]).name) for fault in held.faults(source, "--manifest", held.manifest)]
    assert sorted(found) == [
        ("bad", "004 [b].bin"),
        ("bad", "006 [b].bin"),
        ("missing", "005 [b].bin"),
        ("short", "004 [b].bin"),
    ]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(held: Held, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    bag = held.bag()
    shutil.move(bag / "data" / "007 [b].bin", secret)
    (bag / "data" / "007 [b].bin").symlink_to(secret)
    (fault,) = (fault for fault in held.faults(bag) if fault["kind"] == "unreadable")
    assert "leads out of the folder" in fault["detail"]
    shutil.move(bag / "data", tmp_path / "data")
    (bag / "data").symlink_to(tmp_path / "data")
    assert all(fault["kind"] != "bad" for fault in held.faults(bag))


def test_what_cannot_be_read_is_told_and_the_rest_is_read(held: Held) -> None:
    bag = held.bag()
    (bag / "data" / "008 [b].bin").unlink()
    os.mkfifo(bag / "data" / "008 [b].bin")
    (bag / "data" / "009 [b].bin").write_bytes(b"bad")
    kinds = [fault["kind"] for fault in held.faults(bag) if "[b].bin" in fault["path"]]
    assert kinds == ["unreadable", "bad"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user who may not read the file")
def test_what_may_not_be_read_is_unreadable_and_a_folder_is_named(made: Path, capsys: Capture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(made, Path(folder) / "project")
        held = Held(Path(folder) / "project", capsys)
        count = held.published.pieces.count
        held.tar.chmod(0o600)
        (held.root / "source").chmod(0o700)
        os.seteuid(65534)
        try:
            (fault,) = held.faults(held.tar)
            ran = held.verify(held.root / "source", "--release", held.root / "site")
        finally:
            os.seteuid(0)
    assert (fault["kind"], fault["detail"]) == ("unreadable", "Permission denied")
    assert (fault["first_piece"], fault["last_piece"]) == (0, count - 1)
    assert (ran.code, ran.out) == (3, "")
    assert as_sentence(ran.err).endswith("source/bagit.txt: Permission denied; fix the permissions\n")


def test_one_shard_whose_documents_are_broken_does_not_stop_the_others(held: Held) -> None:
    other = held.tar.with_name("other.tar")
    other.write_bytes(b"")
    for release in ("site/release.json", "site/releases"):
        path = held.root / release
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (held.manifest.with_name("other.manifest.json")).write_bytes(held.manifest.read_bytes())
    ran = held.verify(held.tar.parent)
    assert ran.code == 2
    assert "other.tar: not checked" in ran.err
    assert "1 good" in ran.out


def test_a_document_that_is_not_the_one_release_json_names_is_refused(held: Held) -> None:
    held.manifest.write_bytes(held.manifest.read_bytes().replace(b"archive-packager", b"Archive-packager"))
    ran = held.verify(held.tar, "--release", held.root / "site")
    assert ran.code == 1
    assert "release.json says" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.tar"], "not found"),
        (["source"], "a release must describe"),
        (["shards", "--release", "nowhere"], "no release.json is there"),
        (["shards", "--release", "ftp://archive.example.org/"], "does not begin with one of https://"),
        (["shards", "--release", "site", "--sums", "x"], "--sums cannot be used with --release"),
        (["shards", "--manifest", "SHA256SUMS"], "use --sums for a list of digests"),
        (["shards", "--quick", "--sample", "2%"], "--sample cannot be used with --quick"),
        (["shards", "--sample", "0"], "is not a sample"),
        (["shards", "--older-than", "90d"], "needs --state"),
        (["shards", "--for", "soon"], "is not a time"),
        (["shards", "--read-limit", "fast"], "is not a rate"),
        (["packager.toml"], "no document here describes it"),
        (["source/100%.bin", "--torrent", "packager.toml"], "packager.toml"),
        (["source", "--sums", "packager.toml"], "is not a digest and a path"),
        (["shards", "--state", "packager.toml"], "not a state file"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_sentence(
    held: Held, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(held.root)
    ran = held.verify(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in as_sentence(ran.err)
    assert len(as_sentence(ran.err).splitlines()) == 1


def test_names_with_escapes_and_markup_are_printed_as_they_are(held: Held) -> None:
    bag = held.bag()
    (bag / "data" / "a[").mkdir()
    for name in ("a[/b]\x1b[31m.bin", "line\nbreak", "\udcff.bin"):
        (bag / "data" / name).write_bytes(b"")
    ran = held.verify(bag)
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err
    assert r"a[/b]\x1b[31m.bin" in ran.out
    assert all("Traceback" not in text for text in (ran.out, ran.err))
    report = held.report(bag, code=1)
    assert [fault["path_b64"] for fault in report["faults"] if "path_b64" in fault]


@pytest.mark.soak
@pytest.mark.parametrize("how", [*DAMAGES])
def test_a_shard_of_256_mib_is_told_by_its_pieces(tmp_path: Path, capsys: Capture, how: Damage) -> None:
    root = tmp_path / "project"
    make_release(root, members=60, member=4 << 20, size="300 MiB", torrent='piece_length = "256 KiB"')
    held = Held(root, capsys)
    assert len(held.right) > 240 << 20
    check_damage(held, how)
    held.capsys.readouterr()
    assert main(["verify", str(held.tar), "--workers", "2", "--json"]) == 1
