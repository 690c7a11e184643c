"""Finds the site's file for a request's path. Hidden files are not served and links are not followed."""

import os
import re
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes

from packager.engine.files.file_body import FileBody
from packager.engine.files.range_readers import UnreadableError

INDEX = b"index.html"
SHARDS = b"shards"
_PLAIN = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", re.ASCII)  # shards and nearly all pages
_ABSOLUTE = re.compile(r"https?://[^/?#]+(?=[/?#]|$)", re.ASCII | re.IGNORECASE)
_TEXT = "text/plain; charset=utf-8"
_TYPES = {
    b".css": "text/css; charset=utf-8",
    b".html": "text/html; charset=utf-8",
    b".jpg": "image/jpeg",
    b".js": "text/javascript; charset=utf-8",
    b".json": "application/json",
    b".meta4": "application/metalink4+xml",
    b".minisig": _TEXT,
    b".parquet": "application/vnd.apache.parquet",
    b".png": "image/png",
    b".pub": _TEXT,
    b".svg": "image/svg+xml",
    b".tar": "application/x-tar",
    b".torrent": "application/x-bittorrent",
    b".txt": _TEXT,
    b".xml": "application/xml",
    b".zst": "application/zstd",
    b"": _TEXT,
}


class BadPathError(Exception):
    """A request's target is not a path: 400. Users never see this error."""


class FolderError(Exception):
    """A request's path names a folder and does not end in "/": 301. Users never see this error."""


def names_of(target: str) -> list[bytes]:
    """Return the names of a request's path, decoded once (RFC 3986, 2.1). If it ends in "/", the last one is empty.

    The target may be a complete URL, as proxies send it (RFC 9112, 3.2.2); its host is ignored.

    Raises BadPathError for a target that is not an absolute path, a bad escape, and an escaped "/" or NUL;
    FileNotFoundError for names that are never served: "..", hidden, with a control character or backslash.
    """
    path = _ABSOLUTE.sub("", target, count=1).partition("?")[0] or "/"
    if _PLAIN.fullmatch(path):
        return path[1:].encode().split(b"/")
    if not path.startswith("/") or "#" in path:
        raise BadPathError
    names = []
    for written in path[1:].split("/"):
        if any(len(code) < 2 or not set(code[:2]) <= set("0123456789abcdefABCDEF") for code in written.split("%")[1:]):
            raise BadPathError
        name = unquote_to_bytes(written)
        if b"/" in name or b"\0" in name:
            raise BadPathError
        names.append(name)
    if (pad_size(names) is None and any(_is_refused(name) for name in names)) or b"" in names[:-1]:
        raise FileNotFoundError
    return names


def pad_size(names: list[bytes]) -> int | None:
    """Return the size of the pad file that shards/NAME/.pad/SIZE names (BEP 47); None for any other path."""
    if len(names) != 4 or names[0] != SHARDS or names[2] != b".pad":
        return None
    return int(names[3]) if re.fullmatch(rb"[1-9][0-9]{0,11}", names[3]) else None


def _is_refused(name: bytes) -> bool:
    """Return whether a name is never served."""
    return name.startswith(b".") or b"\\" in name or any(code < 0x20 or code == 0x7F for code in name)


def open_site_file(site: Path, names: list[bytes]) -> FileBody:
    """Open the site's file at this path; for a folder, its index.html.

    Raises FileNotFoundError if there is none, FolderError for a folder without a "/" at the end.
    """
    *folders, last = names
    place = os.fsencode(site)
    for folder in folders:
        place = os.path.join(place, folder)
        if not stat.S_ISDIR(_mode(place)):
            raise FileNotFoundError
    place = os.path.join(place, last or INDEX)
    mode = _mode(place)
    if stat.S_ISDIR(mode) and last:
        raise FolderError
    if not stat.S_ISREG(mode):
        raise FileNotFoundError
    try:
        return FileBody(place)
    except UnreadableError as error:
        raise FileNotFoundError from error


def _mode(place: bytes) -> int:
    """Return a path's mode, without following links. Raises FileNotFoundError."""
    try:
        return os.lstat(place).st_mode
    except (OSError, ValueError) as error:
        raise FileNotFoundError from error


def content_type(name: bytes) -> str:
    """Return the Content-Type for a file name."""
    return _TYPES.get(os.path.splitext(name or INDEX)[1].lower(), "application/octet-stream")


def entity_tag(file: FileBody) -> str:
    """Return an entity tag, which changes with the file's content (RFC 9110, 8.8.3)."""
    return f'"{"-".join(f"{each:x}" for each in file.stamp)}"'
