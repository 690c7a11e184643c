"""Where a release is published: a URL or a folder. What comes is bounded in bytes and time, and checked by digest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from packager import documents
from packager.addresses import WEB, url
from packager.engine.limited import read_limited
from packager.errors import InputError, TrustError
from packager.model import PublishedFile
from packager.paths import shown
from packager.units import KIB

if TYPE_CHECKING:
    from packager.engine.urls import Web

RELEASE = "release.json"
PATIENCE = 10  # times the seconds that a server may stay silent: what a document may take in all
RATE = 64 * KIB  # bytes a second: what a file of known size may take beside that
_MEND = "nothing was changed here; ask the publisher, or give the address where the release is"


class Source(Protocol):
    """Reads files of a release by their paths in it."""

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:
        """Return a file of at most `limit` bytes; it may take `seconds` more than any document may.

        Raises InputError, or IncompleteError where it fails for now.
        """


class _WebSource:
    """A release below an http(s) address."""

    def __init__(self, base: str, web: "Web", seconds: float) -> None:
        self._base, self._web, self._seconds = base, web, seconds

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:
        """Return a file of at most `limit` bytes."""
        try:
            return self._web.fetch(self._base + quote(path), limit=limit, seconds=PATIENCE * self._seconds + seconds)
        except InputError as error:
            raise InputError(error.where, error.what, _MEND) from error


class _FolderSource:
    """A release in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:  # noqa: ARG002 (disks are not waited for)
        """Return a file of at most `limit` bytes."""
        return read_limited(self._folder / path, limit)


def normal(source: str, where: str = "URL") -> str:
    """Return where a release is as it is kept: a URL that ends in "/", or a folder's absolute path.

    Takes the address of its release.json, too. where: what messages call it. Raises InputError for an address
    that is none.
    """
    if "://" not in source:
        folder = Path(source).absolute()
        return str(folder.parent if folder.name == RELEASE and not folder.is_dir() else folder)
    address = url(source, where, WEB)
    if "?" in address or "#" in address:
        raise InputError(where, f'"{shown(address, 120)}" holds "?" or "#"', "give the address of the release's folder")
    return address.removesuffix(RELEASE).rstrip("/") + "/"


@contextmanager
def open_source(source: str, *, seconds: float) -> Iterator[Source]:
    """Yield the reader of a release. seconds: that a server may stay silent. Redirects stay on their host."""
    if "://" not in source:
        yield _FolderSource(Path(source))
        return
    from packager.engine.urls import Web  # a folder is read long before httpx is imported

    with Web(seconds=seconds) as web:
        yield _WebSource(source, web, seconds)


def read_published(source: Source, file: PublishedFile) -> bytes:
    """Return a file that a release lists. Raises TrustError where it is not of the listed size and digest."""
    try:
        data = source.read(file.path, file.size, seconds=file.size / RATE)
    except InputError as error:
        raise TrustError(error.where, f"{error.what}: not the {file.size} bytes that {RELEASE} lists", _MEND) from error
    if len(data) != file.size or documents.digest(data) != file.sha256:
        raise TrustError(shown(file.path), f"not the file that {RELEASE} lists: its bytes are others", _MEND)
    return data
