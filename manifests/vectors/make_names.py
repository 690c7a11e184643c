"""Make names.json again (`python manifests/vectors/make_names.py`): folders' names and their member names.

The rule is FORMAT.md, "Member names". tests/test_format.py compares these with a second implementation
of that text.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from packager.catalogue import walk
from packager.paths import encode_path

FOLDER = Path(__file__).parent
NAME = "names.json"
ORIGIN = "packager's walk of a folder on ext4; checked by the second implementation in tests/test_format.py"
LONG = "/".join(f"folder {number:02d} {'x' * 200}" for number in range(5))
# What each folder shows, and the files below it.
FOLDERS: dict[str, list[bytes]] = {
    "plain names are kept": [b"01 - plain (live) [1971].flac", "Café – «début».flac".encode(), "音楽.ogg".encode(), b".hidden", b"~"],
    "characters that checkers, shells and Windows read otherwise": [
        *(b"100%.flac", b"back\\slash.flac", b"a:b.flac", b"what?.flac", b'"quoted".flac', b"a<b>c|d*.flac"),
        *(b"line\nbreak.flac", b"tab\there.flac", b"\x1b[31mred.flac", b"\x7fdel"),
        *("next\u0085line.flac".encode(), "separator\u2028.flac".encode(), "right\u202eleft.flac".encode(), "\u061cmark".encode()),
    ],
    "ends": [b"trailing dot.", b"trailing space ", "ideographic space\u3000".encode(), b"...", b" leading space", b"two. . "],
    "words that Windows reserves": [b"con", b"AUX.flac", b"nul .txt", b"com1.tar.gz", "lpt².x".encode(), b"CONIN$", b"console.txt", b"com10"],
    "not UTF-8": [b"caf\xe9.flac", b"\xff\xfe", b"\xe2\x82.flac", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9\xf0\x9f\x92.ogg"],
    "extensions": [b"%.", b"%.flac", b"a%b.an-odd-one", b"a%.elevenchars", b"a%.tencharact", b".%flac", b"a%.tar.gz"],
    "long names": [b"x" * 255, b"y%" + b"z" * 252, "é%".encode() + "é".encode() * 120],
    "differ only by case": [b"Track.flac", b"track.flac", b"TRACK.FLAC", b"other.flac"],
    "differ only by normalisation": ["café.flac".encode(), "cafe\u0301.flac".encode(), "ﬁn".encode(), b"fin", "Straße".encode(), b"STRASSE"],
    "folders collide like files": [b"Album/1.flac", b"album/2.flac"],
    "a name that is another's replacement": [b"100%.txt", b"100_~522bfc72.txt"],
    "a name in the place of long paths": [b"long-paths~", b"Long-Paths~.flac"],
    "paths of over 1024 bytes": [f"{LONG}/a name.flac".encode(), f"{LONG}/100%.tar.gz".encode(), f"{LONG}/none".encode()],
}  # fmt: skip


def walked(paths: list[bytes]) -> list[dict[str, str]]:
    """Return source and member path of each file, found by a walk of a folder that holds them."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary).resolve()
        for path in paths:
            file = source / path.decode("utf-8", "surrogateescape")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return [
            _case(found.path, found.member) for found in walk.walk(bytes(source)) if isinstance(found, walk.Found)
        ]


def _case(source: bytes, member: str) -> dict[str, str]:
    """Return a case; `source_b64` stands where the path is not UTF-8."""
    text, b64 = encode_path(source)
    assert b64 is None or base64.b64decode(b64) == source
    return {"source": text, **({"source_b64": b64} if b64 else {}), "member": member}


def text() -> str:
    """Return the text of names.json."""
    made: dict[str, Any] = {
        "origin": ORIGIN,
        "folders": [{"shows": shows, "files": walked(paths)} for shows, paths in FOLDERS.items()],
    }
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    (FOLDER / NAME).write_text(text(), encoding="utf-8")
