"""One way to open a release, one level of trust, and every "good" says what vouches for it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import pytest

from packager.cli.app import main
from packager.core.releases.minisign_key import SecretKey
from packager.core.releases.minisign_signature import sign

Capture = pytest.CaptureFixture[str]
GOLDEN = Path(__file__).parents[3] / "manifests/vectors/shard/expected"
SOURCE = GOLDEN.parent / "source"
NAME = "example-texts-00001"
KEY = SecretKey(b"evidence", bytes(range(32)))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The golden shard's release, signed, far from its tar."""
    folder = tmp_path / "published"
    for path in ("manifests", "torrents"):
        shutil.copytree(GOLDEN, folder / path)
    (folder / "shards").mkdir()
    shutil.copyfile(GOLDEN / "release.json", folder / "release.json")
    (folder / "release.json.minisig").write_bytes(sign((folder / "release.json").read_bytes(), KEY, "golden"))
    return folder


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    (tmp_path / "held").mkdir()
    return Path(shutil.copy(GOLDEN / f"{NAME}.tar", tmp_path / "held"))


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def evidence(capsys: Capture, *arguments: object) -> dict[str, Any]:
    code, out, err = run(capsys, "verify", *arguments, "--workers", "1", "--json")
    assert code == 0, err
    (subject,) = json.loads(out)["targets"]
    found: dict[str, Any] = subject["evidence"]
    return found


COMMANDS = {
    "verify": "verify TAR",
    "verify a folder": "verify HELD",
    "repair": "repair TAR --no-web-seeds",
    "extract": "extract TAR --to OUT/x",
    "rebuild": f"rebuild {NAME} --from {SOURCE} --to OUT/y.tar --index OUT/index",
}


def words(command: str, tar: Path) -> list[str]:
    """The arguments of a command on a tar."""
    places = {"TAR": tar, "HELD": tar.parent, "OUT": tar.parents[1]}
    text = COMMANDS[command]
    for word, place in places.items():
        text = text.replace(word, str(place))
    return text.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_vouches_and_who_signed_it(
    release: Path, tar: Path, capsys: Capture, command: str
) -> None:
    arguments = words(command, tar)
    code, out, _ = run(capsys, *arguments, "--release", release)
    assert code == 0
    assert f"Compared with release 1 of example in {release}/." in out
    assert "Not checked against a signature. To check: --key KEY" in out
    code, out, _ = run(capsys, *arguments, "--release", release, "--key", KEY.public.line)
    assert code == 0
    assert f"Compared with release 1 of example in {release}/, signed by key {KEY.public.name}." in out
    assert "Not checked" not in out


def contradict_phase(document: dict[str, Any]) -> None:
    document["phases"][0]["files"] += 1


def contradict_magnet(document: dict[str, Any]) -> None:
    document["shards"][0]["magnet"] = document["shards"][0]["magnet"].replace("xl=", "xl=1")


def contradict_number(document: dict[str, Any]) -> None:
    document["shards"][0]["number"] = 0


def another_manifest(document: dict[str, Any]) -> None:
    document["shards"][0]["manifest"]["sha256"] = "ab" * 32


def another_torrent(document: dict[str, Any]) -> None:
    document["shards"][0]["torrent"]["size"] += 1


def another_root(document: dict[str, Any]) -> None:
    document["shards"][0]["pieces_root"] = "00" * 32


CHANGES = [contradict_phase, contradict_magnet, contradict_number, another_manifest, another_torrent, another_root]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("change", CHANGES)
def test_no_command_uses_a_release_that_contradicts_itself_or_its_documents(
    release: Path, tar: Path, capsys: Capture, command: str, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads((release / "release.json").read_bytes())
    change(document)
    (release / "release.json").write_text(json.dumps(document))
    code, out, err = run(capsys, *words(command, tar), "--release", release)
    assert (code, out) == (1, "")
    assert any(each in err for each in ("contradicts itself", "release.json says", "swapped manifest"))


@pytest.mark.parametrize("command", ["verify", "verify a folder", "repair", "extract"])
def test_a_release_around_a_tar_is_opened_in_the_same_way(
    release: Path, tar: Path, capsys: Capture, command: str
) -> None:
    inside = Path(shutil.move(tar, release / "shards" / tar.name))
    code, out, _ = run(capsys, *words(command, inside))
    assert (code, "Compared with release 1 of example in " in out) == (0, True)
    document = json.loads((release / "release.json").read_bytes())
    another_manifest(document)
    (release / "release.json").write_text(json.dumps(document))
    code, out, err = run(capsys, *words(command, inside))
    assert (code, out, "release.json says" in err) == (1, "", True)


def test_each_kind_of_evidence_is_named(release: Path, tar: Path, tmp_path: Path, capsys: Capture) -> None:
    listed = {"kind": "release", "name": str(release), "serial": 1, "collection": "example"}
    assert evidence(capsys, tar, "--release", release) == listed
    signed = evidence(capsys, tar, "--release", release, "--key", KEY.public.line)
    assert signed == listed | {"kind": "signature", "key": KEY.public.name}
    manifest, torrent = GOLDEN / f"{NAME}.manifest.json", GOLDEN / f"{NAME}.torrent"
    assert evidence(capsys, tar, "--manifest", manifest) == {"kind": "manifest", "name": str(manifest)}
    assert evidence(capsys, tar, "--torrent", torrent) == {"kind": "torrent", "name": str(torrent)}
    sums = tmp_path / "SUMS"
    sums.write_text(f"{hashlib.sha256(tar.read_bytes()).hexdigest()}  {tar.name}\n")
    assert evidence(capsys, tar.parent, "--sums", sums) == {"kind": "list", "name": str(sums)}
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "a").write_text("a")
    bagit.make_bag(str(bag), checksums=["md5"])
    assert evidence(capsys, bag) == {"kind": "bag", "name": "manifest-md5.txt, tagmanifest-md5.txt"}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--manifest", "Compared with the manifest {}; no release confirms it."),
        ("--torrent", "Compared with the torrent {}."),
        ("--sums", "Compared with the list {}."),
    ],
)
def test_the_screen_says_so(tar: Path, tmp_path: Path, capsys: Capture, option: str, sentence: str) -> None:
    file = {"--manifest": GOLDEN / f"{NAME}.manifest.json", "--torrent": GOLDEN / f"{NAME}.torrent"}.get(option)
    if file is None:
        file = tmp_path / "SUMS"
        file.write_text(f"{hashlib.sha256(tar.read_bytes()).hexdigest()}  {tar.name}\n")
    _, out, _ = run(capsys, "verify", tar, option, file)
    assert out.splitlines()[0] == sentence.format(file)
