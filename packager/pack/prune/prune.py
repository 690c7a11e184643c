"""Finds and deletes tars and folders that should no longer be shared, but only those that this project made.

These are obsolete shards, and packed shards that are neither in a release nor in the plan. A tar belongs to this
project if it has the size in the shard's marker. Of a shard that is kept as files, only the bag's own files are
deleted.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from packager.core.config.store_url import StoreUrl
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.issues import Issue
from packager.core.reports.reports import PruneItem, PruneReport
from packager.core.shards import bag
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.project import state_files
from packager.engine.project.owner_id import project_owner
from packager.engine.project.project import Project
from packager.engine.stores import open_store
from packager.errors import InputError, from_os_error
from packager.model import Container, Release, ShardName
from packager.pack.prune import orphaned_shards
from packager.pack.shard.existing_tars import stored_tars
from packager.pack.shard.pack_shard import read_packed
from packager.paths import display_text

Ask = Callable[[PruneReport], bool]
_TAG_FILES = (*bag.TAGGED, bag.TAGMANIFEST)
_TAG_FILE_MOST = 1 << 30  # bytes


@dataclass(frozen=True)
class _Ended:
    """A shard with a tar to delete, and why. forget: its documents are deleted with the tar."""

    name: ShardName
    container: Container
    why: str
    forget: bool = False


@dataclass
class _Found:
    """Files to delete, each with its line of the report and a function that deletes it; and files that are not ours."""

    files: list[tuple[PruneItem, Callable[[], object]]] = field(default_factory=list)
    kept: list[Issue] = field(default_factory=list)

    def add(self, path: object, size: int, why: str, delete: Callable[[], object]) -> None:
        self.files.append((PruneItem(path=display_text(str(path)), size=size, reason=why), delete))


def prune(project: Project, ask: Ask, *, now: str, dry_run: bool = False) -> PruneReport:
    """Delete the files of shards that should no longer be shared, durably and if `ask` agrees. Return the report.

    now: RFC 3339. The caller must have locked the state folder, unless it is a dry run. Raises IncompleteError if a
    file cannot be deleted.
    """
    last = state_files.read_last_release(project)
    found = _find(project, _ended(project, last, now))
    planned = _report(found, deleted=False)
    if dry_run or not found.files or not ask(planned):
        return planned
    for _, delete in found.files:
        delete()
    return _report(found, deleted=True)


def to_delete(project: Project, release: Release | None, now: str) -> tuple[PruneItem, ...]:
    """Return the files that `prune` would delete. Reads only."""
    return _report(_find(project, _ended(project, release, now)), deleted=False).files


def after_the_next_release(
    project: Project, release: Release | None, names: Collection[str], withdrawn: Collection[str] = ()
) -> tuple[PruneItem, ...]:
    """Return the files to delete after the next release.

    names: published shards that it replaces. withdrawn: the ids of all records that it leaves out. If there are any,
    the result includes tars that are in no release and will not be in the next plan, as far as this is known now.
    A store is not listed.
    """
    if isinstance(project.shards_location, StoreUrl):
        return ()
    replaced = [shard for shard in release.shards if shard.name in names] if release else []
    ended = [_Ended(shard.name, shard.container, "the next release replaces it") for shard in replaced]
    if withdrawn:
        ended += _left_over(project, release)
        unneeded = orphaned_shards.unneeded_shards(project, withdrawn)
        ended += [_Ended(name, kind, "the next plan has no record for it") for name, kind in unneeded.items()]
    return _report(_find(project, ended), deleted=False).files


def _ended(project: Project, release: Release | None, now: str) -> list[_Ended]:
    """Return the shards that should no longer be shared: obsolete ones, and those in no release and no plan."""
    if release is None:
        return _left_over(project, release)
    rule = SharingRule(release, now=now)
    ended = []
    for shard in release.shards:
        if shard.obsolete:
            why = rule.withheld(shard.name)
            by = ", ".join(shard.superseded_by[:3])
            reason = why.reason if why else f"it was replaced by {by}" if by else "it was replaced"
            ended.append(_Ended(shard.name, shard.container, reason))
    return ended + _left_over(project, release)


def _left_over(project: Project, release: Release | None) -> list[_Ended]:
    """Return the packed shards that are in no release and not in the plan."""
    found = orphaned_shards.unplanned_shards(project, release)
    return [_Ended(name, kind, "it is in no release and not in the plan", forget=True) for name, kind in found.items()]


def _report(found: _Found, *, deleted: bool) -> PruneReport:
    """Return the report."""
    files = tuple(each for each, _ in found.files)
    return PruneReport(files=files, size=sum(each.size for each in files), deleted=deleted, kept=tuple(found.kept))


def _find(project: Project, ended: Sequence[_Ended]) -> _Found:
    """Return the files of some shards that this project made."""
    found = _Found()
    if isinstance(project.shards_location, StoreUrl):
        if ended:
            _in_store(project, project.shards_location, ended, found)
        return found
    for shard in ended:
        if shard.container == "tar":
            _in_folder(project, shard, found)
        else:
            _bag_files(project, shard, found)
    return found


def _packed_size(project: Project, shard: _Ended) -> int | None:
    """Return the size of the tar that this project packed; None if it did not pack the shard."""
    made = read_packed(project, shard.name)
    return made.size if made else None


def _forgetting(project: Project, shard: _Ended, delete: Callable[[], object]) -> Callable[[], object]:
    """Return a function that deletes a shard's tar, and its documents if they are no longer needed."""

    def both() -> None:
        delete()
        atomic_files.remove_tree(project.packed(shard.name))
        atomic_files.remove_file(project.places(shard.name))

    return both if shard.forget else delete


