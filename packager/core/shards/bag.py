"""BagIt tag files and manifest lines (RFC 8493), with sizes known before any digest is.

Members' names follow paths.py, so no path here needs the percent-encoding of RFC 8493 2.1.3.
"""

from collections.abc import Iterable, Mapping

BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"  # RFC 8493 2.1.1
DIGEST_HEX = 64  # characters of a SHA-256 in hex
MANIFEST, TAGMANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
TAGGED = ("bag-info.txt", "bagit.txt", MANIFEST, "records.jsonl")  # what the tag manifest lists, in order


def bag_info(fields: Mapping[str, str]) -> str:
    """Return the text of bag-info.txt (RFC 8493 2.2.2), one "Label: value" a line; empty values are left out.

    White space inside a value, line breaks too, becomes one space: a value stays on its line.
    """
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in fields.items() if value.strip())


def manifest_line(digest: bytes, path: str) -> bytes:
    """Return one line of a manifest (RFC 8493 2.1.3): 64 hex digits, two spaces, path, LF."""
    return f"{digest.hex()}  {path}\n".encode()


def manifest_lines(digests: bytes, paths: Iterable[str]) -> bytes:
    """Return the lines of a manifest for paths and their digests, 32 bytes each, joined."""
    digits = digests.hex()
    starts = range(0, len(digits), DIGEST_HEX)
    return "".join(f"{digits[at : at + DIGEST_HEX]}  {path}\n" for at, path in zip(starts, paths, strict=True)).encode()


def manifest_line_size(path_bytes: int) -> int:
    """Return the bytes of a manifest line whose path, "data/" included, has `path_bytes` bytes."""
    return DIGEST_HEX + 2 + path_bytes + 1


def tagmanifest(digests: Iterable[bytes]) -> bytes:
    """Return tagmanifest-sha256.txt (RFC 8493 2.2.1) from the digests of TAGGED, in that order."""
    return b"".join(manifest_line(digest, name) for digest, name in zip(digests, TAGGED, strict=True))


TAGMANIFEST_SIZE = sum(manifest_line_size(len(name)) for name in TAGGED)
