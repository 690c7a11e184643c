"""The bag's own files (section 4) and the lines of records.jsonl (section 6)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.second_implementation.problems import sha256

LINE_FIELDS = (
    *("id", "path", "source_path", "source_path_b64", "kind", "size", "title", "artist", "album", "track", "date"),
    *("year", "isrc", "duration", "codec", "licence", "popularity", "extra"),
)
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BEFORE = ("bagit.txt", "bag-info.txt", "records.jsonl")  # the order in a tar
AFTER = ("manifest-sha256.txt", "tagmanifest-sha256.txt")
LABELS = (
    *("External-Identifier", "External-Description", "Bag-Group-Identifier", "Contact-Name", "Rights", "Source"),
    "Payload-Oxum",
)
WHITE_SPACE = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
WHITE_SPACE += "\u200a\u2028\u2029\u202f\u205f\u3000"


def one_line(text: str) -> str:
    """Return a value as bag-info.txt and the feed write it: each run of white space is one space."""
    return " ".join(filter(None, "".join(" " if c in WHITE_SPACE else c for c in text).split(" ")))


def record_line(row: Mapping[str, Any]) -> str:
    """Return a member's line of records.jsonl, LF included."""
    fields = (f'"{key}":{json_value(key, row[key])}' for key in LINE_FIELDS if row.get(key) is not None)
    return "{" + ",".join(fields) + "}\n"


def json_value(key: str, value: Any) -> str:
    """Return one value of a line."""
    if key == "extra":
        return str(value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def tag_files(bag_info: str, lines: Iterable[str], digests: Sequence[tuple[str, str]]) -> dict[str, bytes]:
    """Return the five tag files by name. digests: (SHA-256 in hex, member path) in the members' order."""
    files = {
        "bagit.txt": BAGIT,
        "bag-info.txt": bag_info.encode(),
        "records.jsonl": "".join(lines).encode(),
        "manifest-sha256.txt": "".join(f"{digest}  data/{path}\n" for digest, path in digests).encode(),
    }
    files["tagmanifest-sha256.txt"] = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode()
    return files
