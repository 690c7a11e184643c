"""A damaged shard is repaired where it lies: from web seeds, loose files, copies and peers, by its bad pieces alone."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from packager.check.repair.shard_in_place import open_tar_in_place
from packager.cli.app import main
from packager.core.bittorrent import parse_torrent
from packager.core.bittorrent.piece_hashes import PieceHashes
from packager.engine.published.published_shard import PublishedShard, open_published_shard, shard_files
from tests.helpers.failing_disk import FailingDisk
from tests.helpers.http_server import Fault, serving
from tests.helpers.libtorrent_peer import seeding
from tests.helpers.projects import Project, Ran

Capture = pytest.CaptureFixture[str]
NAME = "tones-all-00001"
PIECE = 64 << 10
PHASE = '[[phases]]\nname = "all"\ntitle = "All"\n'


@dataclass(frozen=True)
class Held:
    """A seeder's tar, what it should be, and how to fix it."""

    root: Path
    tar: Path
    right: bytes
    published: PublishedShard

    @property
    def torrent(self) -> Path:
        return self.root / "site" / "torrents" / f"{NAME}.torrent"

    def wrong(self) -> list[int]:
        """The pieces of the tar on disk that are not right."""
        data = self.tar.read_bytes()
        spans = (self.published.pieces.span(piece) for piece in range(self.published.pieces.count))
        return [at for at, (start, stop) in enumerate(spans) if data[start:stop] != self.right[start:stop]]

    def arguments(self, *more: object) -> list[str]:
        """`packager repair` as nobody beyond loopback could be asked."""
        return ["repair", str(self.tar), "--no-web-seeds", "--timeout", "5 s", *map(str, more)]

    def repair(self, capsys: Capture, *more: object) -> Ran:
        capsys.readouterr()
        code = main(self.arguments(*more))
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)


