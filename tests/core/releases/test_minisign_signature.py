import json
import runpy
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packager.core.releases.minisign_key import PublicKey, SecretKey
from packager.core.releases.minisign_signature import LIMIT, check, sign
from packager.errors import InputError, TrustError

FOLDER = Path(__file__).parents[3] / "manifests" / "vectors"
VECTORS = json.loads((FOLDER / "signature.json").read_text(encoding="utf-8"))
PUBLIC = PublicKey.parse(VECTORS["public_key"])
DATA = b'{"serial": 7}\n'
COMMENT = "release 7 of demo, 2026-11-21T00:00:00Z"


def no_password() -> str:
    raise AssertionError("asked for a password")


SECRET = SecretKey.parse(VECTORS["secret_key"], no_password)
GOOD = sign(DATA, SECRET, COMMENT)


def named(case: dict[str, str]) -> str:
    return case["name"]


@pytest.mark.parametrize("case", VECTORS["signed"], ids=named)
def test_a_signature_of_minisigns_holds_and_gives_its_trusted_comment(case: dict[str, str]) -> None:
    data, signature = bytes.fromhex(case["data_hex"]), case["signature"].encode()
    assert check(data, signature, PUBLIC) == case["trusted_comment"]


@pytest.mark.parametrize("case", [c for c in VECTORS["signed"] if "legacy" not in c["name"]], ids=named)
def test_we_sign_byte_for_byte_as_minisign_does(case: dict[str, str]) -> None:
    assert sign(bytes.fromhex(case["data_hex"]), SECRET, case["trusted_comment"]) == case["signature"].encode()


@pytest.mark.parametrize("case", VECTORS["refused"], ids=named)
def test_what_minisign_refuses_is_refused_by_its_name(case: dict[str, str]) -> None:
    with pytest.raises(TrustError) as error:
        check(bytes.fromhex(case["data_hex"]), case["signature"].encode(), PUBLIC, where="release.json.minisig")
    assert str(error.value).startswith(f"release.json.minisig: {case['fault']}: ")


@pytest.mark.parametrize(
    ("signature", "fault"),
    [
        (b"", "malformed"),
        (GOOD + b"\n", "malformed"),
        (GOOD + GOOD, "malformed"),
        (GOOD.replace(b"\n", b"\r\n\r\n"), "malformed"),
        (GOOD.replace(b"untrusted", b"trusted"), "malformed"),
        (GOOD.replace(b"release 7", b"release\x007"), "malformed"),
        (GOOD.replace(b"release 7", b"release\r7"), "malformed"),
        (GOOD.replace(b"release 7", b"release\xff7"), "malformed"),
        (GOOD.replace(b"release 7", b"release\xc2\xa07"), "trusted comment forged"),
        (GOOD.replace(b"signature from", b"s" * LIMIT), "over the limit"),
    ],
)
def test_a_signature_that_is_not_four_right_lines_is_refused(signature: bytes, fault: str) -> None:
    with pytest.raises(TrustError, match=f"^signature: {fault}: "):
        check(DATA, signature, PUBLIC)


@pytest.mark.parametrize("signature", [GOOD.replace(b"\n", b"\r\n"), GOOD[:-1], GOOD.replace(b"from", b"of")])
def test_line_ends_and_the_untrusted_comment_may_change(signature: bytes) -> None:
    assert check(DATA, signature, PUBLIC) == COMMENT


def test_another_key_of_the_same_id_is_a_wrong_signature() -> None:
    other = SecretKey(PUBLIC.key_id, bytes(32)).public
    with pytest.raises(TrustError, match="wrong signature"):
        check(DATA, GOOD, other)


def test_both_key_ids_are_named() -> None:
    other = SecretKey(bytes(8), SECRET.seed).public
    with pytest.raises(TrustError, match="wrong key id: made with key EFCDAB8967452301, not with 0000000000000000"):
        check(DATA, GOOD, other)


def test_no_bit_of_a_signature_but_in_the_untrusted_comment_can_change() -> None:
    first = GOOD.index(b"\n")
    for at in range(first, len(GOOD) - 1):
        changed = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
        with pytest.raises(TrustError):
            check(DATA, changed, PUBLIC)


@settings(max_examples=100)
@given(data=st.binary(max_size=300), comment=st.text(st.characters(codec="utf-8"), max_size=40))
@example(data=b"", comment="\u202egnp")
def test_what_is_signed_holds_or_was_refused_at_signing(data: bytes, comment: str) -> None:
    try:
        signature = sign(data, SECRET, comment)
    except InputError:
        assert not comment.isprintable()
        return
    assert check(data, signature, PUBLIC) == comment
    assert sign(data, SECRET, comment) == signature


@settings(max_examples=200)
@given(
    lines=st.lists(st.sampled_from(GOOD.splitlines()) | st.binary(max_size=120), max_size=5),
    end=st.sampled_from([b"\n", b"\r\n", b"\r", b""]),
)
def test_no_bytes_at_all_end_in_another_error(lines: list[bytes], end: bytes) -> None:
    with suppress(TrustError):
        assert check(DATA, end.join(lines), PUBLIC) == COMMENT


def test_a_trusted_comment_of_two_lines_is_not_signed() -> None:
    with pytest.raises(InputError, match="not one line of printable characters"):
        sign(DATA, SECRET, "release 7\ntrusted comment: release 8")


def test_a_trusted_comment_that_no_checker_would_read_is_not_signed() -> None:
    with pytest.raises(InputError, match="8000 bytes are too many"):
        sign(DATA, SECRET, "x" * 8000)


@pytest.mark.soak  # minisign takes 1 GiB and seconds for a password
@pytest.mark.interop
def test_the_vectors_are_what_minisign_makes_now(program: Callable[[str], str]) -> None:
    make = runpy.run_path(str(FOLDER / "make_signature.py"))["make"]
    assert make(program("minisign")) == (FOLDER / "signature.json").read_text(encoding="utf-8")


@pytest.mark.interop
def test_minisign_checks_what_we_sign(program: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "release.json").write_bytes(DATA)
    (tmp_path / "release.json.minisig").write_bytes(GOOD)
    (tmp_path / "KEY.pub").write_text(PUBLIC.text)
    base = [program("minisign"), "-V", "-Q", "-m", "release.json"]
    for key in (["-p", "KEY.pub"], ["-P", PUBLIC.line]):
        assert subprocess.check_output([*base, *key], cwd=tmp_path, text=True) == COMMENT + "\n"
    (tmp_path / "release.json").write_bytes(DATA + b" ")
    assert subprocess.run([*base, "-P", PUBLIC.line], cwd=tmp_path, capture_output=True, check=False).returncode == 1
