"""Manifests, release documents, signatures and keys with one fault each, made from the golden shard's."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "manifests/vectors/shard/expected"
MANIFEST = json.loads((GOLDEN / "example-texts-00001.manifest.json").read_bytes())
RELEASE = json.loads((GOLDEN / "release.json").read_bytes())
SHARD = RELEASE["shards"][0]
Change = Callable[[Any], Any]


def written(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def manifest(**changes: Any) -> bytes:
    return written({key: value for key, value in (MANIFEST | changes).items() if value is not ...})


def release(**changes: Any) -> bytes:
    return written(RELEASE | changes)


def shards(*changes: dict[str, Any]) -> bytes:
    """A release of one shard for each of `changes`."""
    return release(shards=[SHARD | change for change in changes])


def phase(**changes: Any) -> bytes:
    return release(phases=[RELEASE["phases"][0] | changes])


def replaced(document: bytes, old: bytes, new: bytes) -> bytes:
    assert old in document
    return document.replace(old, new, 1)


def file(key: str, **changes: Any) -> bytes:
    return shards({key: SHARD[key] | changes})


NUMBER = b'"number": 1'
MANIFESTS = {
    "byte-order-mark": b"\xef\xbb\xbf" + manifest(),
    "bytes-after-the-end": manifest() + b"{}",
    "cut-short": manifest()[:400],
    "empty": b"",
    "field-missing": manifest(size=...),
    "field-unknown": manifest(backdoor=True),
    "file-of-another-name": manifest(file="other.tar"),
    "format-2": manifest(format=2),
    "hash-in-capitals": manifest(pieces_root=MANIFEST["pieces_root"].upper()),
    "hash-too-short": manifest(infohash_v1="abcdef"),
    "hashes-missing": manifest(infohash_v1=None, infohash_v2=None, pieces_root=None),
    "keys-doubled": replaced(manifest(), NUMBER, NUMBER + b', "number": 1'),
    "keys-doubled-by-escape": replaced(manifest(), NUMBER, NUMBER + b', "n\\u0075mber": 7'),
    "list-of-manifests": written([MANIFEST]),
    "lone-surrogate": replaced(manifest(), b'"name": "', b'"name": "\\ud800'),
    "name-climbs": manifest(name="../../x", file="../../x.tar"),
    "name-windows-reserved": manifest(name="CON", file="CON.tar"),
    "not-a-number": replaced(manifest(), NUMBER, b'"number": NaN'),
    "not-utf8": replaced(manifest(), b'"tool": "', b'"tool": "\xff'),
    "number-1e400": replaced(manifest(), NUMBER, b'"number": 1e400'),
    "number-negative": manifest(size=-512),
    "number-of-2-to-the-63": manifest(size=1 << 63),
    "number-of-500-digits": replaced(manifest(), NUMBER, b'"number": ' + b"9" * 500),
    "number-with-a-fraction": replaced(manifest(), NUMBER, b'"number": 1.5'),
    "oxum-of-other-bytes": manifest(bag_info="Payload-Oxum: 1.1\n"),
    "piece-length-0": manifest(piece_length=0),
    "size-below-payload": manifest(size=512),
    "string-for-a-number": manifest(members="6"),
}
RELEASES = {
    "chain-digest-too-short": release(serial=2, previous="abc"),
    "chain-without-previous": release(serial=7),
    "collection-name-climbs": release(collection=RELEASE["collection"] | {"name": "../x"}),
    "date-is-no-date": release(date="yesterday"),
    "file-digest-too-short": file("torrent", sha256="00"),
    "file-outside": file("members_table", path="../../../etc/passwd"),
    "file-absolute": file("manifest", path="/etc/passwd"),
    "file-with-query": file("torrent", path="torrents/x?y=%2e%2e"),
    "first-with-previous": release(previous="ab" * 32),
    "keys-doubled": replaced(release(), b'"serial": 1', b'"serial": 1, "serial": 9'),
    "magnet-is-no-magnet": shards({"magnet": "javascript:alert(1)"}),
    "magnet-of-another-size": shards({"magnet": SHARD["magnet"].replace("xl=34816", "xl=1")}),
    "magnet-of-another-torrent": shards({"magnet": SHARD["magnet"].replace(SHARD["infohash_v1"], "ab" * 20)}),
    "number-of-2-to-the-64": shards({"size": 1 << 64}),
    "phase-doubled": release(phases=RELEASE["phases"] * 2),
    "phase-of-unknown-state": phase(state="secret"),
    "phase-not-published": phase(state="planned"),
    "phase-totals-wrong": phase(files=7, size=1),
    "phase-unknown": shards({"phase": "hidden"}),
    "serial-0": release(serial=0),
    "serial-negative": release(serial=-1),
    "shard-doubled": shards({}, {}),
    "shard-name-climbs": shards({"name": "../x", "file": "../x.tar"}),
    "shards-are-a-number": release(shards=1),
    "twin-without-torrent": shards({"twin_torrent": None}),
    "withdrawn-twice": release(withdrawals=[{"id": "ex-1", "reason": "", "date": "2026-11-21T00:00:00Z"}] * 2),
}
SIGNATURE = b"".join(
    line + b"\n"
    for line in (
        b"untrusted comment: signature",
        base64.b64encode(b"ED" + bytes(72)),
        b"trusted comment: release 1",
        base64.b64encode(bytes(64)),
    )
)
KEYS = {
    "key-is-a-secret-key.pub": b"untrusted comment: minisign encrypted secret key\n"
    + base64.b64encode(b"Ed\0\0B2" + bytes(152))
    + b"\n",
    "key-of-another-algorithm.pub": b"untrusted comment: x\n" + base64.b64encode(b"XX" + bytes(40)) + b"\n",
    "key-too-short.pub": b"untrusted comment: x\n" + base64.b64encode(b"Ed" + bytes(10)) + b"\n",
    "signature-base64-with-junk.minisig": SIGNATURE.replace(b"RUQA", b"RUQ*"),
    "signature-comment-with-nul.minisig": SIGNATURE.replace(b"release 1", b"release 1\0 is withdrawn"),
    "signature-cut-short.minisig": SIGNATURE[:140],
    "signature-over-8192-bytes.minisig": SIGNATURE.replace(b"release 1", b"release 1" + b" " * 8000),
    "signature-with-a-fifth-line.minisig": SIGNATURE + b"trusted comment: another\n",
}
MADE = (
    {f"manifest-{name}.manifest.json": data for name, data in MANIFESTS.items()}
    | {f"release-{name}.release.json": data for name, data in RELEASES.items()}
    | KEYS
)
