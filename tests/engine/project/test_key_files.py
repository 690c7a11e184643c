import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.core.releases.minisign_key import ScryptParameters, SecretKey
from packager.core.releases.minisign_signature import check, sign
from packager.engine.project.key_files import RANDOM, read_public, read_secret, write_key_pair
from packager.errors import IncompleteError, InputError
from packager.progress import Silent

BYTES = bytes(range(RANDOM))
COMMENT = "release 1 of demo, 2026-11-21T00:00:00Z"


class Notes(Silent):
    """A Progress that keeps its notes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "keys" / "demo.key", tmp_path / "demo.pub"


def no_password() -> str:
    raise AssertionError("asked for a password")


def test_a_written_pair_is_read_again_and_only_its_owner_may_read_the_secret(pair: tuple[Path, Path]) -> None:
    secret, public = pair
    made = write_key_pair(secret, public, password=None, random=BYTES)
    notes = Notes()
    assert read_secret(secret, no_password, progress=notes).public == made == read_public(public)
    assert secret.stat().st_mode & 0o777 == 0o600
    assert notes.texts == []
    assert [p.name for p in secret.parent.iterdir()] == ["demo.key"]


@pytest.mark.parametrize("there", [0, 1])
def test_a_key_is_never_overwritten(pair: tuple[Path, Path], there: int) -> None:
    pair[there].parent.mkdir(exist_ok=True)
    pair[there].write_text("mine")
    with pytest.raises(InputError, match="already exists, and a key is never overwritten"):
        write_key_pair(*pair, password=None, random=BYTES)
    assert pair[there].read_text() == "mine"
    assert not pair[1 - there].exists()


def test_a_dangling_link_is_not_written_through(pair: tuple[Path, Path], tmp_path: Path) -> None:
    pair[1].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="already exists"):
        write_key_pair(*pair, password=None, random=BYTES)
    assert not (tmp_path / "elsewhere").exists()


def test_one_path_for_both_keys_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="already exists"):
        write_key_pair(tmp_path / "key", tmp_path / "key", password=None, random=BYTES)
    assert list(tmp_path.iterdir()) == []


def test_where_the_public_key_cannot_be_written_no_secret_key_is_left(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="File name too long"):
        write_key_pair(tmp_path / "demo.key", tmp_path / ("x" * 256), password=None, random=BYTES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("password", ["", "two\nlines"])
def test_a_password_that_cannot_be_one_writes_nothing(pair: tuple[Path, Path], password: str) -> None:
    with pytest.raises(InputError, match="password"):
        write_key_pair(*pair, password=password, random=BYTES)
    assert not pair[0].exists()
    assert not pair[1].exists()


def test_a_secret_key_that_others_may_write_to_is_refused(pair: tuple[Path, Path]) -> None:
    write_key_pair(*pair, password=None, random=BYTES)
    for mode in (0o620, 0o602, 0o666):
        pair[0].chmod(mode)
        with pytest.raises(InputError, match="others may write to this secret key; chmod 600"):
            read_secret(pair[0], no_password)


def test_a_secret_key_that_others_may_read_is_noted_and_used(pair: tuple[Path, Path]) -> None:
    made = write_key_pair(*pair, password=None, random=BYTES)
    pair[0].chmod(0o640)
    notes = Notes()
    assert read_secret(pair[0], no_password, progress=notes).public == made
    assert notes.texts == [f"{pair[0]}: others may read this secret key; chmod 600 {pair[0]}"]


def test_a_protected_key_asks_for_its_password_and_a_wrong_one_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.key"
    secret = SecretKey(BYTES[:8], BYTES[8:40])
    path.write_text(secret.protected("right", ScryptParameters(BYTES[40:], 32768, 1 << 20)))
    path.chmod(0o600)
    assert read_secret(path, lambda: "right") == secret
    with pytest.raises(InputError, match=r"small\.key: wrong password"):
        read_secret(path, lambda: "wrong")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda _: None, r"cannot be read \(No such file or directory\)"),
        (lambda path: path.mkdir(), r"is a folder, not a file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.write_bytes(b"\xff" * 100), "contains no minisign key"),
        (lambda path: path.write_bytes(b"untrusted comment: x\n" * 1000), "not a minisign key"),
    ],
)
def test_what_is_no_key_file_is_refused_by_its_path(tmp_path: Path, make: Callable[[Path], None], what: str) -> None:
    path = tmp_path / "odd\x1b.key"
    make(path)
    for read in (read_public, lambda path: read_secret(path, no_password)):
        with pytest.raises(InputError, match=rf"odd\\x1b\.key: .*{what}"):
            read(path)


def test_a_public_key_is_taken_as_a_line_a_text_a_path_and_a_path_in_a_string(pair: tuple[Path, Path]) -> None:
    made = write_key_pair(*pair, password=None, random=BYTES)
    for source in (made.line, f" {made.line}\n", made.text, pair[1], str(pair[1])):
        assert read_public(source) == made
    with pytest.raises(InputError, match=r"give the publisher's \.pub file, or its line that begins with RW"):
        read_public(made.line[:-1])
    with pytest.raises(InputError, match="embedded null"):
        read_public("a\0b")


@pytest.mark.interop
def test_minisigns_unprotected_key_signs_with_ours_and_ours_with_minisign(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    minisign = program("minisign")
    (tmp_path / "data").write_bytes(b"data")

    subprocess.run([minisign, "-G", "-W", "-s", "a.key", "-p", "a.pub"], cwd=tmp_path, check=True, capture_output=True)
    secret = read_secret(tmp_path / "a.key", no_password)
    (tmp_path / "data.minisig").write_bytes(sign(b"data", secret, COMMENT))
    verify = [minisign, "-V", "-Q", "-m", "data", "-p"]
    assert subprocess.check_output([*verify, "a.pub"], cwd=tmp_path, text=True) == COMMENT + "\n"

    public = write_key_pair(tmp_path / "b.key", tmp_path / "b.pub", password=None, random=BYTES)
    subprocess.run([minisign, "-S", "-s", "b.key", "-m", "data", "-t", COMMENT], cwd=tmp_path, check=True)
    assert check(b"data", (tmp_path / "data.minisig").read_bytes(), public) == COMMENT


@pytest.mark.interop
def test_minisign_opens_a_key_that_we_protected(program: Callable[[str], str], tmp_path: Path) -> None:
    # 1 GiB and some seconds, for us and for minisign
    public = write_key_pair(tmp_path / "a.key", tmp_path / "a.pub", password="open s\u00e9same", random=BYTES)
    (tmp_path / "data").write_bytes(b"data")
    subprocess.run(
        [program("minisign"), "-S", "-s", "a.key", "-p", "a.pub", "-m", "data", "-t", COMMENT],
        cwd=tmp_path,
        input="open s\u00e9same\n".encode(),
        check=True,
        capture_output=True,
    )
    assert check(b"data", (tmp_path / "data.minisig").read_bytes(), public) == COMMENT


@pytest.mark.interop
@pytest.mark.parametrize(("opslimit", "memlimit"), [(32768, 1 << 20), (0, 0), (1 << 18, 3 << 20), (1 << 16, 1 << 26)])
def test_minisign_opens_a_key_of_smaller_limits(
    program: Callable[[str], str], tmp_path: Path, opslimit: int, memlimit: int
) -> None:
    secret = SecretKey(BYTES[:8], BYTES[8:40])
    (tmp_path / "a.key").write_text(secret.protected("x", ScryptParameters(BYTES[40:], opslimit, memlimit)))
    subprocess.run(
        [program("minisign"), "-R", "-s", "a.key", "-p", "a.pub"],
        cwd=tmp_path,
        input=b"x\n",
        check=True,
        capture_output=True,
    )
    assert read_public(tmp_path / "a.pub") == secret.public
