"""minisign's key pairs as text: public keys, and secret keys with or without a password. Pure.

The formats are minisign 0.11's: one line of untrusted comment, one of base64. `engine/project/key_files.py` reads and
writes the files; random bytes are an argument.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from packager.errors import InputError
from packager.units import GIB, format_size

UNTRUSTED = "untrusted comment: "  # start of the first line of all minisign files
KEY_LIMIT = 4096  # maximum bytes of a key file
PASSWORD_LIMIT = 1023  # bytes; minisign reads no more
OPSLIMIT, MEMLIMIT = 1 << 25, GIB  # libsodium's "sensitive" scrypt, which minisign uses; larger ones are refused

_PUBLIC = struct.Struct("<2s8s32s")  # "Ed", key id, Ed25519 public key
_SECRET = struct.Struct("<2s2s2s32sQQ104s")  # "Ed", KDF, "B2", salt, opslimit, memlimit, key pair and its checksum
_NO_KDF, _SCRYPT = b"\0\0", b"Sc"


def key_name(key_id: bytes) -> str:
    """Return a key id (8 bytes) as minisign prints it: little-endian, 16 hex digits (0.11 drops leading zeros)."""
    return key_id[::-1].hex().upper()


@dataclass(frozen=True)
class PublicKey:
    """A public key and the id (8 bytes, chosen at random) by which a signature names it."""

    key_id: bytes
    key: bytes  # 32 bytes

    @property
    def name(self) -> str:
        """The key id as in `key_name`."""
        return key_name(self.key_id)

    @property
    def line(self) -> str:
        """The key as one line of 56 characters, for `minisign -P`."""
        return base64.b64encode(_PUBLIC.pack(b"Ed", self.key_id, self.key)).decode("ascii")

    @property
    def text(self) -> str:
        """The key as a public key file, two lines, for `minisign -p`."""
        return f"{UNTRUSTED}minisign public key {self.name}\n{self.line}\n"

    @classmethod
    def parse(cls, text: str, where: object = "public key") -> "PublicKey":
        """Return the key of a public key file, or of its one line. Raises InputError."""
        algorithm, key_id, key = _PUBLIC.unpack(_key_bytes(text, _PUBLIC.size, where))
        if algorithm != b"Ed":
            raise InputError(where, "not an Ed25519 public key", "give the .pub file that packager keygen wrote")
        return cls(key_id, key)


@dataclass(frozen=True)
class ScryptParameters:
    """How a password encrypts a secret key: scrypt (RFC 7914) with libsodium's limits; the salt is 32 bytes."""

    salt: bytes
    opslimit: int = OPSLIMIT
    memlimit: int = MEMLIMIT  # bytes

    @property
    def cost(self) -> tuple[int, int]:
        """N and p, with r = 8: libsodium's `pickparams` of crypto_pwhash_scryptsalsa208sha256."""
        opslimit = max(self.opslimit, 32768)
        if opslimit < self.memlimit // 32:
            return _power_of_two(opslimit // 32), 1
        n = _power_of_two(self.memlimit // 1024)
        return n, opslimit // 4 // n // 8

    def cover(self, data: bytes, password: str, where: object) -> bytes:
        """Encrypt or decrypt `data` (104 bytes), which is the same operation.

        Uses up to MEMLIMIT of memory and a few seconds. Raises InputError for an invalid password,
        limits over MEMLIMIT and OPSLIMIT, and too little memory.
        """
        if self.opslimit > OPSLIMIT or self.memlimit > MEMLIMIT:
            raise InputError(
                where,
                f"its password would take opslimit {self.opslimit} and {format_size(self.memlimit)} of memory, "
                f"over the {OPSLIMIT} and {format_size(MEMLIMIT)} that minisign writes",
                "give the key file that packager keygen or minisign -G wrote",
            )
        n, p = self.cost
        secret = _password_bytes(password, where)
        memory = 1024 * (n + p + 2)
        try:
            stream = hashlib.scrypt(secret, salt=self.salt, n=n, r=8, p=p, maxmem=memory, dklen=len(data))
        except (MemoryError, ValueError) as error:  # the second is OpenSSL's "malloc failure"
            raise InputError(where, f"its password takes {format_size(memory)} of free memory", "free some") from error
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))


