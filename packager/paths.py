"""The rule for names: which file names a bag may contain, how others are replaced, and how names are shown.

RFC 8493 2.1.3 wants "%", CR and LF percent-encoded in manifests; bag validators and `sha256sum -c`
disagree on that and on line separators and trailing spaces. So a name that some checker, file system
or terminal would read otherwise gets a safe member name, and every checker agrees. The rule is
written for other implementations in manifests/FORMAT.md, "Member names".
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NewType

MemberPath = NewType("MemberPath", str)

NAME_MAX = 255  # bytes in one name: the limit of ext4, XFS, NTFS and others
PATH_MAX = 1024  # bytes in a member path: leaves room for --to and the shard's name in PATH_MAX 4096
_ROOM = 180  # bytes kept of a name that is replaced
_RESERVED = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.I | re.A | re.S
)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069%\\<>:"|?*]')
_PLAIN = re.compile(rb"[A-Za-z0-9_\-(),'&+!#=@\[\]{} .]*[A-Za-z0-9_\-(),'&+!#=@\[\]{}]")
_PLAIN_LINES = re.compile(rb"(?:" + _PLAIN.pattern + rb"\n)*")
_RESERVED_LINE = re.compile(rb"^(?:CON|PRN|AUX|NUL|(?:COM|LPT)[0-9]) *(?:\..*)?$", re.I | re.M)  # "$" is not plain
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")


def safe_name(name: bytes, *, collides: bool = False) -> str:
    r"""Return the member name of one file or folder name.

    A name that every checker reads alike is kept. Any other (not UTF-8, control or bidirectional
    characters, "%", "\", a character or word that Windows reserves, a trailing dot or space, over
    255 bytes), and each of several names that `collides`, becomes STEM~HASH.EXT: the stem with "_"
    for what is not allowed, the first 8 hex digits of the SHA-256 of the name's bytes, its extension;
    with "_" before it where Windows would still take it for a reserved word.
    Pure: the same name always gives the same result.
    """
    if not collides and _is_plain(name):
        return name.decode("ascii")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and not collides and is_safe_name(text):
        return text
    return _replaced(name)


def _is_plain(name: bytes) -> bool:
    """Return, by one cheap match that a common ASCII name needs no further look."""
    return len(name) <= NAME_MAX and bool(_PLAIN.fullmatch(name)) and not _RESERVED.fullmatch(name.decode("ascii"))


def are_plain(names: Sequence[bytes]) -> bool:
    """Return, by two matches over all of a folder's names whether each stands as it is and none is another's twin."""
    joined = b"\n".join((*names, b""))
    return (
        joined.count(b"\n") == len(names)
        and bool(_PLAIN_LINES.fullmatch(joined))
        and not _RESERVED_LINE.search(joined)
        and len(set(joined.lower().split(b"\n"))) == len(names) + 1
        and max(map(len, names), default=0) <= NAME_MAX
    )


def is_safe_name(name: str) -> bool:
    """Return whether a bag may contain a name unchanged."""
    return not (
        name in ("", ".", "..")
        or "/" in name
        or _FORBIDDEN.search(name)
        or name[-1] == "."
        or name[-1].isspace()
        or _RESERVED.fullmatch(name)
        or not _encodes(name)
        or len(name.encode()) > NAME_MAX
    )


def _encodes(name: str) -> bool:
    """Return whether a string has no lone surrogate."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _replaced(name: bytes) -> str:
    """Return STEM~HASH.EXT for a name that is not allowed."""
    digest = hashlib.sha256(name).hexdigest()[:8]
    text = _FORBIDDEN.sub("_", name.decode("utf-8", "replace").replace("\ufffd", "_").replace("/", "_"))
    extension = _extension(text)
    stem = text[: len(text) - len(extension)]
    stem = stem.encode()[:_ROOM].decode("utf-8", "ignore").rstrip(". \t\u00a0\u3000").strip() or "_"
    safe = f"{stem}~{digest}{extension}"
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe  # "aux.tar.gz": the word counts up to the first dot


def _extension(name: str) -> str:
    """Return a name's extension, dot included; "" where it has none that is short and plain."""
    stem, dot, tail = name.rpartition(".")
    return dot + tail if stem and _EXTENSION.fullmatch(dot + tail) else ""


def member_path(names: Iterable[str], source: bytes) -> MemberPath:
    """Return the member path of a file from its folders' and its own safe names.

    source: the file's path relative to the collection's source, as bytes; its hash names a path that
    would be longer than PATH_MAX bytes: `long-paths~/` and the hash's first 32 hex digits, extension kept.
    """
    path = "/".join(names)
    if len(path.encode()) <= PATH_MAX:
        return MemberPath(path)
    extension = _extension(path.rpartition("/")[2])
    return MemberPath(f"long-paths~/{hashlib.sha256(source).hexdigest()[:32]}{extension}")


def is_safe_path(path: str) -> bool:
    """Return whether a path read from a document may be a member path: relative, no "..", safe names."""
    return all(is_safe_name(part) for part in path.split("/")) and len(path.encode()) <= PATH_MAX


def collision_key(name: str) -> str:
    """Return what two names share when a file system that folds case or normalises takes them for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def colliding(names: Iterable[bytes]) -> set[bytes]:
    """Return those of one folder's names that differ only by case or by Unicode normalisation.

    All of a group are returned, so that the result does not depend on their order.
    Memory: the folder's names.
    """
    seen: dict[str, bytes] = {}
    twins: set[bytes] = set()
    for name in names:
        key = collision_key(name.decode("utf-8", "surrogateescape"))
        if key in seen:
            twins.update((name, seen[key]))
        else:
            seen[key] = name
    return twins


def encode_path(path: bytes) -> tuple[str, str | None]:
    """Return (path as text, None), or (approximate text, base64 of the bytes) if it is not UTF-8."""
    try:
        return path.decode("utf-8"), None
    except UnicodeDecodeError:
        return path.decode("utf-8", "replace"), base64.b64encode(path).decode("ascii")


def decode_path(path: str, path_b64: str | None) -> bytes:
    """Return the exact bytes of a path that `encode_path` wrote."""
    return path.encode() if path_b64 is None else base64.b64decode(path_b64)


def display_text(text: str | bytes, limit: int = 300) -> str:
    r"""Return a name or tag fit for a terminal, a log or a line: no control, bidirectional or lone code.

    What cannot be shown is written as an escape (\x1b, \u202e); over `limit` characters it is cut with "...".
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    if cut.isprintable():
        return cut
    return "".join(c if _showable(c) else _escape(c) for c in cut)


def _showable(char: str) -> bool:
    """Return whether a terminal prints this character and does nothing else."""
    return char.isprintable() or char == "\u3000"


def _escape(char: str) -> str:
    """Return a character as its escape; a byte that was not UTF-8 as that byte."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
