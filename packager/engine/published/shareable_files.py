"""Whether a file on this disk may be handed out: asked of every release, project and mirror around it. Reads only."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from packager.core.releases import documents
from packager.core.releases.withdrawn_records import waiting_shards
from packager.core.releases.withheld_shards import SharingRule
from packager.core.reports.withheld import Withheld
from packager.engine.files.file_stamp import FileStamp
from packager.engine.project import state_files
from packager.engine.project.project import STATE, Project
from packager.engine.project.state_files import read_withdrawals
from packager.engine.published.accept_release import read_local_release
from packager.engine.published.release_reader import MIRRORED, RELEASE
from packager.model import Plan

_OF_MIRROR = Path(MIRRORED, RELEASE)
_Stamps: TypeAlias = tuple[FileStamp | None, ...]


class ShareableFiles:
    """The rule (core/releases/withheld_shards.py) for files anywhere.

    Each release and plan is read once, and again after `refresh` finds that it changed; memory: those.
    """

    def __init__(self, now: Callable[[], str]) -> None:
        """Answer as of the time when a document is read. now: returns it, RFC 3339."""
        self._now = now
        self._here = Path(os.path.abspath("here"))  # as it is now: a long run may outlive its current folder
        self._known: dict[Path, tuple[_Stamps, list[SharingRule]]] = {}

    def refresh(self) -> bool:
        """Forget each release, plan and note that changed on disk since it was read; return whether any did."""
        changed = [folder for folder, (stamps, _) in self._known.items() if _stamps(folder) != stamps]
        for folder in changed:
            del self._known[folder]
        return bool(changed)

    def withheld(self, places: Iterable[Path], name: str, *hashes: str, size: int | None = None) -> Withheld | None:
        """Return why a file is not handed out; None: it may be, as far as is known here.

        places: the file, its documents and its torrent: what is asked lies in a folder above one of them, or above the
        current folder. name, hashes, size: as for HandOut.withheld_file. Raises InputError for a broken document.
        """
        for hand_out in self._around(places):
            found = hand_out.withheld_file(name, *hashes, size=size)
            if found is not None:
                return found
        return None

    def _around(self, places: Iterable[Path]) -> Iterator[SharingRule]:
        """Yield what is known in the folders above some paths and above the current folder."""
        folders = (above for place in (*places, self._here) for above in Path(os.path.abspath(place)).parents)
        for folder in dict.fromkeys(folders):
            if folder not in self._known:
                stamps = _stamps(folder)  # before it is read, so that no later change is missed
                self._known[folder] = stamps, list(_of_folder(folder, self._now()))
            yield from self._known[folder][1]


def _stamps(folder: Path) -> _Stamps:
    """Return the stamps of what `_of_folder` reads."""
    state = Project(folder / "packager.toml", folder, None, folder, folder)
    paths = (folder / RELEASE, folder / _OF_MIRROR, state.releases, state.plan, state.packed_folder, state.withdrawals)
    return tuple(FileStamp.at(path) for path in paths)


def _of_folder(folder: Path, now: str) -> Iterator[SharingRule]:
    """Yield what a release, a project and a mirror in a folder say. Raises InputError for a broken document."""
    for path in (folder / RELEASE, folder / _OF_MIRROR):
        if path.is_file():
            yield SharingRule(read_local_release(path), now=now)
    if (folder / STATE).is_dir():
        state = Project(folder / "packager.toml", folder, None, folder, folder)  # of whose paths three are read
        yield shareable_files_of(state, now)


def shareable_files_of(project: Project, now: str) -> SharingRule:
    """Return the rule for a project's shards, by its last release, what it planned or packed, and withdrew since."""
    last = state_files.read_last_release(project)
    listed = {shard.name for shard in last.shards} if last else set()
    packed = project.packed_folder  # also of earlier plans, whose tars may be here although nothing has them now
    planned = dict.fromkeys({path.name for path in packed.iterdir()} - listed, "") if packed.is_dir() else {}
    if project.plan.is_file():
        plan = documents.from_bytes(project.plan.read_bytes(), Plan, project.plan)
        shards = ((shard.name, phase.name) for phase in plan.phases for shard in phase.shards)
        planned.update((name, phase) for name, phase in shards if name not in listed)
    waiting = waiting_shards(last, read_withdrawals(project)) if last else ()
    return SharingRule(last, now=now, planned=planned, waiting=waiting)
