"""The one way to open a published release, in a folder or at an address, and its shards' documents.

accept_release.py checks release.json, and its signature if a key is given; a document must have the size and SHA-256
that release.json lists. From a folder without a key, documents are used where they are; else they are copied here for
one run.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from packager.core.http.allowed_hosts import NO_HOSTS, AllowedHosts
from packager.core.releases import documents
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.evidence import Evidence
from packager.engine.files.file_stamp import FileStamp
from packager.engine.files.limited_read import open_regular, read_limited
from packager.engine.files.unfinished_files import check_name
from packager.engine.files.write_errors import write_error
from packager.engine.project.key_files import read_public
from packager.engine.project.nearest_project import own_signer, project_of_tars
from packager.engine.published.accept_release import accept_release, release_evidence
from packager.engine.published.published_shard import (
    ShardFiles,
    find_nearby_documents,
    parse_manifest,
    shard_files,
    shard_name,
)
from packager.engine.published.release_reader import (
    MIRRORED,
    RELEASE,
    SILENT_SECONDS,
    ReleaseReader,
    open_release_reader,
    parse_release_location,
)
from packager.engine.stores.base import Place
from packager.errors import InputError, TrustError, from_os_error
from packager.model import PublishedFile, Release, ReleaseShard
from packager.paths import display_text
from packager.progress import SILENT, Progress

_OPTION = "--release"
_DO_NOT = "do not use it; ask the publisher through another channel what is right"


@dataclass(frozen=True)
class TrustedRelease:
    """A release that was accepted, and what vouches for it."""

    release: Release
    evidence: Evidence


class OpenedRelease:
    """A release that was accepted, and its shards' documents, each found to be the one that it lists.

    reader: reads where it is published. folder: has the documents that were opened: those of the release, or
    copies for this run (`copied`). evidence: what vouches for it.
    """

    def __init__(
        self,
        reader: ReleaseReader,
        folder: Path,
        trusted: TrustedRelease,
        *,
        origin: str,
        progress: Progress = SILENT,
    ) -> None:
        """Use documents in `folder`, which exists; copy them into it if the reader's is another.

        origin: where it is published: an address that ends in "/", or a folder.
        """
        self.reader, self.folder, self.release, self.evidence = reader, folder, trusted.release, trusted.evidence
        self.origin, self.copied = origin, reader.folder != folder
        self._progress = progress
        self._shards = {str(shard.name): shard for shard in trusted.release.shards}
        self._here: set[str] = set()

    @property
    def where(self) -> str:
        """The release's place, fit to be shown."""
        return display_text(self.origin)

    @property
    def names(self) -> Iterable[str]:
        """The names of its shards."""
        return self._shards.keys()

    def with_loose_files(self) -> Iterator[str]:
        """Yield the names of shards whose members are the source's files; a catalogue phase's are made for it alone."""
        made = {phase.name for phase in self.release.phases if phase.content == "catalogue"}
        return (shard.name for shard in self.release.shards if shard.phase not in made)

    def has_documents(self, name: str) -> bool:
        """Return whether it has the manifest of the shard with this name; a mirror has those of its own shards only."""
        shard = self._shards.get(name)
        if shard is None or "://" in self.origin:
            return shard is not None
        return Path(self.origin if self.copied else self.folder, shard.manifest.path).is_file()

    def files(self, name: str) -> ShardFiles | None:
        """Return the documents of the shard with this name; None: the release lists no such shard.

        Memory: the largest of them, if they are copied. Raises TrustError for one that is not what the release lists,
        InputError or IncompleteError if it cannot be read.
        """
        shard = self._shards.get(name)
        if shard is None:
            return None
        wanted = [file for file in shard.documents if file is not shard.members_tsv]  # the table says the same
        copied = [file for file in wanted if self.copied and file.path not in self._here]
        self._progress.begin("Fetching", sum(file.size for file in copied))
        for file in copied:
            self.open_file(file)
            self._progress.advance(file.size)
        self._progress.end()
        twin = shard.twin_torrent  # a folder may be without
        manifest = self.open_file(shard.manifest)
        check_listed_manifest(read_limited(manifest, documents.LIMIT), shard)
        return ShardFiles(
            manifest,
            self.open_file(shard.members_table),
            self.open_file(shard.torrent),
            self.open_file(twin) if twin and (self.folder / twin.path).is_file() else None,
            self.evidence,
            os.path.join(self.origin, shard.manifest.path) if self.copied else None,
        )

    def open_file(self, file: PublishedFile) -> Path:
        """Return where a document that the release lists is here, found to be the one listed. Raises as `files`."""
        path = self.folder / file.path
        if not self.copied:
            check_listed(path, file)
        elif file.path not in self._here:
            _copy(self.reader, file, path)
            self._here.add(file.path)
        return path


