"""Uploads the published site, and the tars, to a store. Readers of the old release are not disturbed.

A store cannot replace a site in one step, so the order of writes matters: first new files, then changed files, then
release.json. Files that are no longer in the release are deleted after a grace period. If a run was killed, run it
again; unchanged files are not sent again.
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

_PARALLEL = 8  # files that are sent at the same time
_LARGE = 2  # large files among them; each needs memory for some parts
_READ = 1 << 20  # bytes
_FIXED = ("torrents/", "manifests/", "releases/", "lookup/", "shards/")  # folders with files that rarely change


@dataclass(frozen=True)
class _File:
    """A file to upload. digest: its SHA-256 in hex, or the infohash of a tar."""

    path: str
    local: Path
    size: int
    digest: str
    checked: bool  # the digest is a SHA-256, and is compared with the sent bytes


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
    """Make a store equal to the site in project.site, and return the report.

    journal: path of this store's journal. with_shards: also upload the tars, to shards/. A withheld tar is never sent,
    and an uploaded one is deleted at once. grace: seconds to keep other files that are no longer in the release.
    now: Unix seconds. The caller must have locked the state folder. Raises InputError if the store has another
    release, IncompleteError if a file has changed since it was published or the store fails temporarily.
    """
    started = time.monotonic()
    release = documents.from_bytes(read_limited(project.site / RELEASE, documents.LIMIT), Release, RELEASE)
    check_place(project, store)
    claim_store(store, project_owner(project.state))
    wanted = {file.path: file for file in _site(project.site)}
    rule, absent = SharingRule(release), 0
    withheld = {f"shards/{each.name}.tar": each for each in rule.all_withheld()}
    if with_shards:
        tars, absent = _tars(project, rule)
        wanted |= {file.path: file for file in tars}
    with UploadJournal(journal) as known:
        swept = store.sweep(lambda path: path in wanted or path in known.files)
        there = {entry.path: entry.stat for entry in store.entries()}
        missing = [file for file in wanted.values() if not known.has(file.path, file.digest, there.get(file.path))]
        left_out = tuple(each for path, each in withheld.items() if with_shards or path in known.files)
        at_once = [each for path, each in known.files.items() if path in withheld]
        removed, _ = _remove_unused(
            store, known, at_once, there, grace=0, now=now
        )  # first, because sending can take days
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
    """Raise InputError if the store has the release of another project, or refuses access."""
    found = store.stat(RELEASE)
    if found is None:
        return
    data = store.read(RELEASE, 0, found.size, found)[1] if found.size <= documents.LIMIT else b""
    if not is_own_release(project, data):
        what = "contains a release.json that is not from this project"
        raise InputError(store.name, what, "choose another place with --to, or empty this one")


def _site(site: Path) -> Iterator[_File]:
    """Yield the files in the sums of the site."""
    sums = _read(site / SUMS).decode()
    for line in sums.splitlines():
        digest, path = line[:64], line[66:]
        yield _File(path, site / path, _size(site / path), digest, checked=True)
    for name in (SUMS, SUMS + MINISIG):
        if (site / name).exists():
            data = _read(site / name)
            yield _File(name, site / name, len(data), hashlib.sha256(data).hexdigest(), checked=True)


def _tars(project: Project, rule: SharingRule) -> tuple[list[_File], int]:
    """Return the existing tars of shards that are neither obsolete nor withheld, and the number of missing tars."""
    found, absent = [], 0
    for shard in rule.offered():
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
    """Return a file's size in bytes."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise from_os_error(error, path, "run: packager publish") from error


def _read(path: Path) -> bytes:
    """Read a file of the site."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise from_os_error(error, path, "run: packager publish") from error


def _step(file: _File, there: Mapping[str, StoreStat]) -> int:
    """Return the number of the step in which a file is sent. A step starts when the one before is complete."""
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
    """Send files, step by step. If one fails or the run is stopped, uploads in progress are cancelled."""
    cancelled, large = Event(), BoundedSemaphore(_LARGE)

    def send(file: _File) -> int:
        if file.size <= SMALL:
            stat = _put(store, file)
        else:
            with large:
                stat = _stream(store, file, cancelled)
        known.add(UploadedFile(file.path, file.size, file.digest, stat.tag))
        return file.size

    def step(file: _File) -> int:
        return _step(file, there)

    progress.begin("Uploading", sum(file.size for file in missing))
    with ThreadPoolExecutor(_PARALLEL, "send") as pool:
        for _, files in groupby(sorted(missing, key=lambda file: (step(file), -file.size, file.path)), key=step):
            futures = [pool.submit(send, file) for file in files]
            try:
                for future in as_completed(futures):
                    progress.advance(future.result())
            except BaseException:
                cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise
    progress.end()


def _put(store: Store, file: _File) -> StoreStat:
    """Send a small file in one request, if it has not changed since it was published."""
    data = _read(file.local)
    if len(data) != file.size or (file.checked and hashlib.sha256(data).hexdigest() != file.digest):
        raise _changed(file)
    return store.put(file.path, data)


def _stream(store: Store, file: _File, cancelled: Event) -> StoreStat:
    """Send a large file while it is read. If it has changed or is cancelled, nothing is stored."""
    digest, left = hashlib.sha256(), file.size
    try:
        with open(file.local, "rb") as source, store.writer(file.path, file.size) as writer:
            while left and (data := source.read(min(left, _READ))):
                if file.checked:
                    digest.update(data)
                writer.write(data)
                left -= len(data)
                if cancelled.is_set():
                    raise IncompleteError(
                        f"{store.name}/{display_text(file.path)}", "was cancelled", "run the command again"
                    )
            if left or source.read(1) or (file.checked and digest.hexdigest() != file.digest):
                raise _changed(file)
    except OSError as error:
        raise from_os_error(error, file.local) from error
    stat = store.stat(file.path)
    if stat is None or stat.size != file.size:
        raise IncompleteError(
            f"{store.name}/{display_text(file.path)}", "was not stored correctly", "run the command again"
        )
    return stat


def _changed(file: _File) -> IncompleteError:
    """Return the error for a file that has changed since it was published."""
    return IncompleteError(file.local, "has changed since it was published", "run packager publish, or verify the tar")


def _is_tar(path: str) -> bool:
    """Return whether a path is a tar, which stays if tars are not uploaded."""
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
    """Delete our files that were unused for `grace` seconds. Return how many, and how many are kept until later."""
    removed = waiting = 0
    for file in unused:
        since = file.unused or now
        if file.path in there and since > now - grace:
            known.add(UploadedFile(file.path, file.size, file.digest, file.tag, since))
            waiting += 1
            continue
        if file.path in there and there[file.path].tag == file.tag:  # else another program has replaced it
            store.delete(file.path)
            removed += 1
        known.add(UploadedFile(file.path, gone=True))
    return removed, waiting
