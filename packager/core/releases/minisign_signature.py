"""Make and check minisign's signatures as text. Pure: no clock, no random numbers, no file.

The format is minisign 0.11's, so that anyone can check a release without this project: Ed25519
(RFC 8032) over the BLAKE2b-512 (RFC 7693) of the data, and over that signature and the trusted comment.
The same data, key and comment give the same bytes.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from packager.core.releases.minisign_key import UNTRUSTED, PublicKey, SecretKey, from_base64, key_name
from packager.errors import InputError, TrustError

LIMIT = 8192  # maximum bytes of a signature; minisign has this limit for its trusted comment

_TRUSTED = "trusted comment: "
_SIGNATURE = struct.Struct("<2s8s64s")  # "ED" or "Ed", key id, Ed25519 signature


def sign(data: bytes, secret: SecretKey, trusted_comment: str) -> bytes:
    """Return the .minisig text of `data`, prehashed ("ED"); byte for byte what minisign -S -t writes.

    trusted_comment: one line, signed too. Raises InputError if it has control characters or is too long.
    """
    if not all(c.isprintable() or c == "\t" for c in trusted_comment):
        raise InputError("trusted comment", f"{trusted_comment!a} is not one line of printable characters")
    comment = trusted_comment.encode()
    key = Ed25519PrivateKey.from_private_bytes(secret.seed)
    signature = key.sign(hashlib.blake2b(data).digest())
    lines = (
        UNTRUSTED.encode() + b"signature from minisign secret key",
        base64.b64encode(_SIGNATURE.pack(b"ED", secret.key_id, signature)),
        _TRUSTED.encode() + comment,
        base64.b64encode(key.sign(signature + comment)),
    )
    text = b"".join(line + b"\n" for line in lines)
    if len(text) > LIMIT:
        raise InputError("trusted comment", f"{len(comment)} bytes are too many for a signature of {LIMIT} bytes")
    return text


@dataclass(frozen=True)
class SignedData:
    """The contents of a .minisig text, which only `check` verifies. key: as shown by minisign."""

    key: str
    prehashed: bool
    comment: str


def describe(signature: bytes, *, where: object = "signature") -> SignedData:
    """Return the contents of a .minisig text. Raises TrustError: over the limit, malformed."""
    algorithm, key_id, _, comment, _ = _parse_signature(signature, where)
    return SignedData(key_name(key_id), algorithm == b"ED", comment.decode("utf-8"))


def check(data: bytes, signature: bytes, public: PublicKey, *, where: object = "signature") -> str:
    """Return the trusted comment of a .minisig text that is valid for `data`, prehashed ("ED") or legacy ("Ed").

    Raises TrustError, by its name, in this order: over the limit, malformed, wrong key id, wrong
    signature, trusted comment forged. The comment may have any character but CR, LF and NUL; display it
    with `paths.display_text`.
    """
    algorithm, key_id, own, comment, over_all = _parse_signature(signature, where)
    if key_id != public.key_id:
        raise TrustError(
            where,
            f"wrong key id: made with key {key_name(key_id)}, not with {public.name}",
            "do not use the files; ask the publisher through another channel whether the key was changed",
        )
    key = Ed25519PublicKey.from_public_bytes(public.key)
    if not _holds(key, own, hashlib.blake2b(data).digest() if algorithm == b"ED" else data):
        raise TrustError(
            where,
            f"wrong signature: does not match its signature by key {public.name}",
            "run it again; if it fails again, ask the publisher",
        )
    if not _holds(key, over_all, own + comment):
        raise TrustError(where, "trusted comment forged: it is not the signed one", "do not use the files")
    return comment.decode("utf-8")


def is_right(data: bytes, signature: bytes, public: PublicKey) -> bool:
    """Return whether a .minisig text is valid for `data`."""
    try:
        check(data, signature, public)
    except TrustError:
        return False
    return True


def _parse_signature(text: bytes, where: object) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Return algorithm, key id, signature, trusted comment and global signature. Raises TrustError."""
    if len(text) > LIMIT:
        raise TrustError(where, f"over the limit: {len(text)} bytes, a signature has at most {LIMIT}")
    lines = [line.removesuffix(b"\r") for line in text.removesuffix(b"\n").split(b"\n")]
    if len(lines) == 4 and lines[0].startswith(UNTRUSTED.encode()) and lines[2].startswith(_TRUSTED.encode()):
        packed, over_all = from_base64(lines[1]), from_base64(lines[3])
        comment = lines[2].removeprefix(_TRUSTED.encode())
        # minisign reads C strings, so it would end the comment at a NUL or CR
        whole = b"\0" not in comment and b"\r" not in comment and _is_utf8(comment)
        if len(packed) == _SIGNATURE.size and packed[:2] in (b"ED", b"Ed") and len(over_all) == 64 and whole:
            return (*_SIGNATURE.unpack(packed), comment, over_all)
    raise TrustError(where, "malformed: not the four lines of a minisign signature", "fetch it again")


def _holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether an Ed25519 signature (64 bytes) of the message is valid."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_utf8(text: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
