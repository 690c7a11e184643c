"""Bags of the kinds that the BagIt conformance suite has: each valid one is good, each invalid one is not."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import bagit
import pytest

from packager.cli.app import main

Capture = pytest.CaptureFixture[str]
DECLARATION = "BagIt-Version: {}\nTag-File-Character-Encoding: {}\n"


def make_bag(
    root: Path, version: str = "1.0", encoding: str = "UTF-8", algorithms: tuple[str, ...] = ("sha512",)
) -> Path:
    """Write a bag of two files."""
    for name, content in {"test 1.txt": b"one", "sub/zwei ä.txt": b"two"}.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "bagit.txt").write_text(DECLARATION.format(version, encoding))
    (root / "bag-info.txt").write_text("Payload-Oxum: 6.2\nContact-Name: Jürgen\n", encoding=encoding)
    for algorithm in algorithms:
        write_manifest(root, algorithm, encoding)
    return root


def write_manifest(root: Path, algorithm: str, encoding: str = "UTF-8", prefix: str = "") -> None:
    """Write a manifest of all that is in data/."""
    lines = [
        f"{hashlib.new(algorithm, path.read_bytes()).hexdigest()} {prefix}{path.relative_to(root).as_posix()}\n"
        for path in sorted((root / "data").rglob("*"))
        if path.is_file()
    ]
    (root / f"manifest-{algorithm}.txt").write_text("".join(lines), encoding=encoding)


def verify(capsys: Capture, bag: Path) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", str(bag), "--workers", "1"])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def line_of(bag: Path, edit: Callable[[str], str], name: str = "manifest-sha512.txt") -> None:
    path = bag / name
    path.write_text(edit(path.read_text()))


Edit = Callable[[Path], object]
OUT_OF_FETCH = [
    "../x",
    "/x",
    "~x",
    "~root/x",
    "data/../../x",
    "C:/x",
    "c:\\x",
    "%2e%2e/x",
    "data/%2E%2e/x",
    "%2Fx",
    "%7Ex",
]

VALID: dict[str, Edit] = {
    "basic": lambda bag: bag,
    "several manifests": lambda bag: [write_manifest(bag, each) for each in ("md5", "sha1", "sha224", "sha256")],
    "dot slash in the manifest": lambda bag: write_manifest(bag, "sha512", prefix="./"),
    "star in the manifest": lambda bag: write_manifest(bag, "sha512", prefix="*"),
    "crlf": lambda bag: line_of(bag, lambda text: text.replace("\n", "\r\n")),
    "cr": lambda bag: [
        line_of(bag, lambda text: text.replace("\n", "\r"), name)
        for name in ("bagit.txt", "bag-info.txt", "manifest-sha512.txt")
    ],
    "sha3, as bagit-python names it": lambda bag: [
        write_manifest(bag, "sha3_256"),
        (bag / "manifest-sha512.txt").unlink(),
    ],
    "blake2b beside sha512": lambda bag: write_manifest(bag, "blake2b"),
    "oxum on the next line": lambda bag: (bag / "bag-info.txt").write_text("Payload-Oxum:\n 6.2\n"),
    "no bag-info": lambda bag: (bag / "bag-info.txt").unlink(),
    "metadata twice": lambda bag: line_of(bag, lambda text: text + "Contact-Name: B\n" * 2, "bag-info.txt"),
    "bag in a bag": lambda bag: [
        make_bag(bag / "data/inner"),
        (bag / "bag-info.txt").unlink(),
        write_manifest(bag, "sha512"),
    ],
    "upper-case digests": lambda bag: line_of(
        bag, lambda text: "".join(f"{line[:128].upper()}{line[128:]}\n" for line in text.splitlines())
    ),
    "fetch.txt of what is here": lambda bag: (bag / "fetch.txt").write_text("http://a/x 3 data/test 1.txt\n"),
    "fetch.txt without lengths": lambda bag: (bag / "fetch.txt").write_text("http://a/x - ./data/test 1.txt\n"),
    "version 0.97, and each file in one manifest": lambda bag: [
        (bag / "bagit.txt").write_text(DECLARATION.format("0.97", "UTF-8")),
        write_manifest(bag, "md5"),
        line_of(bag, lambda text: text.split("\n")[0] + "\n", "manifest-md5.txt"),
    ],
    "version 0.93 with package-info.txt": lambda bag: [
        (bag / "bagit.txt").write_text(DECLARATION.format("0.93", "UTF-8")),
        (bag / "bag-info.txt").rename(bag / "package-info.txt"),
    ],
}  # fmt: skip

INVALID: dict[str, Edit] = {
    "payload changed": lambda bag: (bag / "data/test 1.txt").write_bytes(b"ONE"),
    "payload missing": lambda bag: (bag / "data/test 1.txt").unlink(),
    "payload extra": lambda bag: (bag / "data/extra").write_bytes(b"x"),
    "payload folder missing": lambda bag: (bag / "data").rename(bag / "dat"),
    "no manifest": lambda bag: (bag / "manifest-sha512.txt").unlink(),
    "empty manifest": lambda bag: [(bag / "manifest-sha512.txt").write_text(""), remove_payload(bag)],
    "unknown algorithm": lambda bag: (bag / "manifest-sha512.txt").rename(bag / "manifest-x1.txt"),
    "digest cut short": lambda bag: line_of(bag, lambda text: text[1:]),
    "oxum of another payload": lambda bag: (bag / "bag-info.txt").write_text("Payload-Oxum: 7.2\n"),
    "oxum of another payload, with cr": lambda bag: (bag / "bag-info.txt").write_text("A: b\rPayload-Oxum: 7.2\r"),
    "oxum that is none": lambda bag: (bag / "bag-info.txt").write_text("Payload-Oxum: six\n"),
    "oxum twice": lambda bag: (bag / "bag-info.txt").write_text("Payload-Oxum: 6.2\nPayload-Oxum: 7.2\n"),
    "both Unicode forms of one file": lambda bag: line_of(bag, lambda text: text + normalize("NFD", text)),
    "tag file changed": lambda bag: [
        (bag / "tagmanifest-md5.txt").write_text(f"{'0' * 32} bag-info.txt\n"),
    ],
    "listed twice with other digests": lambda bag: line_of(bag, lambda text: text + f"{'0' * 128} data/test 1.txt\n"),
    "not in every manifest": lambda bag: [
        write_manifest(bag, "md5"),
        line_of(bag, lambda text: text.split("\n")[0] + "\n", "manifest-md5.txt"),
    ],
    "white space before the colon": lambda bag: (bag / "bagit.txt").write_text(
        "BagIt-Version : 1.0\nTag-File-Character-Encoding : UTF-8\n"
    ),
    "white space after the value": lambda bag: (bag / "bagit.txt").write_text(DECLARATION.format("1.0 ", "UTF-8 ")),
    "no space after the colon": lambda bag: (bag / "bagit.txt").write_text(
        "BagIt-Version:1.0\nTag-File-Character-Encoding:UTF-8\n"
    ),
    "byte order mark in bagit.txt": lambda bag: (bag / "bagit.txt").write_text(
        DECLARATION.format("1.0", "UTF-8"), encoding="utf-8-sig"
    ),
    "no encoding": lambda bag: (bag / "bagit.txt").write_text("BagIt-Version: 1.0\n"),
    "unknown encoding": lambda bag: (bag / "bagit.txt").write_text(DECLARATION.format("1.0", "UTF-9")),
    "unknown version": lambda bag: (bag / "bagit.txt").write_text(DECLARATION.format("2.0", "UTF-8")),
    "another encoding than declared": lambda bag: (bag / "bagit.txt").write_text(DECLARATION.format("1.0", "UTF-16")),
    "fetch.txt of what no manifest lists": lambda bag: (bag / "fetch.txt").write_text("http://a/x 3 data/other\n"),
    "fetch.txt of a tag file": lambda bag: (bag / "fetch.txt").write_text("http://a/x 3 bagit.txt\n"),
    "fetch.txt without a length": lambda bag: (bag / "fetch.txt").write_text("http://a/x data/test\n"),
    **{
        f"fetch.txt of {path}": lambda bag, path=path: (bag / "fetch.txt").write_text(f"http://a/x 3 {path}\n")  # type: ignore[misc]
        for path in OUT_OF_FETCH
    },
    **{
        f"manifest of {path}": lambda bag, path=path: line_of(bag, lambda text: text + f"{'0' * 128} {path}\n")  # type: ignore[misc]
        for path in (*OUT_OF_FETCH, "data/~/../../x", "data\\..\\..\\x/../../y")
    },
}  # fmt: skip


def remove_payload(bag: Path) -> None:
    for path in sorted((bag / "data").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("kind", VALID)
def test_every_valid_bag_is_good(tmp_path: Path, capsys: Capture, kind: str) -> None:
    bag = make_bag(tmp_path / "bag")
    VALID[kind](bag)
    code, said = verify(capsys, bag)
    assert code == 0, said
    bagit.Bag(str(bag)).validate()


def test_a_name_may_be_in_another_unicode_form_on_disk(tmp_path: Path, capsys: Capture) -> None:
    bag = make_bag(tmp_path / "bag")
    for form in ("NFC", "NFD"):
        line_of(bag, lambda text, form=form: normalize(form, text))  # type: ignore[misc]
        assert verify(capsys, bag)[0] == 0
    (bag / "data/sub/zwei ä.txt").write_bytes(b"TWO")
    assert verify(capsys, bag)[0] == 1


def test_a_manifest_of_an_unknown_algorithm_is_passed_over_beside_a_known_one(tmp_path: Path, capsys: Capture) -> None:
    bag = make_bag(tmp_path / "bag")
    (bag / "manifest-xxh64.txt").write_text("0123456789abcdef data/test 1.txt\n")
    code, said = verify(capsys, bag)
    assert code == 0
    assert "xxh64" not in said


@pytest.mark.parametrize("kind", INVALID)
def test_every_invalid_bag_is_not_good(tmp_path: Path, capsys: Capture, kind: str) -> None:
    bag = make_bag(tmp_path / "bag")
    INVALID[kind](bag)
    code, said = verify(capsys, bag)
    assert code in {1, 2}, said


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16", "utf-16-le", "windows-1252", "UTF-8"])
@pytest.mark.parametrize("version", ["0.97", "1.0"])
def test_tag_files_are_read_in_the_encoding_that_the_bag_declares(
    tmp_path: Path, capsys: Capture, encoding: str, version: str
) -> None:
    bag = make_bag(tmp_path / "bag", version, encoding)
    (bag / "fetch.txt").write_text("http://files.example/x 3 data/sub/zwei ä.txt\n", encoding=encoding)
    code, said = verify(capsys, bag)
    assert code == 0, said
    (bag / "data/sub/zwei ä.txt").write_bytes(b"TWO")
    code, said = verify(capsys, bag)
    assert (code, "zwei ä.txt: content differs" in said) == (1, True)


def test_a_line_of_fetch_txt_is_refused_by_its_number_and_path(tmp_path: Path, capsys: Capture) -> None:
    bag = make_bag(tmp_path / "bag")
    (bag / "fetch.txt").write_text("http://a/x 3 data/test 1.txt\nhttp://a/x 3 data/../../x\n")
    code, said = verify(capsys, bag)
    assert (code, "fetch.txt: line 2" in said, '"data/../../x"' in said) == (2, True, True)
