"""Signatures in minisign's format (section 12, "The signature"), checked byte by byte."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.second_implementation.problems import WrongError, must, same


@dataclass(frozen=True)
class Key:
    """A public key and its id of 8 bytes."""

    key_id: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Return the key of a public key file, or of its line alone."""
        line = text.strip().split("\n")[-1]
        raw = base64.b64decode(line, validate=True)
        must(len(raw) == 42 and raw[:2] == b"Ed", f"{line!r} is not a minisign public key")
        return cls(raw[2:10], raw[10:])

    @property
    def line(self) -> str:
        return base64.b64encode(b"Ed" + self.key_id + self.key).decode()


def check(data: bytes, minisig: bytes, key: Key, comment: str) -> None:
    """Check that a .minisig is `key`'s over `data`, with exactly this trusted comment."""
    lines = minisig.split(b"\n")
    must(len(lines) == 5 and not lines[4], "the signature has not four lines")
    same(lines[0], b"untrusted comment: signature from minisign secret key", "line 1 of the signature")
    same(lines[2], b"trusted comment: " + comment.encode(), "line 3 of the signature")
    raw, over_all = base64.b64decode(lines[1], validate=True), base64.b64decode(lines[3], validate=True)
    must((len(raw), raw[:2], len(over_all)) == (74, b"ED", 64), "the signature is not 2 + 8 + 64 and 64 bytes")
    same(raw[2:10], key.key_id, "the key id of the signature")
    public = Ed25519PublicKey.from_public_bytes(key.key)
    for signature, message in (
        (raw[10:], hashlib.blake2b(data).digest()),
        (over_all, raw[10:] + comment.encode()),
    ):
        try:
            public.verify(signature, message)
        except InvalidSignature as error:
            raise WrongError("the signature does not verify") from error


def key_id(minisig: bytes) -> bytes:
    """Return the key id that a signature names."""
    return base64.b64decode(minisig.split(b"\n")[1], validate=True)[2:10]
