"""A part of a published release brought here for one run, from its address or folder, each file checked first.

packager.trust looks at release.json, and at its signature where a key is given; a shard's documents must have
the sizes and SHA-256 that release.json lists. The copy is gone when the run ends.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from packager import documents, trust
from packager.engine.keys import read_public
from packager.engine.published import shard_name
from packager.engine.release_source import RELEASE, Source, normal, open_source, read_published, read_signature
from packager.engine.room import refused
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.model import PublishedFile, Release
from packager.paths import shown
from packager.progress import Progress

SILENT_SECONDS = 30.0  # that a server may be
_OPTION = "--release"


class ReleaseCopy:
    """A folder that has release.json and, once they were brought, the documents of some of its shards.

    origin: where it is published: an address that ends in "/", or a folder.
    """

    def __init__(self, origin: str, source: Source, folder: Path, release: Release, progress: Progress) -> None:
        """Copy into `folder`, which is there, what `source` has."""
        self.origin, self.folder, self.release = origin, folder, release
        self._source, self._progress = source, progress
        self._missing = {str(shard.name): shard for shard in release.shards}

    def published_at(self, path: str) -> str:
        """Return where a file of the release is published."""
        return os.path.join(self.origin, path)

    def bring(self, name: str) -> None:
        """Bring the documents of the shard with this name, once; none where the release lists no such shard.

        Memory: the largest of them. Raises TrustError for one that is not what the release lists,
        IncompleteError where it cannot be had now.
        """
        shard = self._missing.get(name)
        if shard is None:
            return
        files = [file for file in shard.documents if file is not shard.members_tsv]  # the table says the same
        self._progress.begin("documents", sum(file.size for file in files))
        for file in files:
            self.bring_file(file)
            self._progress.advance(file.size)
        self._progress.end()
        del self._missing[name]

    def bring_file(self, file: PublishedFile) -> Path:
        """Bring one document that the release lists, and return where it lies. Raises as `bring`. Memory: it."""
        to = self.folder / file.path
        data = read_published(self._source, file)
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(data)
        except OSError as error:
            raise refused(error, to, len(data), "make room, or set TMPDIR") from error
        return to


def is_copied(release: Path | str | None, key: str | None) -> bool:
    """Say whether a release is read by a copy: it is at an address, or its signature is asked for."""
    return key is not None or (isinstance(release, str) and "://" in release)


@contextmanager
def open_copy(release: Path | str | None, key: str | None, progress: Progress) -> Iterator[ReleaseCopy]:
    """Yield a copy of a release that has no shard's documents yet.

    release: the address, or the path, of its folder or release.json. key: the publisher's key, as its
    line or file; None: no signature is looked at. Raises InputError where there is none, TrustError where it is
    refused, IncompleteError where it cannot be had now.
    """
    if release is None:
        raise InputError("--key", "says who signs a release, and no release is named", f"name it with {_OPTION}")
    public = read_public(key) if key is not None else None
    origin = normal(str(release), _OPTION)
    with (
        open_source(origin, seconds=SILENT_SECONDS) as source,
        TemporaryDirectory(prefix="packager-", ignore_cleanup_errors=True) as folder,
    ):
        progress.begin("release", None)
        body = source.read(RELEASE, documents.LIMIT)
        where = shown(os.path.join(origin, RELEASE))
        if public is None:
            accepted = trust.pin_unsigned(body, where=where)
        else:
            minisig = read_signature(source, RELEASE, body, [public], "without --key none is asked for")
            accepted = trust.pin(body, minisig, public, where=where)
        Path(folder, RELEASE).write_bytes(body)
        progress.end()
        yield ReleaseCopy(origin, source, Path(folder), accepted.release, progress)


@contextmanager
def at_hand(
    release: Path | str | None, key: str | None, shards: Iterable[Place], progress: Progress, *, beside: Path | None
) -> Iterator[Path | None]:
    """Yield the folder that has the documents of these shards: `release` itself, or a copy; None where none is told.

    shards: their tars, or where those would lie. beside: a document that is named, too, and used instead.
    Raises as `open_copy`, and InputError where the release lists none of the shards.
    """
    if not is_copied(release, key):
        yield None if release is None else Path(release)
        return
    if beside is not None:
        what = f"{shown(str(beside))} is named, too, and would be used instead of what the release lists"
        raise InputError(_OPTION if key is None else "--key", what, "leave one of them out")
    with open_copy(release, key, progress) as copy:
        names = [shard_name(shard) for shard in shards]
        if names and not {str(shard.name) for shard in copy.release.shards}.intersection(names):
            raise InputError(shown(names[0]), f"the release at {shown(copy.origin)} has no such shard")
        for name in names:
            copy.bring(name)
        yield copy.folder