def make_release(root: Path, *, members: int, member: int, size: str, piece: str) -> None:
    """Release a project of random files, two of them of one size."""
    project, chance = Project(root), random.Random(7)
    project.source.mkdir(parents=True)
    for number in range(members):
        length = member if number < 2 else chance.randrange(member // 4, member * 2)
        (project.source / f"{number:03d} [b].bin").write_bytes(chance.randbytes(length))
    project.write_config(size=size, phases=PHASE, torrent=f'piece_length = "{piece}"')
    assert main(["release", "--json", "--config", str(root / "packager.toml"), "--workers", "1"]) == 0


def held(root: Path) -> Held:
    tar = root / "shards" / f"{NAME}.tar"
    documents = shard_files(root / "site" / "manifests" / f"{NAME}.manifest.json")
    return Held(root, tar, tar.read_bytes(), open_published_shard(documents))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("released") / "project"
    make_release(root, members=30, member=60_000, size="16 MiB", piece="64 KiB")
    return root


@pytest.fixture
def shard(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    shutil.copytree(made, tmp_path / "project")
    return held(tmp_path / "project")


def flip_a_bit(shard: Held, data: bytearray) -> None:
    data[len(data) // 2] ^= 4


def cut_the_tail(shard: Held, data: bytearray) -> None:
    del data[-3 * shard.published.pieces.piece_length - 100 :]


def zero_a_hole(shard: Held, data: bytearray) -> None:
    length = 16 * shard.published.pieces.piece_length
    data[length // 3 : length // 3 + length] = bytes(length)


def swap_two_members(shard: Held, data: bytearray) -> None:
    offsets, sizes = shard.published.layout.offsets.tolist(), shard.published.layout.sizes.tolist()
    one, two = (at for at, size in enumerate(sizes) if size == sizes[0] or sizes.count(size) == 2)
    first, second = (slice(offsets[at], offsets[at] + sizes[at]) for at in (one, two))
    data[first], data[second] = data[second], data[first]


def empty_it(shard: Held, data: bytearray) -> None:
    data.clear()


DAMAGES = [flip_a_bit, cut_the_tail, zero_a_hole, swap_two_members, empty_it]
Damage = Callable[[Held, bytearray], None]


def damage(shard: Held, how: Damage) -> list[int]:
    """Damage the tar and return its bad pieces."""
    data = bytearray(shard.right)
    how(shard, data)
    shard.tar.write_bytes(data)
    if len(data) < len(shard.right):
        first = len(data) // shard.published.pieces.piece_length
        return list(range(first, shard.published.pieces.count))
    bad = shard.wrong()
    assert bad
    return bad


def total(shard: Held, pieces: list[int]) -> int:
    return sum(stop - start for start, stop in map(shard.published.pieces.span, pieces))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_web_seed_sends_the_bad_pieces_and_not_a_byte_more(shard: Held, how: Damage, capsys: Capture) -> None:
    bad = damage(shard, how)
    with serving({f"shards/{NAME}.tar": shard.right}) as site:
        ran = shard.repair(capsys, "--from", site.address + "shards/", "--json")
        assert ran.code == 0, ran.err
        assert site.sent == total(shard, bad)
        assert [start for _, start, _ in site.ranges] == [piece * PIECE for piece in bad]
        again = shard.repair(capsys, "--from", site.address + "shards/")
        assert (again.code, site.requests) == (0, len(bad))
        assert "Nothing to do: " in again.out
    report = json.loads(ran.out)
    assert (report["bad_pieces"], report["repaired"], report["unrepaired_pieces"]) == (len(bad), len(bad), 0)
    assert report["bad_bytes"] == report["repaired_bytes"] == report["data_sources"][0]["bytes"] == total(shard, bad)
    assert shard.tar.read_bytes() == shard.right


@pytest.mark.parametrize("how", DAMAGES)
def test_the_folder_of_loose_files_mends_it(shard: Held, how: Damage, capsys: Capture) -> None:
    bad = damage(shard, how)
    ran = shard.repair(capsys, "--from", shard.root / "source", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["data_sources"] == [
        {"name": f"the loose files of {NAME}", "pieces": len(bad), "bytes": total(shard, bad)}
    ]
    assert shard.tar.read_bytes() == shard.right


@pytest.mark.parametrize("how", DAMAGES)
def test_a_peer_mends_it_by_the_bad_pieces_alone(shard: Held, how: Damage, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(shard.tar.parent, tmp_path / "peer")
    bad = damage(shard, how)
    left = shard.tar.with_name(f".{shard.tar.name}.swarm")
    left.mkdir()
    (left / "of a killed run").write_bytes(b"x")
    with seeding(shard.torrent, tmp_path / "peer") as peer:
        ran = shard.repair(capsys, "--peer", peer, "--listen", "127.0.0.1:0", "--json", "--timeout", "200 s")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["data_sources"][0]["bytes"] == total(shard, bad)
    assert shard.tar.read_bytes() == shard.right
    assert not list(shard.tar.parent.glob(".*"))


def test_another_copy_mends_what_is_right_in_it(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    bad = damage(shard, zero_a_hole)
    copy = tmp_path / "copy" / f"{NAME}.tar"
    copy.parent.mkdir()
    other = bytearray(shard.right)
    other[0] ^= 1  # a piece that the tar has right
    other[bad[3] * PIECE] ^= 1
    copy.write_bytes(other)
    ran = shard.repair(capsys, "--from", copy.parent)
    assert (ran.code, shard.wrong()) == (1, [bad[3]])
    assert "its bytes of this piece are wrong, too" in ran.out
    assert shard.repair(capsys, "--from", copy, "--from", shard.root / "source").code == 0
    assert shard.tar.read_bytes() == shard.right


def test_sources_are_asked_in_turn_for_what_the_one_before_lacks(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    loose = tmp_path / "some"
    shutil.copytree(shard.root / "source", loose)
    kept = sorted(loose.iterdir())[::2]
    for path in kept:
        path.unlink()
    bad = damage(shard, zero_a_hole)
    with serving({f"{NAME}.tar": shard.right}) as site:
        ran = shard.repair(capsys, "--from", site.address, "--from", loose, "--json")
        assert 0 < site.sent < total(shard, bad)
    assert ran.code == 0
    given = [source["pieces"] for source in json.loads(ran.out)["data_sources"]]
    assert sum(given) == len(bad)
    assert all(given)
    assert shard.tar.read_bytes() == shard.right


def test_what_no_source_has_is_told_with_the_reason_and_the_rest_is_mended(
    shard: Held, tmp_path: Path, capsys: Capture
) -> None:
    loose = tmp_path / "some"
    shutil.copytree(shard.root / "source", loose)
    (loose / "004 [b].bin").unlink()
    damage(shard, zero_a_hole)
    ran = shard.repair(capsys, "--from", loose)
    assert ran.code == 1
    assert f"{NAME}/data/004 [b].bin: no file is known for this member" in ran.out
    assert "touched: 00" in ran.out
    left = shard.wrong()
    offset, size = int(shard.published.layout.offsets[4]), int(shard.published.layout.sizes[4])
    assert 0 < len(left) <= len(shard.published.pieces.touched(offset, offset + size))


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("ignores range", 1, "ignores Range"),
        ("wrong range", 1, "sends the range"),
        ("gzip", 1, "packed"),
        ("too much", 1, "sends more than"),
        ("another size", 1, "is a file of"),
        ("wrong bytes", 1, "are wrong, too"),
        ("404", 1, "answers 404"),
        ("503", 3, "answers 503"),
        ("short", 3, "could not be read"),
    ],
)
def test_a_web_seed_that_misbehaves_changes_nothing_and_is_named(
    shard: Held, fault: Fault, code: int, reason: str, capsys: Capture
) -> None:
    data = bytearray(shard.right)
    data[-5] ^= 1
    shard.tar.write_bytes(data)
    with serving({f"{NAME}.tar": shard.right}, fault) as site:
        ran = shard.repair(capsys, "--from", site.address)
    assert (ran.code, reason in ran.out, "Traceback" in ran.err) == (code, True, False), ran.out
    assert shard.tar.read_bytes() == data


def test_a_peer_that_is_away_may_be_asked_again_later(shard: Held, capsys: Capture) -> None:
    before = damage(shard, flip_a_bit)
    ran = shard.repair(capsys, "--peer", "127.0.0.1:9", "--listen", "127.0.0.1:0", "--timeout", "1 s")
    assert ran.code == 3
    assert "nothing came from the swarm" in ran.out
    assert shard.wrong() == before


def test_a_peer_with_other_bytes_mends_nothing(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / f"{NAME}.tar").write_bytes(bytes(len(shard.right)))
    before = damage(shard, flip_a_bit)
    with seeding(shard.torrent, tmp_path / "peer") as peer:
        ran = shard.repair(capsys, "--peer", peer, "--listen", "127.0.0.1:0", "--timeout", "2 s")
    assert ran.code == 3
    assert shard.wrong() == before


def test_a_tar_too_long_is_cut_once_all_before_is_right(shard: Held, capsys: Capture) -> None:
    shard.tar.write_bytes(shard.right + b"more")
    assert shard.repair(capsys, "--dry-run").code == 1
    assert shard.tar.read_bytes() == shard.right + b"more"
    ran = shard.repair(capsys)
    assert (ran.code, "4 B past the shard's end: cut off" in ran.out) == (0, True)
    assert shard.tar.read_bytes() == shard.right


def test_bytes_put_in_are_mended_and_what_they_pushed_out_is_cut_only_then(shard: Held, capsys: Capture) -> None:
    longer = shard.right[:100_000] + b"inserted" + shard.right[100_000:]
    shard.tar.write_bytes(longer)
    assert shard.repair(capsys).code == 1
    assert shard.tar.read_bytes() == longer
    assert shard.repair(capsys, "--from", shard.root / "source").code == 0
    assert shard.tar.read_bytes() == shard.right


def test_a_dry_run_only_says_what_is_bad(shard: Held, capsys: Capture) -> None:
    bad = damage(shard, zero_a_hole)
    before = shard.tar.read_bytes()
    with serving({f"{NAME}.tar": shard.right}) as site:
        ran = shard.repair(capsys, "--from", site.address, "--dry-run", "--json")
        assert site.requests == 0
    report = json.loads(ran.out)
    assert (ran.code, report["bad_pieces"], report["unrepaired_pieces"]) == (1, len(bad), len(bad))
    assert [(left["first"], left["last"]) for left in report["unrepaired"]] == [(bad[0], bad[-1])]
    assert shard.tar.read_bytes() == before


def test_a_report_says_where_to_look_and_what_is_missing_is_found_beside_it(
    shard: Held, tmp_path: Path, capsys: Capture
) -> None:
    data = bytearray(shard.right)
    data[PIECE] ^= 1
    data[5 * PIECE] ^= 1
    del data[-10:]
    shard.tar.write_bytes(data)
    report = tmp_path / "report.json"
    faults = [
        {"kind": "bad", "path": f"/elsewhere/{NAME}.tar", "first_piece": 1, "last_piece": 2, "added_later": []},
        {"kind": "bad", "path": "another.tar", "first_piece": 5, "last_piece": 10**30},
        {"kind": "extra", "path": f"{NAME}.tar"},
    ]
    report.write_text(json.dumps({"mode": "full", "faults": faults}))
    ran = shard.repair(capsys, "--report", report, "--from", shard.root / "source", "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["checked"], found["repaired"]) == (0, 3, 2)
    assert shard.wrong() == [5]
    report.write_text("[" * 100_000)
    assert "is not a report" in shard.repair(capsys, "--report", report).err


def test_a_report_of_verify_is_taken_as_it_is(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    bad = damage(shard, swap_two_members)
    capsys.readouterr()
    assert main(["verify", str(shard.tar), "--json"]) == 1
    (tmp_path / "report.json").write_text(capsys.readouterr().out)
    ran = shard.repair(capsys, "--report", tmp_path / "report.json", "--from", shard.root / "source", "--json")
    assert (ran.code, json.loads(ran.out)["checked"], shard.wrong()) == (0, len(bad), [])
    assert main(["verify", str(shard.tar)]) == 0


def test_the_torrent_alone_is_enough_for_a_copy_and_a_web_seed(shard: Held, tmp_path: Path, capsys: Capture) -> None:
    away = Held(shard.root, tmp_path / "renamed.tar", shard.right, shard.published)
    away.tar.write_bytes(shard.right)
    damage(away, zero_a_hole)
    assert "no renamed.manifest.json" in away.repair(capsys).err
    with serving({f"{NAME}.tar": shard.right}) as site:
        ran = away.repair(capsys, "--torrent", shard.torrent, "--from", site.address)
    assert (ran.code, away.tar.read_bytes() == shard.right) == (0, True), ran.err


def test_the_web_seeds_of_the_torrent_are_asked_without_being_named(
    shard: Held, tmp_path: Path, capsys: Capture
) -> None:
    from packager.core.bittorrent import bencode

    with serving({f"{NAME}.tar": shard.right}) as site:
        metainfo = bencode.decode(shard.torrent.read_bytes(), "torrent")
        assert isinstance(metainfo, dict)
        metainfo[b"url-list"] = [b"ftp://127.0.0.1/", site.address.encode()]
        torrent = tmp_path / "seeded.torrent"
        torrent.write_bytes(bencode.encode(metainfo))
        assert parse_torrent.parse_torrent(torrent.read_bytes(), torrent).web_seeds[1] == site.address
        bad = damage(shard, flip_a_bit)
        capsys.readouterr()
        assert main(["repair", str(shard.tar), "--torrent", str(torrent), "--allow-host", "127.0.0.1"]) == 0
        assert site.sent == total(shard, bad)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "ftp://files.example/"], "does not begin with one of https://, http://"),
        (["--from", "/nowhere/at/all"], "not found"),
        (["--peer", "127.0.0.1:0"], "is not a peer"),
        (["--peer", "127.0.0.1:9", "--listen", "nowhere:0"], "is not an IP address"),
        (["--tracker", "gopher://x"], "does not begin with one of"),
        (["--manifest", "none.json"], "not found"),
    ],
)
def test_a_wrong_argument_is_a_sentence(shard: Held, arguments: list[str], sentence: str, capsys: Capture) -> None:
    bad = damage(shard, flip_a_bit)
    ran = shard.repair(capsys, *arguments)
    assert (ran.code, sentence in ran.err) == (2, True), ran.err
    assert shard.wrong() == bad


def test_a_tar_that_is_not_there_is_to_be_rebuilt(shard: Held, capsys: Capture) -> None:
    shard.tar.unlink()
    ran = shard.repair(capsys)
    assert (ran.code, "packager rebuild" in ran.err) == (2, True)
    assert not list(shard.tar.parent.iterdir())
    os.mkfifo(shard.tar)
    assert "is not a regular file" in shard.repair(capsys).err


def kill_and_mend(shard: Held, disk: FailingDisk, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    with serving({f"{NAME}.tar": shard.right}) as site:
        arguments = shard.arguments("--from", site.address)
        for number in range(kills):
            how = DAMAGES[number % len(DAMAGES)]
            damage(shard, how)
            calm = disk.calm(shard.root, *arguments)
            assert (calm.code, shard.tar.read_bytes()) == (0, shard.right), calm.err
            bad = damage(shard, how)
            assert disk.kill(shard.root, chance.randint(1, calm.calls), *arguments).killed
            assert set(shard.wrong()) <= set(bad)
            assert len(shard.tar.read_bytes()) <= len(shard.right)
            again = disk.calm(shard.root, *arguments)
            assert (again.code, shard.tar.read_bytes()) == (0, shard.right), again.err
            assert not list(shard.tar.parent.glob(".*"))


def test_a_kill_leaves_right_pieces_right_and_the_next_run_ends_it(shard: Held, disk: FailingDisk) -> None:
    kill_and_mend(shard, disk, seed=20261121, kills=len(DAMAGES))


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_many_kills_leave_right_pieces_right_and_the_next_run_ends_it(shard: Held, disk: FailingDisk) -> None:
    kill_and_mend(shard, disk, seed=3, kills=50)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_shard_of_256_mib_is_mended_by_the_touched_pieces_alone(tmp_path: Path, capsys: Capture) -> None:
    make_release(tmp_path / "large", members=48, member=5 << 20, size="256 MiB", piece="1 MiB")
    shard = held(tmp_path / "large")
    assert len(shard.right) > 200 << 20
    digest = hashlib.sha256(shard.right).digest()
    for how in DAMAGES[:-1]:
        bad = damage(shard, how)
        with serving({f"{NAME}.tar": shard.right}) as site:
            assert shard.repair(capsys, "--from", site.address).code == 0
            assert site.sent == total(shard, bad)
        assert hashlib.sha256(shard.tar.read_bytes()).digest() == digest


def test_what_was_written_is_read_back_from_the_disk_and_not_from_the_page_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, tar = bytes(range(256)) * 16, tmp_path / "a.tar"
    tar.write_bytes(bytes(4096))
    pieces = PieceHashes(4096, 4096, None, b"", hashlib.sha1(data).digest())
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "fsync", lambda _: calls.append(("fsync",)))
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *what: calls.append(what))
    shard = open_tar_in_place(tar, pieces, writable=True)
    assert shard.still_bad([0]) == [0]
    shard.write(0, data)
    assert shard.still_bad([0]) == []
    assert calls[-3:] == [("fsync",), (0, 4096, os.POSIX_FADV_DONTNEED), ("fsync",)]


@pytest.mark.parametrize("lying", ["drops", "flips"])
def test_what_was_written_is_read_back_from_a_disk_that_lies(
    shard: Held, capsys: Capture, monkeypatch: pytest.MonkeyPatch, lying: str
) -> None:
    """A disk that reports success and keeps other bytes: the piece is bad, and the run says so."""
    shard.tar.write_bytes(shard.right[:5] + b"?" + shard.right[6:])
    write = os.pwrite

    def lie(descriptor: int, data: memoryview, at: int) -> int:
        if lying == "drops":
            return len(data)
        return write(descriptor, bytes([data[0] ^ 1]) + bytes(data[1:]), at)

    monkeypatch.setattr(os, "pwrite", lie)
    ran = shard.repair(capsys, "--from", shard.root / "source", "--json", "--workers", "1")
    report = json.loads(ran.out)
    assert (ran.code, report["complete"], report["repaired"], report["unrepaired_pieces"]) == (1, False, 0, 1)
    assert "the disk returns other bytes" in report["unrepaired"][0]["reasons"][0]
    monkeypatch.undo()
    assert shard.repair(capsys, "--from", shard.root / "source").code == 0
    assert shard.wrong() == []
