"""Make signature.json, the golden vectors of keys and signatures, with the real minisign.

Run: python3 manifests/vectors/make_signature.py. The secret keys are for tests only. Ed25519 is
deterministic and the trusted comments are given, so every run makes the same bytes.
"""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ORIGIN = "minisign 0.11 of Debian 12, run by make_signature.py; the first key's seed is RFC 8032's, 7.1 TEST 1"
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEY_ID = "0123456789abcdef"
PASSWORD = "open sésame"  # noqa: S105 - of the test key below
PROTECTED = (  # made once by minisign -G with that password
    "RWRTY0Iyf3lruRuz3HBo2x/l6qzbUU6Ko/GAFGafvlhY3YqGoUkAAAACAAAAAAAAAEAAAAAATDlFwIsKUg8HO4juSBB411Ld/TvG+cgK"
    "PBd2eBm2GEAAqlwQDTE1Kx4nCx7eiOi/wPyQO9QCJ2SPmvgCRrCwYBUF5whqTR6MITcRK2yP5SAntjIItWCADmGS18crz2kvH6ntDtAa6lc="
)
DOCUMENT = b'{"serial": 1}\n'
COMMENT = "release 1 of demo, 2026-11-21T00:00:00Z"
SIGNED = {  # name: data, trusted comment, further options of minisign -S
    "a document": (DOCUMENT, COMMENT, ()),
    "no data": (b"", "nothing", ()),
    "every byte, and tabs in the comment": (bytes(range(256)), "timestamp:1795248583\tfile:bytes\thashed", ()),
    "a block of BLAKE2b and one byte, comment not ASCII": (b"\xff" * 129, "Frühling, 春", ()),
    "legacy, not prehashed": (DOCUMENT, COMMENT, ("-l",)),
}


def make(minisign: str) -> str:
    """Return the text of signature.json, made by the minisign program at this path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = base64.b64encode(b"Ed\0\0B2" + bytes(48) + bytes.fromhex(KEY_ID + SEED + PUBLIC) + bytes(32)).decode()
        key, public = _key_pair(minisign, folder / "plain", plain, "")
        protected, protected_public = _key_pair(minisign, folder / "protected", PROTECTED, PASSWORD)
        signed = [
            {"name": case, "data_hex": data.hex(), "trusted_comment": comment}
            | {"signature": _sign(minisign, key, data, comment, "", *options)}
            for case, (data, comment, options) in SIGNED.items()
        ]
        refused = _refused(signed[0]["signature"])
        for case in refused:
            _must_refuse(minisign, public, case)
        vectors = {
            "origin": ORIGIN,
            "secret_key": key.read_text(),
            "public_key": public.read_text(),
            "signed": signed,
            "refused": refused,
            "protected": {
                "password": PASSWORD,
                "secret_key": protected.read_text(),
                "public_key": protected_public.read_text(),
                "data_hex": DOCUMENT.hex(),
                "trusted_comment": COMMENT,
                "signature": _sign(minisign, protected, DOCUMENT, COMMENT, PASSWORD),
            },
        }
    return json.dumps(vectors, indent=2, ensure_ascii=False) + "\n"


def _key_pair(minisign: str, stem: Path, line: str, password: str) -> tuple[Path, Path]:
    """Write a secret key file, have minisign make its public key file, and return both."""
    secret, public = stem.with_suffix(".key"), stem.with_suffix(".pub")
    secret.write_text(f"untrusted comment: minisign encrypted secret key\n{line}\n")
    _run([minisign, "-R", "-s", str(secret), "-p", str(public)], password)
    return secret, public


def _sign(minisign: str, key: Path, data: bytes, comment: str, password: str, *options: str) -> str:
    """Return the signature that minisign makes."""
    file, signature = key.with_suffix(".data"), key.with_suffix(".minisig")
    file.write_bytes(data)
    _run([minisign, "-S", *options, "-s", str(key), "-m", str(file), "-x", str(signature), "-t", comment], password)
    return signature.read_text()


def _refused(good: str) -> list[dict[str, str]]:
    """Return what a reader must refuse, each by its name, made from a good signature of DOCUMENT."""
    own, over_all = good.split("\n")[1], good.split("\n")[3]
    packed = base64.b64decode(own)
    changed = bytes([DOCUMENT[0] ^ 1]) + DOCUMENT[1:]
    cases = [
        ("another key id", "wrong key id", DOCUMENT, good.replace(own, _base64(packed[:2] + bytes(8) + packed[10:]))),
        ("one bit of the data", "wrong signature", changed, good),
        ("called legacy", "wrong signature", DOCUMENT, good.replace(own, _base64(b"Ed" + packed[2:]))),
        ("another serial", "trusted comment forged", DOCUMENT, good.replace("release 1", "release 2")),
        (
            "the signature for the global one",
            "trusted comment forged",
            DOCUMENT,
            good.replace(over_all, _base64(packed[10:])),
        ),
        ("unknown algorithm", "malformed", DOCUMENT, good.replace(own, _base64(b"EE" + packed[2:]))),
        ("base64 cut", "malformed", DOCUMENT, good.replace(own, own[:-4])),
        ("base64 spelt in another way", "malformed", DOCUMENT, good.replace(over_all, f"{over_all[:-3]}R==")),
        ("two lines", "malformed", DOCUMENT, "".join(good.splitlines(keepends=True)[:2])),
        ("no trusted comment", "malformed", DOCUMENT, good.replace("\ntrusted comment: ", "\n")),
    ]
    return [
        {"name": name, "fault": fault, "data_hex": data.hex(), "signature": signature}
        for name, fault, data, signature in cases
    ]


def _base64(packed: bytes) -> str:
    """Return bytes as a line of base64."""
    return base64.b64encode(packed).decode("ascii")


def _must_refuse(minisign: str, public: Path, case: dict[str, str]) -> None:
    """Stop where minisign takes what a vector says must be refused."""
    file, signature = public.with_suffix(".data"), public.with_suffix(".minisig")
    file.write_bytes(bytes.fromhex(case["data_hex"]))
    signature.write_text(case["signature"])
    command = [minisign, "-V", "-q", "-p", str(public), "-m", str(file), "-x", str(signature)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        raise SystemExit(f"minisign takes {case['name']}")


def _run(command: list[str], password: str) -> None:
    """Run minisign, which reads a password from its standard input."""
    subprocess.run(command, input=f"{password}\n", encoding="utf-8", check=True, capture_output=True)


if __name__ == "__main__":
    program = shutil.which("minisign")
    if program is None:
        sys.exit("minisign is not installed")
    Path(__file__).with_name("signature.json").write_text(make(program), encoding="utf-8")
