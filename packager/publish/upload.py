"""The published site, and the tars, to a store: what readers of the old release need stays, release.json comes last.

A store has no step by which a whole site changes. So the order of writes does it: first what no old reader asks for,
then what is replaced in its place, then release.json; what the new release has no more goes after a time of grace.
A run that was killed is run again: what is there as it was left is not sent again.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import BoundedSemaphore, Event

from packager.core.releases import documents
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.reports import UploadReport
from packager.engine.files.limited_read import read_limited
from packager.engine.project.owner_id import claim_store, project_owner
from packager.engine.project.project import Project
from packager.engine.project.state_files import is_own_release
from packager.engine.published.accept_release import MINISIG
from packager.engine.published.release_reader import RELEASE
from packager.engine.stores.base import SMALL, Store, StoreStat
from packager.errors import IncompleteError, InputError, from_os_error
from packager.model import Release
from packager.paths import display_text
from packager.progress import Progress
from packager.publish.publish import SUMS
from packager.publish.upload_journal import UploadedFile, UploadJournal

_LANES = 8  # files on their way at once
_LARGE = 2  # large ones among them: each holds some parts in memory
_READ = 1 << 20  # bytes
_FIXED = ("torrents/", "manifests/", "releases/", "lookup/", "shards/")  # where files hardly ever change


@dataclass(frozen=True)
class _File:
    """A file to have in the store. digest: its SHA-256 in hex, or for a tar its infohash."""

    path: str
    local: Path
    size: int
    digest: str
    checked: bool  # the digest is a SHA-256: what is sent is compared with it


def upload(
    project: Project,
    store: Store,
    journal: Path,
    *,
    with_shards: bool,
    grace: float,
    now: float,
    progress: Progress,
) -> UploadReport:
    """Bring a store to what the site in project.site is, and return what was done.

    journal: where this store's lies. with_shards: the tars too, below shards/. A withheld tar is never sent, and is
    deleted at once if it was sent before. grace: seconds that other files stay which the release has no more. now: unix
    seconds. The caller holds the state folder's lock. Raises InputError where another release lies there,
    IncompleteError where a file is not as it was published or the store fails for now.
    """
    started = time.monotonic()
    release = documents.from_bytes(read_limited(project.site / RELEASE, documents.LIMIT), Release, RELEASE)
    check_place(project, store)
    claim_store(store, project_owner(project.state))
    wanted = {file.path: file for file in _site(project.site)}
    hand_out, absent = SharingRule(release), 0
    withheld = {f"shards/{each.name}.tar": each for each in hand_out.all_withheld()}
    if with_shards:
        tars, absent = _tars(project, hand_out)
        wanted |= {file.path: file for file in tars}
    with UploadJournal(journal) as known:
        swept = store.sweep(lambda path: path in wanted or path in known.files)
        there = {entry.path: entry.stat for entry in store.entries()}
        missing = [file for file in wanted.values() if not known.has(file.path, file.digest, there.get(file.path))]
        left_out = tuple(each for path, each in withheld.items() if with_shards or path in known.files)
        at_once = [each for path, each in known.files.items() if path in withheld]
        removed, _ = _remove_unused(store, known, at_once, there, grace=0, now=now)  # first: sending may take days
        _send(store, known, missing, there, progress)
        kept = wanted.keys() | (set() if with_shards else set(filter(_is_tar, known.files)))
        unused = [each for path, each in known.files.items() if path not in kept]
        removed_after, waiting = _remove_unused(store, known, unused, there, grace=grace, now=now)
        swept += store.sweep(lambda path: path in wanted or path in known.files)
    return UploadReport(
        to=store.name,
        uploaded=len(missing),
        uploaded_bytes=sum(file.size for file in missing),
        unchanged=len(wanted) - len(missing),
        removed=removed + removed_after,
        pending_removal=waiting,
        missing_shards=absent,
        withheld=left_out,
        aborted_uploads=swept,
        seconds=round(time.monotonic() - started, 3),
    )


def check_place(project: Project, store: Store) -> None:
    """Raise InputError where another release than one of this project's is in the store, or the store refuses."""
    found = store.stat(RELEASE)
    if found is None:
        return
    data = store.read(RELEASE, 0, found.size, found)[1] if found.size <= documents.LIMIT else b""
    if not is_own_release(project, data):
        what = "holds a release.json that is none of this project's releases"
        raise InputError(store.name, what, "name another place with --to, or empty this one")


def _site(site: Path) -> Iterator[_File]:
    """Yield the files of the site, as its sums list them."""
    sums = _read(site / SUMS).decode()
    for line in sums.splitlines():
        digest, path = line[:64], line[66:]
        yield _File(path, site / path, _size(site / path), digest, checked=True)
    for name in (SUMS, SUMS + MINISIG):
        if (site / name).exists():
            data = _read(site / name)
            yield _File(name, site / name, len(data), hashlib.sha256(data).hexdigest(), checked=True)


