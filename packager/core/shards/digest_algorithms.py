"""Names of digest algorithms as tools write them -> the names that are used here, and a hash object for each. Pure.

A name here is hashlib's, except "blake2b-N" and "blake2s-N", N being bits. Names separated by "|" mean that the
digest is by one of them: a list without tags shows only how long its digests are.
"""

import hashlib
import re
from typing import Protocol

from packager.errors import InputError

BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_OTHERS = {
    40: ("ripemd160",),
    56: ("sha3_224", "sha512_224"),
    64: ("blake2s-256", "sha3_256", "sha512_256", "sm3"),
    96: ("sha3_384",),
    128: ("sha3_512",),
}
_SHA2 = re.compile(r"sha(?:2)?-?(1|224|256|384|512)")
_SHA512T = re.compile(r"sha(?:2-)?512[-/t]?(224|256)")
_SHA3 = re.compile(r"sha3-?(224|256|384|512)")
_BLAKE2 = re.compile(r"blake2([bs])-?([0-9]{1,3})?")
_MOST = {"b": 512, "s": 256}  # bits


class Hash(Protocol):
    """What hashes bytes, as hashlib's objects do."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""


def new_hash(algorithm: str) -> Hash:
    """Return a new hash object. Raises ValueError for an algorithm that this machine does not have."""
    name, _, bits = algorithm.partition("-")
    if name in ("blake2b", "blake2s") and bits:
        kind = hashlib.blake2b if name == "blake2b" else hashlib.blake2s
        return kind(digest_size=int(bits) // 8, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)


def is_known(algorithm: str) -> bool:
    """Return whether this machine has an algorithm."""
    try:
        new_hash(algorithm)
    except ValueError:
        return False
    return True


def algorithm_named(tag: str) -> str | None:
    """Return the algorithm that a tag names, such as "SHA256", "SHA2-256", "sha3_512" or "BLAKE2b-384"; None: none."""
    name = tag.lower().replace("_", "-")
    found = name
    if match := _SHA512T.fullmatch(name):
        found = f"sha512_{match[1]}"
    elif match := _SHA3.fullmatch(name):
        found = f"sha3_{match[1]}"
    elif match := _SHA2.fullmatch(name):
        found = f"sha{match[1]}"
    elif match := _BLAKE2.fullmatch(name):
        bits = int(match[2] or _MOST[match[1]])
        found = f"blake2{match[1]}-{bits}" if bits % 8 == 0 and 0 < bits <= _MOST[match[1]] else ""
    elif name in ("rmd160", "ripemd-160"):
        found = "ripemd160"
    return found if found and not found.startswith("shake") and is_known(found) else None


def digest_size(algorithm: str) -> int:
    """Return the bytes of a digest."""
    return len(new_hash(algorithm).digest())


def algorithm_of_tag(tag: str, size: int, where: object) -> str:
    """Return the algorithm that a tag names. size: bytes of its digest.

    Raises InputError for a tag that is not known, or of digests of another size.
    """
    found = algorithm_named(tag)
    if found is None:
        raise InputError(where, f'"{tag}" is not a known digest algorithm')
    if digest_size(found) != size:
        raise InputError(where, f"a digest of {size} bytes is not {tag}")
    return found


def algorithms_of_size(size: int, hint: str = "") -> str:
    """Return the algorithms that digests of `size` bytes may be by, separated by "|", the most likely first.

    hint: the name of the list, which may name one, as "B2SUMS" does.
    """
    names = [BY_DIGITS[2 * size]] if 2 * size in BY_DIGITS else []
    names += [f"blake2b-{8 * size}", *(name for name in _OTHERS.get(2 * size, ()) if is_known(name))]
    hinted = hint.lower()
    for word, start in (("b2", "blake2b"), ("blake2", "blake2b"), ("blake2s", "blake2s"), ("sha3", "sha3")):
        if word in hinted:
            names.sort(key=lambda name, start=start: not name.startswith(start))  # type: ignore[misc]
    return "|".join(names)