def check_listed_manifest(data: bytes, shard: ReleaseShard) -> None:
    """Raise TrustError if a manifest is of another shard than the release lists."""
    where = display_text(shard.manifest.path)
    try:
        manifest = parse_manifest(data, where)
    except InputError as error:
        raise TrustError(where, error.what, _DO_NOT) from error
    for field in ("name", "size", "infohash_v1", "infohash_v2", "pieces_root"):
        if getattr(manifest, field) != getattr(shard, field):
            raise TrustError(where, f"swapped manifest: its {field} is not that of {shard.name}", _DO_NOT)


def check_listed(path: Path, file: PublishedFile) -> None:
    """Raise InputError or TrustError if a document in a folder is not the one that its release lists."""
    where = display_text(str(path))
    try:
        with open_regular(path) as opened:
            if os.fstat(opened.fileno()).st_size != file.size:
                raise TrustError(where, f"it does not have the {file.size} bytes that {RELEASE} says")
            digest = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        raise from_os_error(error, where) from error
    if digest != file.sha256:
        raise TrustError(where, f"its SHA-256 is {digest}, {RELEASE} says {file.sha256}")


def _copy(reader: ReleaseReader, file: PublishedFile, path: Path) -> None:
    """Copy a document that a release lists, and check it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w+b") as copy:
            reader.save_listed(file, copy)
    except OSError as error:
        raise write_error(error, path, file.size, "make room, or set TMPDIR") from error


@contextmanager
def open_release(
    release: Path | str | None,
    key: str | None,
    progress: Progress,
    *,
    followed: TrustedRelease | None = None,
    allowed: AllowedHosts = NO_HOSTS,
    seconds: float = SILENT_SECONDS,
) -> Iterator[OpenedRelease]:
    """Yield a release that was accepted.

    release: the address, or the path, of its folder or release.json. key: the publisher's key, as its line or file;
    None: no signature is looked at. followed: the one that a mirror accepted, whatever is published there now. allowed:
    hosts that it may be redirected to. seconds: that a server may stay silent. Raises InputError if there is none,
    TrustError where it is refused, IncompleteError where it is not available now.
    """
    if release is None:
        raise InputError("--key", "says who signs a release, and no release is named", f"name it with {_OPTION}")
    public = read_public(key) if key is not None else None
    origin = parse_release_location(str(release), _OPTION)
    progress.begin("Reading", None)
    in_place = public is None and followed is None and "://" not in origin
    if in_place and not Path(origin, RELEASE).is_file():
        fix = "name the folder of a release, or a shard's manifest with --manifest"
        raise InputError(display_text(str(release)), f"no {RELEASE} is there", fix)
    with ExitStack() as opened:
        reader = opened.enter_context(open_release_reader(origin, seconds=seconds, allowed=allowed))
        folder, named = Path(origin), origin
        if not in_place:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="packager-", ignore_cleanup_errors=True)))
        elif folder.is_relative_to(Path.cwd()):
            named = os.path.relpath(folder)
        trusted = followed or _accept(reader, public, named, folder)
        progress.end()
        yield OpenedRelease(reader, folder, trusted, origin=named, progress=progress)


def _accept(reader: ReleaseReader, key: PublicKey | None, named: str, folder: Path) -> TrustedRelease:
    """Return the release that is published, checked; its document is in `folder` then."""
    where = display_text(os.path.join(reader.name, RELEASE))
    accepted = accept_release(reader, key, where=where, fix="without --key none is asked for")
    if key is None and reader.folder is not None:
        signer = own_signer(reader.folder, accepted.body)
        return TrustedRelease(accepted.release, release_evidence(accepted.release, display_text(named), signer))
    if reader.folder != folder:
        (folder / RELEASE).write_bytes(accepted.body)
    return TrustedRelease(accepted.release, accepted.evidence(display_text(named)))


def release_near(folder: Path) -> OpenedRelease | None:
    """Return the release that a folder of tars is of; None: none is.

    It is in the folder, in what a mirror there keeps, around it, in site/ beside or in it, or the site of the project
    that it belongs to.

    Raises as `open_release`.
    """
    absolute = folder.absolute()
    places = (absolute, absolute / MIRRORED, absolute / "site", absolute.parent / "site", *absolute.parents)
    found = next((place for place in places if (place / RELEASE).is_file()), None)
    if found is None and (project := project_of_tars(folder)) is not None and (project.site / RELEASE).is_file():
        found = project.site
    return None if found is None else _read_once(found, FileStamp.of((found / RELEASE).stat()))


@lru_cache(maxsize=1)
def _read_once(folder: Path, stamp: FileStamp) -> OpenedRelease:  # noqa: ARG001 (another file has another one)
    """Return the release in a folder, which many tars beside each other are asked for."""
    with open_release(folder, None, SILENT) as release:
        return release  # in a folder: nothing of it ends here


def find_documents(tar: Place, release: OpenedRelease | None = None, manifest: Path | None = None) -> ShardFiles:
    """Return where a shard's documents are: those of the manifest, the release's, else as `documents_around` finds.

    tar: the shard's tar, or where it would be; its name says which shard. Raises InputError if there are none.
    """
    name = shard_name(tar)
    check_name(name)
    if manifest is not None:
        return shard_files(manifest)
    if release is not None:
        found = release.files(name)
        if found is None:
            raise InputError(display_text(name), f"the release in {release.where} has no such shard")
        return found
    near = documents_around(tar) if isinstance(tar, Path) else None
    if near is None:
        what = f"no {display_text(name)}.manifest.json is beside it or in a release around it"
        raise InputError(
            display_text(str(tar)), what, "name the release with --release, or the manifest with --manifest"
        )
    return near


def documents_around(tar: Path) -> ShardFiles | None:
    """Return where a shard's documents are: those of the release around it, else as `documents_near` finds them."""
    release = release_near(Path(os.path.abspath(tar)).parent)
    if release is not None and release.has_documents(shard_name(tar)):
        return release.files(shard_name(tar))
    return find_nearby_documents(tar)


@contextmanager
def documents_of_shards(
    release: Path | str | None,
    key: str | None,
    shards: Iterable[Place],
    progress: Progress,
    *,
    beside: Path | None,
    allowed: AllowedHosts = NO_HOSTS,
) -> Iterator[OpenedRelease | None]:
    """Yield the release that has these shards; None if none is named.

    shards: their tars, or where those would be. beside: a document that is named, too, and would be used instead.
    Raises as `open_release`, and InputError where the release lists none of the shards.
    """
    if release is None and key is None:
        yield None
        return
    if beside is not None:
        what = f"{display_text(str(beside))} is named, too, and would be used instead of what the release lists"
        raise InputError(_OPTION if key is None else "--key", what, "remove one of them")
    with open_release(release, key, progress, allowed=allowed) as opened:
        names = [shard_name(shard) for shard in shards]
        for name in names:
            check_name(name)
        if names and not set(opened.names).intersection(names):
            raise InputError(display_text(names[0]), f"the release in {opened.where} has no such shard")
        yield opened
