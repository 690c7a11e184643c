"""Where a release is published: a URL, a store or a folder.

What comes is bounded in bytes and time, and checked by digest.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol
from urllib.parse import quote

from packager.core.config.store_url import is_store_location, parse_store_url
from packager.core.config.url_values import WEB, url
from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts
from packager.core.releases import documents, minisign_signature, trust
from packager.core.releases.minisign_key import PublicKey
from packager.engine.files.limited_read import read_chunks
from packager.engine.stores import parse_location, store_at
from packager.engine.stores.base import RANGE, Store, StoreStat
from packager.errors import IncompleteError, InputError, PackagerError, TrustError
from packager.model import PublishedFile
from packager.paths import display_text
from packager.units import KIB, MIB, format_size

if TYPE_CHECKING:
    from packager.engine.network.http_client import HttpClient

RELEASE, MINISIG = "release.json", ".minisig"
MIRRORED = ".packager-mirror/release"  # what a mirror keeps of the release that it follows
PATIENCE = 10  # times the seconds that a server may stay silent: what a document may take in all
RATE = 64 * KIB  # bytes a second: what a file of known size may take beside that
_MEND = "nothing was changed here; ask the publisher, or give the address where the release is"


class ReleaseReader(Protocol):
    """Reads files of a release by their paths in it."""

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:
        """Write a file of at most `limit` bytes to an open one; it may take `seconds` more than any document may.

        Raises InputError, or IncompleteError where it fails for now.
        """

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:
        """Return a file of at most `limit` bytes; else as `save`."""
        file = BytesIO()
        self.save(path, file, limit, seconds=seconds)
        return file.getvalue()


class _WebSource(ReleaseReader):
    """A release below an http(s) address."""

    def __init__(self, base: str, web: "HttpClient", seconds: float) -> None:
        self._base, self._web, self._seconds = base, web, seconds

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:
        """Write a file to an open one, as it comes."""
        try:
            self._web.save(self._base + quote(path), file, limit=limit, seconds=PATIENCE * self._seconds + seconds)
        except InputError as error:
            raise InputError(error.where, error.what, error.mend or _MEND) from error


class _FolderSource(ReleaseReader):
    """A release in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:  # noqa: ARG002 (a disk)
        """Copy a file to an open one."""
        for data in read_chunks(self._folder / path, limit):
            file.write(data)


class _StoreSource(ReleaseReader):
    """A release in a store."""

    def __init__(self, address: str) -> None:
        self._store = store_at(parse_store_url(address, "release"))

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:  # noqa: ARG002 (its own)
        """Write a file to an open one, range by range."""
        found = stored_stat(self._store, path, limit)
        for start in range(0, found.size, RANGE):
            file.write(self._store.read(path, start, min(start + RANGE, found.size), found)[1])


def read_stored(store: Store, path: str, limit: int) -> bytes:
    """Return a whole file of a store, of at most `limit` bytes. Raises InputError where it is not there."""
    found = stored_stat(store, path, limit)
    return store.read(path, 0, found.size, found)[1]


def stored_stat(store: Store, path: str, limit: int) -> StoreStat:
    """Return the version of a file of a store, of at most `limit` bytes. Raises InputError where it is not there."""
    where = f"{store.name}/{display_text(path)}"
    found = store.stat(path)
    if found is None:
        raise InputError(where, "not found", _MEND)
    if found.size > limit:
        raise InputError(where, f"has more than {format_size(limit)}, all that it may", _MEND)
    return found


def normal(source: str, where: str = "URL") -> str:
    """Return where a release is as it is kept: an address that ends in "/", or a folder's absolute path.

    Takes the address of its release.json, too. where: what messages call it. Raises InputError for an address
    that is none.
    """
    if is_store_location(source):
        place = parse_location(source.removesuffix(RELEASE).rstrip("/"), where)
        return str(place) if isinstance(place, Path) else f"{place}/"
    if "://" not in source:
        folder = Path(source).absolute()
        if (folder / MIRRORED / RELEASE).is_file() and not (folder / RELEASE).exists():  # a mirror's own folder
            return str(folder / MIRRORED)
        return str(folder.parent if folder.name == RELEASE and not folder.is_dir() else folder)
    address = url(source, where, WEB)
    if "?" in address or "#" in address:
        raise InputError(
            where, f'"{display_text(address, 120)}" holds "?" or "#"', "give the address of the release's folder"
        )
    return address.removesuffix(RELEASE).rstrip("/") + "/"


