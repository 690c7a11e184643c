"""Lists of digests: every form that common tools write is read, no line is lost silently, and no empty list vouches."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packager.cli.app import main

GOLDEN = Path(__file__).parents[3] / "manifests/vectors/shard/expected"
Capture = pytest.CaptureFixture[str]
FILES = {"one.bin": b"1" * 5000, "sub/two.bin": b"22", "empty": b""}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "d"


def verify(capsys: Capture, *arguments: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the report; an error's sentence as "error"."""
    capsys.readouterr()
    code = main(["verify", *map(str, arguments), "--json", "--workers", "1"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {"error": printed.err}


def verify_list(capsys: Capture, data: Path, content: bytes, name: str = "SUMS") -> tuple[int, dict[str, Any]]:
    sums = data.parent / name
    sums.write_bytes(content)
    return verify(capsys, data, "--sums", sums)


def digest(name: str, algorithm: str = "sha256") -> bytes:
    return hashlib.new(algorithm, FILES[name]).hexdigest().encode()


ONE, TWO, EMPTY = digest("one.bin"), digest("sub/two.bin"), digest("empty")
GOOD = ONE + b"  one.bin\n"


@pytest.mark.parametrize(
    "content", [b"", b"\n \n\r\n", b"# nothing\n", b"; nothing\n", b"\xef\xbb\xbf", b"hello\n", b"\0"]
)
def test_a_list_without_a_digest_vouches_for_nothing(data: Path, capsys: Capture, content: bytes) -> None:
    code, report = verify_list(capsys, data, content)
    assert code == 2
    assert "lists no digest" in report["error"]


def b2(name: str, bits: int) -> bytes:
    return hashlib.blake2b(FILES[name], digest_size=bits // 8).hexdigest().encode()


FORMS = {
    "comments": b"# made today\n" + GOOD + b"; and\n" + TWO + b" *sub/two.bin\n",
    "crlf and a byte order mark": b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"),
    "utf-16, as PowerShell redirects": GOOD.decode().encode("utf-16"),
    "zero": ONE + b"  one.bin\0" + TWO + b"  sub/two.bin\0",
    "zero and tags": b"SHA256 (one.bin) = " + ONE + b"\0",
    "no last newline": GOOD.strip(),
    "upper case": ONE.upper() + b"  one.bin",
    "one blank, as md5 -r writes": digest("one.bin", "md5") + b" one.bin",
    "tab": ONE + b"\tone.bin",
    "dots": ONE + b"  ./one.bin\n" + TWO + b"  .//sub/./two.bin",
    "back slashes": TWO + b" *sub\\two.bin",
    "BSD tags": b"MD5 (one.bin) = " + digest("one.bin", "md5") + b"\nSHA1 (empty) = " + digest("empty", "sha1"),
    "FreeBSD's names": b"SHA512t256 (one.bin) = " + digest("one.bin", "sha512_256") + b"\nSHA512/256 (one.bin) = "
    + digest("one.bin", "sha512_256"),
    "openssl 1": b"SHA256(one.bin)= " + ONE,
    "openssl 3": b"SHA2-256(one.bin)= " + ONE + b"\nSHA3-256(one.bin)= " + digest("one.bin", "sha3_256"),
    "openssl's other SHA-2": b"SHA2-512/256(one.bin)= " + digest("one.bin", "sha512_256"),
    "openssl's BLAKE2": b"BLAKE2B-512(one.bin)= " + b2("one.bin", 512) + b"\nBLAKE2S-256(one.bin)= "
    + hashlib.blake2s(FILES["one.bin"]).hexdigest().encode(),
    "openssl -c": b"SHA256(one.bin)= " + b":".join(ONE[at : at + 2] for at in range(0, 64, 2)),
    "openssl -r": ONE + b" *one.bin",
    "BLAKE2 tags": b"BLAKE2b (one.bin) = " + b2("one.bin", 512) + b"\nBLAKE2b-8 (empty) = " + b2("empty", 8),
    "BLAKE2 tags of a length": b"".join(
        b"BLAKE2b-%d (one.bin) = %s\n" % (bits, b2("one.bin", bits)) for bits in (64, 128, 160, 200, 256, 384, 504)
    ),
    "BLAKE2 without tags": b"".join(b2("one.bin", bits) + b"  one.bin\n" for bits in (64, 128, 256, 384, 504, 512)),
    "base64": b"SHA256 (empty) = 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "doubled lines": GOOD + GOOD,
    "cr alone": ONE + b"  one.bin\r" + TWO + b"  sub/two.bin\r",
    "white space before": b"  " + ONE + b"  one.bin\n\t" + TWO + b" *sub/two.bin\n",
    "columns": ONE + b"    one.bin\n" + TWO + b"\t\tsub/two.bin\n",
    "back slashes after a dot": TWO + b" *.\\sub\\two.bin",
    "signed with PGP": b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + GOOD
    + b"-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n=abcd\n-----END PGP SIGNATURE-----\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_list_is_read_and_each_file_compared(data: Path, capsys: Capture, form: str) -> None:
    code, report = verify_list(capsys, data, FORMS[form])
    assert (code, report.get("faults"), report.get("error")) == (0, [], None)
    for name, content in FILES.items():
        (data / name).write_bytes(content + b"x")
    code, report = verify_list(capsys, data, FORMS[form])
    assert (code, {fault["kind"] for fault in report["faults"]}) == (1, {"bad"})


def test_the_name_of_a_list_may_say_its_algorithm(data: Path, capsys: Capture) -> None:
    for name in ("B2SUMS", "x.blake2", "SUMS"):
        code, report = verify_list(capsys, data, b2("one.bin", 512) + b"  one.bin\n", name)
        assert (code, report["faults"]) == (0, [])
    assert report["read_bytes"] == 2 * len(FILES["one.bin"])  # SHA-512 first; only what differs is read again
    report = verify_list(capsys, data, b2("one.bin", 512) + b"  one.bin\n", "B2SUMS")[1]
    assert report["read_bytes"] == len(FILES["one.bin"])


@pytest.mark.parametrize(
    "content",
    [b"%s", b"%s  -\n", b"%s *stdin\n", b"SHA2-256(stdin)= %s", b"(stdin)= %s\n", b"SHA256 (-) = %s"],
)
def test_a_digest_of_standard_input_is_of_the_one_file_that_is_named(
    data: Path, capsys: Capture, content: bytes
) -> None:
    sums = data.parent / "one.sha256"
    sums.write_bytes(content % ONE)
    assert verify(capsys, data / "one.bin", "--sums", sums)[0] == 0
    assert verify(capsys, data / "sub/two.bin", "--sums", sums)[0] == 1
    code, report = verify(capsys, data, "--sums", sums)
    assert (code, "its digest has no path" in " ".join(report["error"].split())) == (2, True)


def test_a_line_in_a_signature_that_has_no_end_is_not_lost(data: Path, capsys: Capture) -> None:
    begin = b"-----BEGIN PGP SIGNATURE-----\n"
    code, report = verify_list(capsys, data, GOOD + begin + EMPTY + b"  empty\n" + begin * 20_000)
    assert (code, report["targets"][0]["files"], len(report["faults"])) == (1, 2, 21)


def test_a_nul_in_a_list_of_lines_costs_its_line_alone(data: Path, capsys: Capture) -> None:
    code, report = verify_list(capsys, data, GOOD + b"x\0y\n" + EMPTY + b"  empty\n")
    assert (code, report["targets"][0]["files"]) == (1, 2)
    assert [fault["kind"] for fault in report["faults"]] == ["unreadable"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "is not a digest and a path"),
        (b"0" * 63 + b"  x", "is not a digest and a path"),
        (b"0" * 64 + b"  ../secret", "leaves the folder"),
        (b"0" * 64 + b"  sub/../../secret", "leaves the folder"),
        (b"0" * 64 + b"  /etc/passwd", "is not in the folder that is checked"),
        (b"SKEIN (one.bin) = " + ONE, "is not a known digest algorithm"),
        (b"SHA1 (one.bin) = " + ONE, "is not SHA1"),
        (b"BLAKE2b-513 (one.bin) = " + ONE, "is not a known digest algorithm"),
        (b"SHA256 (one.bin) = 0x1", "is not a digest"),
    ],
)
def test_a_line_that_cannot_be_read_is_reported_by_its_number_and_the_others_are_checked(
    data: Path, capsys: Capture, line: bytes, reason: str
) -> None:
    code, report = verify_list(capsys, data, GOOD + line + b"\n" + EMPTY + b"  empty\n")
    assert code == 1
    (fault,) = report["faults"]
    assert (fault["kind"], fault["path"]) == ("unreadable", str(data.parent / "SUMS"))
    assert fault["detail"].startswith("line 2: ")
    assert reason in fault["detail"]
    assert (report["ok"], report["targets"][0]["files"], report["read_bytes"]) == (False, 2, 5000)


def test_of_many_unreadable_lines_the_first_are_named_and_the_rest_counted(data: Path, capsys: Capture) -> None:
    _, report = verify_list(capsys, data, GOOD + b"no\n" * 500)
    assert len(report["faults"]) == 21
    assert report["faults"][-1]["detail"].startswith("480 more lines")


def test_an_absolute_path_below_the_folder_is_its_file(data: Path, capsys: Capture) -> None:
    content = ONE + b"  " + os.fsencode(data / "one.bin") + b"\n" + TWO + b"  " + os.fsencode(data / "sub/two.bin")
    assert verify_list(capsys, data, content)[0] == 0
    link = data.with_name("link")
    link.symlink_to(data)
    assert verify(capsys, link, "--sums", data.parent / "SUMS")[0] == 0
    assert verify(capsys, data / "one.bin", "--sums", data.parent / "SUMS")[0] == 0
    moved = data.rename(data.with_name("moved"))
    code, report = verify(capsys, moved, "--sums", data.parent / "SUMS")
    assert (code, "lists no digest; line 1" in report["error"]) == (2, True)


def test_one_file_is_found_by_its_path_from_the_list(data: Path, capsys: Capture) -> None:
    sums = data / "SUMS"
    sums.write_bytes(TWO + b"  sub/two.bin\nodd\n")
    assert verify(capsys, data / "sub/two.bin", "--sums", sums)[0] == 0
    code, report = verify(capsys, data / "one.bin", "--sums", sums)
    assert (code, "does not list" in report["error"]) == (2, True)


def test_two_digests_of_one_file_must_both_hold(data: Path, capsys: Capture) -> None:
    both = b"MD5 (one.bin) = " + digest("one.bin", "md5") + b"\n" + GOOD
    code, report = verify_list(capsys, data, both)
    assert (code, report["targets"][0]["files"], report["read_bytes"]) == (0, 1, 5000)
    assert verify_list(capsys, data, both + TWO + b"  one.bin\n")[0] == 1


@pytest.mark.interop
@pytest.mark.parametrize(
    "command",
    [
        ["sha256sum", "-z"],
        ["sha512sum", "--tag", "-z"],
        ["sha1sum", "--tag"],
        ["b2sum"],
        ["b2sum", "-l", "256"],
        ["b2sum", "-l", "160", "--tag"],
        ["cksum", "-a", "sha224"],
        ["cksum", "-a", "blake2b", "-l", "384"],
        ["cksum", "-a", "md5", "--untagged"],
        ["cksum", "-a", "sm3"],
        ["openssl", "dgst", "-sha384"],
        ["openssl", "dgst", "-blake2b512"],
        ["openssl", "dgst", "-sha3-512", "-r"],
    ],
    ids=" ".join,
)
def test_what_these_tools_write_is_read(
    data: Path, capsys: Capture, program: Callable[[str], str], command: list[str]
) -> None:
    names = list(FILES)
    if command[0] != "openssl":  # which escapes no name
        names.append("back\\slash and\nline")
        (data / names[-1]).write_bytes(b"odd")
    done = subprocess.run([program(command[0]), *command[1:], *names], cwd=data, capture_output=True, check=True)
    code, report = verify_list(capsys, data, done.stdout)
    assert (code, report.get("faults"), report.get("error")) == (0, [], None)
    assert report["targets"][0]["files"] == len(names)


def test_a_report_without_a_bad_piece_proves_nothing(tmp_path: Path, capsys: Capture) -> None:
    tar = tmp_path / "example-texts-00001.tar"
    tar.write_bytes((GOLDEN / tar.name).read_bytes())
    for faults in ([], [{"path": "another.tar", "first_piece": 0}], [{"path": tar.name}]):
        (tmp_path / "report.json").write_text(json.dumps({"faults": faults}))
        manifest = GOLDEN / "example-texts-00001.manifest.json"
        code = main(["repair", str(tar), "--manifest", str(manifest), "--report", str(tmp_path / "report.json")])
        assert (code, "nothing was checked" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("what", [[], ["loose"], ["example-texts-00001.tar"]])
def test_a_release_without_a_shard_vouches_for_nothing(tmp_path: Path, capsys: Capture, what: list[str]) -> None:
    release = json.loads((GOLDEN / "release.json").read_bytes())
    release["shards"] = []
    for phase in release["phases"]:
        phase.update(state="planned", shards=0, files=0, payload=0, size=0)
    (tmp_path / "release.json").write_text(json.dumps(release))
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose/a.txt").write_text("a")
    code, report = verify(capsys, *(tmp_path / name for name in what or ["loose"]), "--release", tmp_path)
    assert code == 2
    assert "no such shard" in report["error"] or "lists no shard" in report["error"]
