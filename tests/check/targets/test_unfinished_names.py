"""An unfinished download is called one, with how to go on, by every command that meets it."""

import shutil
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.bittorrent.unfinished_names import SUFFIXES, final_name, unfinished_sentence
from tests.helpers.error_lines import as_sentence

Capture = pytest.CaptureFixture[str]
GOLDEN = Path(__file__).parents[3] / "manifests/vectors/shard/expected"
TAR = "example-texts-00001.tar"
MANIFEST = GOLDEN / "example-texts-00001.manifest.json"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for path in ("manifests", "torrents"):
        shutil.copytree(GOLDEN, tmp_path / "published" / path)
    shutil.copyfile(GOLDEN / "release.json", tmp_path / "published/release.json")
    (tmp_path / "got").mkdir()
    return tmp_path / "published"


def run(capsys: Capture, *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".!QB", ".0a1b2c3d.partial"])
def test_verify_names_an_unfinished_tar_and_how_to_go_on(
    release: Path, tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    part = tmp_path / "got" / f"{TAR}{suffix}"
    part.write_bytes((GOLDEN / TAR).read_bytes()[:20_000])
    for path in (part, part.parent):
        code, said = run(capsys, "verify", path, "--release", release)
        assert (code, f"an unfinished download of {TAR}:" in said) == (1, True)
        assert f"packager repair {TAR}" in said
        assert "missing" not in said


@pytest.mark.parametrize("suffix", [".part", ".!qB", ".crdownload"])
def test_no_command_takes_an_unfinished_tar_for_another_shard(
    release: Path, tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    part = tmp_path / "got" / f"{TAR}{suffix}"
    part.write_bytes((GOLDEN / TAR).read_bytes()[:20_000])
    for command in ("repair", "extract"):
        for options in ((), ("--release", release), ("--manifest", MANIFEST)):
            code, said = run(capsys, command, part, *options)
            assert (code, f"is an unfinished download of {TAR};" in as_sentence(said)) == (2, True)
    code, said = run(capsys, "verify", part.with_name(TAR), "--release", release)
    assert (code, "missing, bytes 0 to" in said or "missing" in said, f"{part.name} is an unfinished" in said) == (
        1,
        True,
        True,
    )
    part.rename(part.with_name(TAR))
    source = GOLDEN.parent / "source"
    assert run(capsys, "repair", part.with_name(TAR), "--release", release, "--no-web-seeds", "--from", source)[0] == 0
    assert run(capsys, "verify", part.parent, "--release", release)[0] == 0


def test_a_tar_that_is_missing_beside_its_unfinished_download_is_not_just_missing(
    release: Path, tmp_path: Path, capsys: Capture
) -> None:
    part = tmp_path / "got" / f"{TAR}.fdmdownload"
    part.write_bytes(b"x")
    tar = part.with_name(TAR)
    for command in ("repair", "extract", "seed"):
        code, said = run(capsys, command, tar.parent if command == "seed" else tar, "--release", release)
        assert (code, f"is an unfinished download of {TAR}" in " ".join(said.split())) == (2, True), command


def test_a_tar_that_is_cut_short_ends_where_it_ends(release: Path, tmp_path: Path, capsys: Capture) -> None:
    tar = tmp_path / "got" / TAR
    tar.write_bytes((GOLDEN / TAR).read_bytes()[:700])
    code, said = run(capsys, "extract", tar, "--to", tmp_path / "out", "--release", release)
    assert (code, "the tar ends at byte 700" in said) == (1, True)


def test_a_tar_that_aria2_has_not_finished_is_named(release: Path, tmp_path: Path, capsys: Capture) -> None:
    tar = tmp_path / "got" / TAR
    shutil.copy(GOLDEN / TAR, tar)
    tar.with_name(f"{TAR}.part").write_bytes(b"left behind")
    assert run(capsys, "verify", tar.parent, "--release", release)[0] == 0
    tar.with_name(f"{TAR}.aria2").write_bytes(b"\0\1")
    for path in (tar, tar.parent):
        code, said = run(capsys, "verify", path, "--release", release)
        assert (code, f"an unfinished download of {TAR}: let aria2 finish it" in said) == (1, True)


def test_a_file_of_a_torrent_or_list_may_be_unfinished_or_have_such_a_name(tmp_path: Path, capsys: Capture) -> None:
    torrent = GOLDEN / "example-texts-00001.torrent"
    (tmp_path / f"{TAR}.part").write_bytes(b"x")
    _, said = run(capsys, "verify", tmp_path / TAR, "--torrent", torrent)
    assert f"{TAR}.part is an unfinished download of {TAR}" in said
    (tmp_path / "score.part").write_bytes(b"")
    (tmp_path / "SUMS").write_text("d41d8cd98f00b204e9800998ecf8427e  score.part\n")
    assert run(capsys, "verify", tmp_path / "score.part", "--sums", tmp_path / "SUMS")[0] == 0


def test_names_of_unfinished_downloads() -> None:
    assert [final_name(f"a{suffix}") for suffix in SUFFIXES] == ["a"] * len(SUFFIXES)
    assert [final_name(name) for name in ("a.tar", "part", ".part", "a.partx", "")] == [None] * 5
    assert unfinished_sentence("a.tar.!qB", "a.tar").startswith(
        "an unfinished download of a.tar: let qBittorrent finish it"
    )