class _Replaced(ReleaseReader):
    """A release that a newer one may replace while it is read."""

    def __init__(self, source: ReleaseReader) -> None:
        self._source = source
        self._body: bytes | None = None

    def read(self, path: str, limit: int, *, seconds: float = 0) -> bytes:
        """Return a file of at most `limit` bytes. Raises as `save`."""
        data = super().read(path, limit, seconds=seconds)
        if path == RELEASE:
            self._body = data
        return data

    def save(self, path: str, file: BinaryIO, limit: int, *, seconds: float = 0) -> None:
        """Write a file to an open one. Raises IncompleteError where a newer release lacks it."""
        try:
            self._source.save(path, file, limit, seconds=seconds)
        except InputError as error:
            self.check(error)
            raise

    def check(self, error: PackagerError) -> None:
        """Raise IncompleteError where another release.json stands there now than the one that was read."""
        if self._body is None:
            return
        try:
            moved = self._source.read(RELEASE, documents.LIMIT) != self._body
        except PackagerError:
            return
        if moved:
            what = "a newer release took its place while it was read"
            raise IncompleteError(RELEASE, what, "run the command again") from error


@contextmanager
def open_release_reader(source: str, *, seconds: float, allowed: AllowedHosts = NO_HOSTS) -> Iterator[ReleaseReader]:
    """Yield the reader of a release. seconds: that a server may stay silent.

    allowed: hosts that it may be redirected to, and that may be contacted although they are not on the public Internet.
    A file that is not what release.json lists (TrustError), or is not there, is told as IncompleteError where another
    release.json has come since: a publisher may replace the site at any time.
    """
    with _opened(source, seconds, allowed) as found:
        release = _Replaced(found)
        try:
            yield release
        except TrustError as error:
            release.check(error)
            raise


@contextmanager
def _opened(source: str, seconds: float, allowed: AllowedHosts) -> Iterator[ReleaseReader]:
    """Yield the reader of a place."""
    if "://" not in source:
        yield _FolderSource(Path(source))
        return
    if not source.startswith(WEB):
        yield _StoreSource(source)
        return
    from packager.engine.network.http_client import HttpClient  # a folder is read long before httpx is imported

    with HttpClient(seconds=seconds, allowed=allowed.with_origin(source)) as web:
        yield _WebSource(source, web, seconds)


def read_signature(source: ReleaseReader, path: str, body: bytes, keys: Iterable[PublicKey], mend: str) -> bytes:
    """Return the signature of `body`, the bytes of the release document at `path`, which are not checked yet.

    releases/SERIAL.json.minisig never changes; release.json.minisig does, so a cache may have an old one beside a new
    release.json, or the reverse. The one beside `path` is used if the first is not there, or no key of `keys` made it
    for these bytes.
    mend: what the user can do if there is no signature. Raises InputError.
    """
    serial = trust.claimed_serial(body)
    lasting = None
    if serial is not None and serial > 0:
        with suppress(InputError):
            lasting = source.read(f"releases/{serial}.json{MINISIG}", minisign_signature.LIMIT)
    if lasting is not None and any(minisign_signature.is_right(body, lasting, key) for key in keys):
        return lasting
    try:
        return source.read(path + MINISIG, minisign_signature.LIMIT)
    except InputError as error:
        if lasting is not None:
            return lasting
        raise InputError(error.where, f"no signature: {error.what}", mend) from error


def read_published(source: ReleaseReader, file: PublishedFile) -> bytes:
    """Return a file that a release lists. Raises TrustError where it is not of the listed size and digest."""
    data = BytesIO()
    save_published(source, file, data)
    return data.getvalue()


def save_published(source: ReleaseReader, file: PublishedFile, to: BinaryIO) -> None:
    """Write a file that a release lists to an empty one that is open, some at a time; raises as `read_published`."""
    try:
        source.save(file.path, to, file.size, seconds=file.size / RATE)
    except InputError as error:
        raise TrustError(error.where, f"{error.what}: not the {file.size} bytes that {RELEASE} lists", _MEND) from error
    to.flush()
    to.seek(0)
    digest = hashlib.sha256()
    while data := to.read(MIB):
        digest.update(data)
    if digest.hexdigest() != file.sha256 or to.tell() != file.size:
        raise TrustError(display_text(file.path), f"not the file that {RELEASE} lists: its bytes are others", _MEND)