@dataclass(frozen=True)
class SecretKey:
    """A decrypted secret key: the id of the pair and the 32-byte Ed25519 seed, which repr() never shows."""

    key_id: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The public key of the pair."""
        return PublicKey(self.key_id, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The key as a secret key file without a password, as written by `minisign -G -W`."""
        covered = self.key_id + self.seed + self.public.key + bytes(32)
        return _secret_text(_SECRET.pack(b"Ed", _NO_KDF, b"B2", bytes(32), 0, 0, covered))

    def protected(self, password: str, scrypt: ScryptParameters, where: object = "password") -> str:
        """Return the key as a secret key file with a password. Raises InputError like `ScryptParameters.cover`."""
        if not password:
            raise InputError(where, "the password is empty", "enter one, or make a key without a password")
        pair = self.key_id + self.seed + self.public.key
        covered = scrypt.cover(pair + _checksum(pair), password, where)
        return _secret_text(_SECRET.pack(b"Ed", _SCRYPT, b"B2", scrypt.salt, scrypt.opslimit, scrypt.memlimit, covered))

    @classmethod
    def parse(cls, text: str, password: Callable[[], str], where: object = "secret key") -> "SecretKey":
        """Return the key of a secret key file; `password` is called only if the file is encrypted.

        Raises InputError: malformed, wrong password, or limits of memory and work over minisign's own.
        """
        kdf, salt, opslimit, memlimit, pair = cls._unpacked(text, where)
        if kdf == _SCRYPT:
            pair = ScryptParameters(salt, opslimit, memlimit).cover(pair, password(), where)
            if _checksum(pair[:72]) != pair[72:]:
                raise InputError(where, "wrong password", "enter it again; a damaged key file has the same error")
        secret = cls(pair[:8], pair[8:40])
        if secret.public.key != pair[40:72]:
            raise InputError(where, "damaged: its secret and public keys do not match", "restore it from a copy")
        return secret

    @classmethod
    def check(cls, text: str, where: object = "secret key") -> None:
        """Raise InputError for a malformed secret key file; one without a password is also opened."""
        if cls._unpacked(text, where)[0] == _NO_KDF:
            cls.parse(text, str, where)

    @staticmethod
    def _unpacked(text: str, where: object) -> tuple[bytes, bytes, int, int, bytes]:
        """Return a secret key file's KDF, its salt and limits, and the encrypted key pair."""
        algorithm, kdf, checksum, salt, opslimit, memlimit, pair = _SECRET.unpack(_key_bytes(text, _SECRET.size, where))
        if algorithm != b"Ed" or checksum != b"B2" or kdf not in (_NO_KDF, _SCRYPT):
            raise InputError(where, "not a secret key of a kind that minisign writes")
        return kdf, salt, opslimit, memlimit, pair


def from_base64(line: bytes) -> bytes:
    """Return the bytes of a line of base64; empty if it is not in canonical form."""
    try:
        found = base64.b64decode(line, validate=True)
    except binascii.Error:
        return b""
    return found if base64.b64encode(found) == line else b""


def _key_bytes(text: str, size: int, where: object) -> bytes:
    """Return the `size` bytes in a key file's second line, or in that line alone. Raises InputError."""
    lines = text.strip().split("\n")
    commented = len(lines) == 2 and lines[0].startswith(UNTRUSTED.rstrip())
    if len(text) > KEY_LIMIT or not (commented or len(lines) == 1):
        raise InputError(where, "not a minisign key: an untrusted comment and a line of base64")
    packed = from_base64(lines[-1].strip().encode("utf-8", "replace"))
    if len(packed) != size:
        kinds = {_PUBLIC.size: "a public key", _SECRET.size: "a secret key"}
        found = kinds.get(len(packed), "no minisign key")
        raise InputError(where, f"contains {found}, not {kinds[size]}", f"name the file of {kinds[size]}")
    return packed


def _secret_text(packed: bytes) -> str:
    """Return a secret key file; minisign writes this comment with and without a password."""
    return f"{UNTRUSTED}minisign encrypted secret key\n{base64.b64encode(packed).decode('ascii')}\n"


def _checksum(pair: bytes) -> bytes:
    """Return the BLAKE2b-256 of algorithm, key id, seed and public key, which proves that a password is right."""
    return hashlib.blake2b(b"Ed" + pair, digest_size=32).digest()


def _password_bytes(password: str, where: object) -> bytes:
    """Return a password as minisign reads it. Raises InputError if minisign cannot read it."""
    try:
        secret = password.encode("utf-8", "surrogateescape")  # a password from the environment need not be UTF-8
    except UnicodeEncodeError as error:
        raise InputError(where, "the password is not text") from error
    if len(secret) > PASSWORD_LIMIT or any(c in secret for c in b"\0\r\n"):
        raise InputError(where, f"a password is one line of at most {PASSWORD_LIMIT} bytes")
    return secret


def _power_of_two(most: int) -> int:
    """Return the largest power of two up to `most`, and at least 2."""
    return 1 << max(1, most.bit_length() - 1)
