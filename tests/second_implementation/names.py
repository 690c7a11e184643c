"""Member names (section 5)."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

FORBIDDEN = {*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
FORBIDDEN |= set(map(ord, '%\\<>:"|?*'))
SPACES = {0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000}  # those that are not forbidden anyway
DOS = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
DOS |= {port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"}
LETTERS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
EXTENSION = re.compile(r".+(\.[A-Za-z0-9]{1,10})", re.DOTALL)
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def is_reserved(name: str) -> bool:
    """Return whether Windows reserves a name: a word before the first dot, spaces after it not counted."""
    return name.partition(".")[0].rstrip(" ").translate(LETTERS) in DOS


def is_safe(name: bytes) -> bool:
    """Return whether a name may be in a member path as it is."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    codes = set(map(ord, text))
    return (
        0 < len(name) <= 255
        and text not in (".", "..")
        and not codes & {*FORBIDDEN, ord("/")}
        and text[-1] != "."
        and ord(text[-1]) not in SPACES
        and not is_reserved(text)
    )


def is_safe_path(path: str) -> bool:
    """Return whether a path may be a member path."""
    return len(path.encode()) <= 1024 and all(is_safe(name.encode()) for name in path.split("/"))


def is_slug(text: str) -> bool:
    """Return whether a text may name a collection or a phase (section 1)."""
    found = SLUG.fullmatch(text) is not None
    return found and ".." not in text and text[-1] != "." and not is_reserved(text)


def extension(text: str) -> str:
    """Return the extension that a replacement keeps, its dot included; "" for none."""
    found = EXTENSION.fullmatch(text)
    return found[1] if found else ""


def replacement(name: bytes) -> str:
    """Return what a name that cannot stay is replaced by."""
    text = name.decode("utf-8", "replace")
    text = "".join("_" if c in "\ufffd/" or ord(c) in FORBIDDEN else c for c in text)
    stem = text.removesuffix(extension(text)).encode()[:180].decode("utf-8", "ignore")
    spaces = "".join(map(chr, SPACES))
    stem = stem.rstrip(". \t\u00a0\u3000").strip(spaces) or "_"
    new = f"{stem}~{hashlib.sha256(name).hexdigest()[:8]}{extension(text)}"
    return "_" + new if is_reserved(new) else new


def key(name: str) -> str:
    """Return what names that collide share."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def member_names(names: Sequence[bytes], *, topmost: bool) -> dict[bytes, str]:
    """Return the member name of each name of one folder."""
    keys = {name: key(name.decode("utf-8", "surrogateescape")) for name in names}
    count = Counter(keys.values())
    replaced = {n for n in names if not is_safe(n) or count[keys[n]] > 1}
    if topmost:
        replaced |= {n for n in names if keys[n] == key("long-paths~")}
    while more := {n for n in names if n not in replaced and keys[n] in {key(replacement(r)) for r in replaced}}:
        replaced |= more
    return {n: replacement(n) if n in replaced else n.decode() for n in names}


def member_paths(paths: Sequence[bytes]) -> dict[bytes, str]:
    """Return the member path of each source path of a collection."""
    folders: dict[bytes, set[bytes]] = {}
    for path in paths:
        parts = path.split(b"/")
        for depth, part in enumerate(parts):
            folders.setdefault(b"/".join(parts[:depth]), set()).add(part)
    named = {folder: member_names(sorted(names), topmost=not folder) for folder, names in folders.items()}
    return {path: member_path(path, named) for path in paths}


def member_path(path: bytes, named: dict[bytes, dict[bytes, str]]) -> str:
    """Return one member path from the member names of each folder."""
    parts = path.split(b"/")
    names = [named[b"/".join(parts[:depth])][part] for depth, part in enumerate(parts)]
    joined = "/".join(names)
    if len(joined.encode()) <= 1024:
        return joined
    return f"long-paths~/{hashlib.sha256(path).hexdigest()[:32]}{extension(names[-1])}"


def record_id(path: bytes) -> str:
    """Return the id of a record that no records file gave one (section 7)."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and not any(unicodedata.category(c) == "Cc" for c in text):
        return text
    shown = "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in path.decode("utf-8", "replace"))
    return f"{shown}~{hashlib.sha256(path).hexdigest()[:32]}"
