import base64
import json
import struct
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packager.core.releases.minisign_key import (
    MEMLIMIT,
    OPSLIMIT,
    PASSWORD_LIMIT,
    PublicKey,
    ScryptParameters,
    SecretKey,
)
from packager.errors import InputError

VECTORS = json.loads(
    (Path(__file__).parents[3] / "manifests" / "vectors" / "signature.json").read_text(encoding="utf-8")
)
PROTECTED = VECTORS["protected"]
PUBLIC = PublicKey.parse(VECTORS["public_key"])
SMALL = ScryptParameters(bytes(range(32)), 32768, 1 << 20)  # 1 MiB: a test need not wait


def no_password() -> str:
    raise AssertionError("asked for a password")


def gives(password: str) -> Callable[[], str]:
    return lambda: password


SECRET = SecretKey.parse(VECTORS["secret_key"], no_password)


def repacked(text: str, at: int, new: bytes) -> str:
    """A key file with some of its bytes replaced."""
    comment, line, _ = text.split("\n")
    packed = base64.b64decode(line)
    return f"{comment}\n{base64.b64encode(packed[:at] + new + packed[at + len(new) :]).decode()}\n"


def test_a_public_key_is_read_from_its_file_and_from_its_line() -> None:
    assert PUBLIC.text == VECTORS["public_key"]
    assert PUBLIC == PublicKey.parse(PUBLIC.line) == PublicKey.parse(PUBLIC.text.replace("\n", "\r\n"))
    assert SECRET.public == PUBLIC
    assert PUBLIC.name == "EFCDAB8967452301"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "contains no minisign key, not a public key"),
        (VECTORS["secret_key"], "contains a secret key, not a public key"),
        (VECTORS["signed"][0]["signature"], "not a minisign key"),
        (PUBLIC.line[:-1], "contains no minisign key"),
        ("comment\n" + PUBLIC.line, "not a minisign key"),
        (base64.b64encode(b"ED" + bytes(40)).decode(), "not an Ed25519 public key"),
        (PUBLIC.text + " " * 5000, "not a minisign key"),
    ],
)
def test_a_text_that_is_no_public_key_is_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=f"^public key: {what}"):
        PublicKey.parse(text)


def test_a_secret_key_with_no_password_is_written_byte_for_byte_as_minisign_does() -> None:
    assert SECRET.text == VECTORS["secret_key"]


def test_a_key_that_minisign_protected_opens_with_its_password() -> None:  # takes 1 GiB and some seconds
    secret = SecretKey.parse(PROTECTED["secret_key"], gives(PROTECTED["password"]))
    assert secret.public == PublicKey.parse(PROTECTED["public_key"])
    assert secret.public.text == PROTECTED["public_key"]


@pytest.mark.parametrize("password", ["x", "open s\u00e9same", "\udcff", " ", "x" * PASSWORD_LIMIT])
def test_a_protected_key_opens_with_its_password_alone(password: str) -> None:
    text = SECRET.protected(password, SMALL)
    assert SecretKey.parse(text, gives(password)) == SECRET
    with pytest.raises(InputError, match=r"^my\.key: wrong password"):
        SecretKey.parse(text, gives(password[:-1] + "y"), "my.key")
    with pytest.raises(InputError, match="wrong password"):
        SecretKey.parse(text, gives(""))


@pytest.mark.parametrize("password", ["", "a\0b", "a\nb", "a\rb", "\u20ac" * 342, "\ud800"])
def test_a_password_that_minisign_could_not_be_given_is_refused(password: str) -> None:
    with pytest.raises(InputError, match=r"^password: "):
        SECRET.protected(password, SMALL)


def test_a_secret_key_never_shows_its_seed() -> None:
    for shown in (repr(SECRET), str(SECRET), f"{SECRET}", repr([SECRET])):
        assert repr(SECRET.seed) not in shown
        assert SECRET.seed.hex() not in shown
        assert "seed" not in shown


def test_a_secret_key_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SECRET.seed = bytes(32)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("opslimit", "memlimit"), [(OPSLIMIT + 1, 1 << 20), (1 << 20, MEMLIMIT + 1), (2**64 - 1, 2**64 - 1)]
)
def test_a_key_that_would_take_more_than_minisigns_memory_or_work_is_refused(opslimit: int, memlimit: int) -> None:
    text = repacked(SECRET.protected("x", SMALL), 38, struct.pack("<QQ", opslimit, memlimit))
    with pytest.raises(InputError, match=f"opslimit {opslimit} .* over the 33554432 and 1 GiB"):
        SecretKey.parse(text, gives("x"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "contains no minisign key, not a secret key"),
        (PUBLIC.text, "contains a public key, not a secret key"),
        (repacked(SECRET.text, 0, b"ED"), "not a secret key of a kind"),
        (repacked(SECRET.text, 2, b"Ar"), "not a secret key of a kind"),
        (repacked(SECRET.text, 4, b"B3"), "not a secret key of a kind"),
        (repacked(SECRET.text, 62, b"\0"), "damaged"),
        (repacked(SECRET.text, 100, b"\0"), "damaged"),
    ],
)
def test_a_text_that_is_no_secret_key_is_refused_and_not_repeated(text: str, what: str) -> None:
    with pytest.raises(InputError, match=f"^secret key: {what}") as error:
        SecretKey.parse(text, no_password)
    assert "RW" not in str(error.value)


@pytest.mark.parametrize(
    ("opslimit", "memlimit", "n", "p"),
    [
        (OPSLIMIT, MEMLIMIT, 1 << 20, 1),  # "sensitive", which minisign writes
        (524288, 16777216, 1 << 14, 1),  # "interactive"
        (0, 0, 2, 512),  # opslimit is at least 32768
        (32768, MEMLIMIT, 1 << 10, 1),  # opslimit is what bounds N
        (OPSLIMIT, 1 << 24, 1 << 14, 64),  # memory bounds N, the work left goes to p
        (1 << 24, 3 << 28, 1 << 19, 1),
    ],
)
def test_the_cost_follows_libsodiums_rule(opslimit: int, memlimit: int, n: int, p: int) -> None:
    assert ScryptParameters(bytes(32), opslimit, memlimit).cost == (n, p)


@given(opslimit=st.integers(0, OPSLIMIT), memlimit=st.integers(0, MEMLIMIT))
@example(opslimit=OPSLIMIT, memlimit=0)
def test_no_limits_that_are_taken_cost_more_than_minisigns_own(opslimit: int, memlimit: int) -> None:
    n, p = ScryptParameters(bytes(32), opslimit, memlimit).cost
    assert n >= 2
    assert p >= 1
    assert n & (n - 1) == 0
    assert n * p <= 1 << 20


@settings(max_examples=200)
@given(text=st.text(max_size=300) | st.binary(min_size=42, max_size=42).map(lambda b: base64.b64encode(b).decode()))
def test_no_text_at_all_ends_in_another_error(text: str) -> None:
    for parse in (PublicKey.parse, lambda text: SecretKey.parse(text, no_password)):
        try:
            parse(text)
        except InputError:
            continue