def _in_folder(project: Project, shard: _Ended, found: _Found) -> None:
    """Find a shard's tar in a folder, and its partial files from killed runs."""
    tar, ours = project.tar(shard.name), _packed_size(project, shard)
    owner = project_owner(project.state)
    beside = atomic_files.partial_path(tar, owner) if owner else None
    for path in filter(None, (tar, beside)):
        status = _status(path)
        if status is None:
            continue
        complete = stat.S_ISREG(status.st_mode) and status.st_size == ours
        if complete or (path == beside and stat.S_ISREG(status.st_mode) and ours is not None):
            delete = _forgetting(project, shard, partial(atomic_files.remove_file, path))
            found.add(path, status.st_size, shard.why, delete)
        else:
            what = f"another file has this name ({status.st_size} bytes)"
            found.kept.append(Issue(where=display_text(str(path)), what=what))


def _in_store(project: Project, place: StoreUrl, shards: Iterable[_Ended], found: _Found) -> None:
    """Find shards' tars in a store."""
    stored, store = stored_tars(project), open_store(place)
    for shard in shards:
        size = stored.get(f"{shard.name}.tar")
        if size is None:
            continue
        path = f"{store.name}/{shard.name}.tar"
        if size == _packed_size(project, shard):
            delete = _forgetting(project, shard, partial(store.delete, f"{shard.name}.tar"))
            found.add(path, size, shard.why, delete)
        else:
            found.kept.append(Issue(where=path, what=f"another file has this name ({size} bytes)"))


def _bag_files(project: Project, shard: _Ended, found: _Found) -> None:
    """Find the bag's own files in the folder of a shard that is kept as files. Its members are not deleted."""
    folder = project.folder(shard.name)
    there = {name: status for name in _TAG_FILES if (status := _status(folder / name))}
    if not there:
        return
    if _packed_size(project, shard) is None or not _are_ours(folder):
        found.kept.append(Issue(where=display_text(str(folder)), what="its tag files are not those of packing"))
        return

    def delete() -> None:
        for name in there:
            atomic_files.remove_file(folder / name)
        try:
            folder.rmdir()  # only if nothing else is in it
        except OSError:
            return
        atomic_files.fsync_folder(folder.parent)

    size = sum(status.st_size for status in there.values())
    found.add(folder, size, shard.why, _forgetting(project, shard, delete))


def _are_ours(folder: Path) -> bool:
    """Return whether a folder's tag files are a bag's: complete, with the digests of its tag manifest."""
    try:
        lines = read_limited(folder / bag.TAGMANIFEST, _TAG_FILE_MOST).decode().splitlines()
        listed = {line[66:]: line[:64] for line in lines}
        read = {name: read_limited(folder / name, _TAG_FILE_MOST) for name in bag.TAGGED}
    except (InputError, UnicodeDecodeError):
        return False
    return listed == {name: hashlib.sha256(data).hexdigest() for name, data in read.items()}


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a path without following links; None if it does not exist."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
