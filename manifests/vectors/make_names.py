"""Make names.json again (`python manifests/vectors/make_names.py`): folders' names and their member names.

The rule is FORMAT.md, "Member names". tests/test_format.py compares these with a second implementation
of that text.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from packager.catalogue.walk import walk_folder
from packager.paths import encode_path

FOLDER = Path(__file__).parent
NAME = "names.json"
ORIGIN = "packager's walk of a folder on ext4; checked by the second implementation in tests/test_format.py"
LONG = "/".join(f"folder {number:02d} {'x' * 200}" for number in range(5))
# What each folder shows, and the paths below it; bytes that are not UTF-8 as lone surrogates (os.fsdecode).
FOLDERS = {
    "plain names are kept": ["01 - plain (live) [1971].flac", "Café – «début».flac", "音楽.ogg", ".hidden", "~"],
    "characters that Windows and shells read otherwise": [
        *("100%.flac", "back\\slash.flac", "a:b.flac", "what?.flac", '"quoted".flac', "a<b>c|d*.flac"),
    ],
    "control characters, line separators and marks of direction": [
        *("line\nbreak.flac", "tab\there.flac", "\x1b[31mred.flac", "\x7fdel", "next\u0085line.flac"),
        *("separator\u2028.flac", "right\u202eleft.flac", "\u061cmark"),
    ],
    "ends": ["trailing dot.", "trailing space ", "ideographic space\u3000", "...", " leading space", "two. . "],
    "words that Windows reserves": [
        *("con", "AUX.flac", "nul .txt", "com1.tar.gz", "lpt².x", "CONIN$", "console.txt", "com10"),
    ],
    "words that Windows does not reserve: other spaces than U+0020, other letters than ASCII": [
        *(
            "em/AUX\u2003.x",
            "hard/AUX\u00a0.x",
            "AUX y",
            "AUX~.x",
            "con\u0131n$",
            "C\u00d6N",
            "PRN\u3000x",
            "\u017fon",
            "COM\u0661",
        ),
    ],
    "words that Windows reserves, in every case and before any dot": [
        *("aUx .x", "NUL   .tar.gz", "conout$.txt", "Lpt\u00b9", "COM\u00b3  .a.b", "prn."),
    ],
    "white space of every kind at the end": [
        *(f"end{space}" for space in "\u0020\u00a0\u1680\u2000\u2007\u200a\u202f\u205f\u3000"),
        *(f"no end{other}" for other in "\u180e\u200b\u200d\ufeff\u2060"),
    ],
    "not UTF-8": [
        *("caf\udce9.flac", "\udcff\udcfe", "\udce2\udc82.flac", "\udced\udca0\udc80", "💩\udcf0\udc9f\udc92.ogg"),
    ],
    "extensions": ["%.", "%.flac", "a%b.an-odd-one", "a%.elevenchars", "a%.tencharact", ".%flac", "a%.tar.gz"],
    "long names": ["x" * 255, "y%" + "z" * 252, "é%" + "é" * 120],
    "differ only by case": ["Track.flac", "track.flac", "TRACK.FLAC", "other.flac"],
    "differ only by normalisation": ["café.flac", "cafe\u0301.flac", "ﬁn", "fin", "Straße", "STRASSE"],
    "folders collide like files": ["Album/1.flac", "album/2.flac"],
    "a name that is another's replacement": ["100%.txt", "100_~522bfc72.txt"],
    "a name in the place of long paths": ["long-paths~", "Long-Paths~.flac"],
    "paths of over 1024 bytes": [f"{LONG}/a name.flac", f"{LONG}/100%.tar.gz", f"{LONG}/none"],
}


def walked(paths: list[str]) -> list[dict[str, str]]:
    """Return source and member path of each file, found by a walk of a folder that holds them."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary).resolve()
        for path in paths:
            file = source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return [
            _case(found.path, found.member)
            for found in walk_folder.walk_folder(bytes(source))
            if isinstance(found, walk_folder.WalkedFile)
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
