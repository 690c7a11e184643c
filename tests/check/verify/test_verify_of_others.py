"""Verify against what other programs made: their torrents, their bags, their files of digests."""

import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import libtorrent as lt
import pytest

from packager.cli.app import main
from tests.helpers.libtorrent_torrents import made_of_data, made_of_folder

Capture = pytest.CaptureFixture[str]
SIZES = {"a/one.bin": 100_000, "a/two.bin": 5, "b/empty.bin": 0, "b/three.bin": 70_001, "z.bin": 16_384}


def verify(capsys: Capture, *arguments: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the report."""
    capsys.readouterr()
    code = main(["verify", *map(str, arguments), "--json", "--workers", "1"])
    printed = capsys.readouterr()
    assert code in {0, 1}, printed.err
    return code, json.loads(printed.out)


def told(report: dict[str, Any], folder: Path) -> list[tuple[Any, ...]]:
    return [
        (
            fault["kind"],
            Path(fault["path"]).relative_to(folder).as_posix(),
            fault.get("first_piece"),
            fault.get("last_piece"),
            fault.get("members", []),
        )
        for fault in report["faults"]
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    chance = random.Random(3)
    folder = tmp_path / "data [x]"
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(chance.randbytes(size))
    return folder


def flip(path: Path, at: int) -> None:
    changed = bytearray(path.read_bytes())
    changed[at] ^= 1
    path.write_bytes(changed)


def torrent_of(data: Path, version: str) -> Path:
    path = data.with_name("x.torrent")
    path.write_bytes(lt.bencode(made_of_folder(data, 32768, version)))
    return path


@pytest.mark.parametrize("version", ["hybrid", "v1", "v2"])
def test_libtorrents_folder_is_good_from_beside_it_and_by_any_name(data: Path, capsys: Capture, version: str) -> None:
    torrent = torrent_of(data, version)
    for arguments in ([], [data], [data.parent]):
        code, report = verify(capsys, *arguments, "--torrent", torrent)
        assert (code, report["faults"]) == (0, [])
        assert (report["size"], report["read_bytes"] >= sum(SIZES.values())) == (sum(SIZES.values()), True)
    renamed = data.rename(data.with_name("renamed"))
    assert verify(capsys, renamed, "--torrent", torrent)[0] == 0


@pytest.mark.parametrize("version", ["hybrid", "v2"])
def test_each_file_of_a_v2_torrent_has_pieces_of_its_own(data: Path, capsys: Capture, version: str) -> None:
    torrent = torrent_of(data, version)
    flip(data / "a/one.bin", 40_000)
    flip(data / "b/three.bin", 70_000)
    (data / "a/two.bin").unlink()
    (data / "b/empty.bin").unlink()
    (data / "z.bin").write_bytes(b"")
    code, report = verify(capsys, data, "--torrent", torrent)
    assert code == 1
    assert sorted(told(report, data)) == [
        ("bad", "a/one.bin", 1, 1, []),
        ("bad", "b/three.bin", 2, 2, []),
        ("missing", "a/two.bin", 0, 0, []),
        ("missing", "b/empty.bin", None, None, []),
        ("short", "z.bin", 0, 0, []),
    ]


def test_a_v1_piece_over_several_files_names_them_and_a_missing_file_spoils_its_neighbours(
    data: Path, capsys: Capture
) -> None:
    torrent = torrent_of(data, "v1")
    layout = lt.load_torrent_file(str(torrent)).ti.layout()
    names = [layout.file_path(at).partition("/")[2] for at in range(layout.num_files())]
    starts = {name: layout.file_offset(at) for at, name in enumerate(names)}
    real = {name for name in names if not name.startswith(".pad")}

    def touched(first: int, last: int) -> list[str]:
        return [
            name
            for name in names
            if name in real
            and starts[name] < (last + 1) * 32768
            and starts[name] + SIZES[name] > first * 32768
            and SIZES[name]
        ]

    flip(data / "b/three.bin", 0)
    (data / "a/two.bin").unlink()
    code, report = verify(capsys, data, "--torrent", torrent)
    assert code == 1
    bad = starts["b/three.bin"] // 32768
    gone = starts["a/two.bin"] // 32768
    last = (starts["a/two.bin"] + 4) // 32768
    assert bad < gone
    assert sorted(told(report, data)) == [
        ("bad", ".", bad, bad, touched(bad, bad)),
        ("missing", "a/two.bin", gone, last, touched(gone, last)),
    ]


def test_one_file_is_found_as_itself_in_a_folder_and_beside_its_torrent(tmp_path: Path, capsys: Capture) -> None:
    content = random.Random(1).randbytes(100_000)
    for version in ("hybrid", "v1", "v2"):
        made = made_of_data(tmp_path, "big.tar", content, 16384, version)
        torrent = tmp_path / "big.tar.torrent"
        torrent.write_bytes(lt.bencode(made))
        for arguments in (
            [tmp_path / "big.tar"],
            [tmp_path],
            [tmp_path / "big.tar", "--torrent", torrent],
            ["--torrent", torrent],
        ):
            assert verify(capsys, *arguments)[0] == 0
        flip(tmp_path / "big.tar", 50_000)
        code, report = verify(capsys, tmp_path / "big.tar")
        assert (code, told(report, tmp_path)) == (1, [("bad", "big.tar", 3, 3, [])])


@pytest.mark.interop
@pytest.mark.parametrize("maker", ["mktorrent", "transmission-create"])
def test_torrents_of_other_makers(data: Path, capsys: Capture, program: Callable[[str], str], maker: str) -> None:
    torrent = data.with_name("other.torrent")
    length = ["-l", "15"] if maker == "mktorrent" else ["-s", "32"]
    subprocess.run([program(maker), *length, "-o", torrent, data], check=True, capture_output=True)
    assert verify(capsys, data, "--torrent", torrent)[0] == 0
    flip(data / "a/one.bin", 0)
    code, report = verify(capsys, data, "--torrent", torrent)
    assert code == 1
    (fault,) = report["faults"]
    assert (fault["kind"], fault["last_piece"] - fault["first_piece"], "a/one.bin" in fault["members"]) == (
        "bad",
        0,
        True,
    )


@pytest.mark.parametrize("algorithms", [["sha256"], ["md5"], ["sha512", "sha256", "sha1"]])
def test_a_bag_by_bagit_python_is_good_and_then_told_file_by_file(
    data: Path, capsys: Capture, algorithms: list[str]
) -> None:
    bagit.make_bag(str(data), {"Contact-Name": "someone"}, checksums=algorithms)
    code, report = verify(capsys, data)
    assert (code, report["targets"][0]["kind"]) == (0, "bag")
    assert report["read_bytes"] >= sum(SIZES.values())
    flip(data / "data/a/one.bin", 7)
    flip(data / "bag-info.txt", 7)
    code, report = verify(capsys, data)
    assert (code, told(report, data)) == (
        1,
        [("bad", name, None, None, []) for name in ("data/a/one.bin", "bag-info.txt")],
    )
    assert not bagit.Bag(str(data)).is_valid()


def test_a_name_that_rfc_8493_encodes_is_found_encoded_and_raw(tmp_path: Path, capsys: Capture) -> None:
    for raw in (True, False):
        bag = tmp_path / str(raw)
        (bag / "data").mkdir(parents=True)
        (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        lines = []
        for name in ("100%.bin", "50%25.bin", *(() if raw else ("two\nlines",))):
            (bag / "data" / name).write_bytes(name.encode())
            path = f"data/{name}"
            if not raw:
                path = path.replace("%", "%25").replace("\n", "%0A")
            lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {path}\n")
        (bag / "manifest-sha256.txt").write_text("".join(lines))
        assert verify(capsys, bag)[0] == 0


def test_a_payload_file_must_stand_in_every_manifest(data: Path, capsys: Capture) -> None:
    bagit.make_bag(str(data), checksums=["sha256", "md5"])
    for path in data.glob("tagmanifest-*"):
        path.unlink()
    (data / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    manifest = data / "manifest-md5.txt"
    manifest.write_text("".join(line for line in manifest.read_text().splitlines(True) if "two" not in line))
    code, report = verify(capsys, data)
    assert (code, told(report, data)) == (1, [("extra", "data/a/two.bin", None, None, [])])


@pytest.mark.interop
@pytest.mark.parametrize(
    ("tool", "options"),
    [("sha256sum", []), ("sha256sum", ["-b"]), ("sha256sum", ["--tag"]), ("md5sum", []), ("sha512sum", [])],
)
def test_sums_as_coreutils_writes_them(
    data: Path, capsys: Capture, program: Callable[[str], str], tool: str, options: list[str]
) -> None:
    (data / "back\\slash and\nline").write_bytes(b"odd")
    names = [*SIZES, "back\\slash and\nline"]
    sums = data.with_name("SUMS")
    with open(sums, "wb") as file:
        subprocess.run([program(tool), *options, *names], cwd=data, stdout=file, check=True)
    assert verify(capsys, data, "--sums", sums)[0] == 0
    assert verify(capsys, data / "z.bin", "--sums", sums)[0] == 0
    flip(data / "a/one.bin", 99_999)
    (data / "back\\slash and\nline").unlink()
    code, report = verify(capsys, data, "--sums", sums)
    assert (code, [fault["kind"] for fault in report["faults"]]) == (1, ["missing", "bad"])