def _tars(project: Project, hand_out: SharingRule) -> tuple[list[_File], int]:
    """Return the tars that lie here, of shards that are neither obsolete nor withheld, and how many do not."""
    found, absent = [], 0
    for shard in hand_out.offered():
        path = project.tar(shard.name)
        if shard.container != "tar" or not path.is_file():
            absent += 1
            continue
        if _size(path) != shard.size:
            raise InputError(path, f"has {_size(path)} bytes, not {shard.size}", "repair it: packager repair")
        digest = f"infohash {shard.infohash_v2 or shard.infohash_v1}"
        found.append(_File(f"shards/{shard.file}", path, shard.size, digest, checked=False))
    return found, absent


def _size(path: Path) -> int:
    """Return a file's bytes."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise from_os_error(error, path, "run: packager publish") from error


def _read(path: Path) -> bytes:
    """Return a file of the site."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise from_os_error(error, path, "run: packager publish") from error


def _step(file: _File, there: Mapping[str, StoreStat]) -> int:
    """Return in which step a file is sent: a later step begins when all of the one before is there."""
    if file.path in (RELEASE, RELEASE + MINISIG):
        return 5 if file.path == RELEASE else 4
    if file.path in (SUMS, SUMS + MINISIG):
        return 3
    if not file.path.startswith(_FIXED) or file.path.endswith(".html"):
        return 2
    return 1 if file.path in there else 0


def _send(
    store: Store, known: UploadJournal, missing: list[_File], there: Mapping[str, StoreStat], progress: Progress
) -> None:
    """Send files, step by step; where one fails, or the run is stopped, what is on its way is given up."""
    given_up, large = Event(), BoundedSemaphore(_LARGE)

    def send(file: _File) -> int:
        if file.size <= SMALL:
            stat = _put(store, file)
        else:
            with large:
                stat = _stream(store, file, given_up)
        known.add(UploadedFile(file.path, file.size, file.digest, stat.tag))
        return file.size

    def step(file: _File) -> int:
        return _step(file, there)

    progress.begin("Uploading", sum(file.size for file in missing))
    with ThreadPoolExecutor(_LANES, "send") as pool:
        for _, files in groupby(sorted(missing, key=lambda file: (step(file), -file.size, file.path)), key=step):
            futures = [pool.submit(send, file) for file in files]
            try:
                for future in as_completed(futures):
                    progress.advance(future.result())
            except BaseException:
                given_up.set()
                pool.shutdown(cancel_futures=True)
                raise
    progress.end()


def _put(store: Store, file: _File) -> StoreStat:
    """Send a small file in one request, if it is what was published."""
    data = _read(file.local)
    if len(data) != file.size or (file.checked and hashlib.sha256(data).hexdigest() != file.digest):
        raise _changed(file)
    return store.put(file.path, data)


def _stream(store: Store, file: _File, given_up: Event) -> StoreStat:
    """Send a large file as it is read; it is not there where it is not what was published, or is given up."""
    digest, left = hashlib.sha256(), file.size
    try:
        with open(file.local, "rb") as whole, store.writer(file.path, file.size) as writer:
            while left and (data := whole.read(min(left, _READ))):
                if file.checked:
                    digest.update(data)
                writer.write(data)
                left -= len(data)
                if given_up.is_set():
                    raise IncompleteError(
                        f"{store.name}/{display_text(file.path)}", "was given up", "run the command again"
                    )
            if left or whole.read(1) or (file.checked and digest.hexdigest() != file.digest):
                raise _changed(file)
    except OSError as error:
        raise from_os_error(error, file.local) from error
    stat = store.stat(file.path)
    if stat is None or stat.size != file.size:
        raise IncompleteError(
            f"{store.name}/{display_text(file.path)}", "is not there as it was written", "run it again"
        )
    return stat


def _changed(file: _File) -> IncompleteError:
    """Return the error for a file that is not what was published."""
    return IncompleteError(file.local, "is not what was published", "run packager publish, or verify the tar")


def _is_tar(path: str) -> bool:
    """Say whether a path is a tar's, which stays where tars are not brought along."""
    return path.startswith("shards/") and path.endswith(".tar")


def _remove_unused(
    store: Store,
    known: UploadJournal,
    unused: list[UploadedFile],
    there: Mapping[str, StoreStat],
    *,
    grace: float,
    now: float,
) -> tuple[int, int]:
    """Delete files of ours that the release has not had for `grace` seconds; return how many, and how many wait."""
    removed = waiting = 0
    for file in unused:
        since = file.unused or now
        if file.path in there and since > now - grace:
            known.add(UploadedFile(file.path, file.size, file.digest, file.tag, since))
            waiting += 1
            continue
        if file.path in there and there[file.path].tag == file.tag:  # else it is somebody else's by now
            store.delete(file.path)
            removed += 1
        known.add(UploadedFile(file.path, gone=True))
    return removed, waiting
