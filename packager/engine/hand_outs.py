"""Whether a file on this disk may be handed out: asked of every release, project and mirror around it. Reads only."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from packager import documents
from packager.engine import releases
from packager.engine.limited import read_limited
from packager.engine.withdrawals import read_withdrawals
from packager.engine.workspace import STATE, Workspace
from packager.hand_out import HandOut, Withheld
from packager.model import Plan, Release
from packager.withdrawn import waiting_shards

RELEASE = "release.json"
_OF_MIRROR = Path(".packager-mirror", "release", RELEASE)


class HandOuts:
    """The rule (packager.hand_out) for files anywhere. Each release and plan is read once; memory: those."""

    def __init__(self, now: str) -> None:
        """Answer as of `now`, RFC 3339."""
        self._now = now
        self._known: dict[Path, list[HandOut]] = {}

    def withheld(self, places: Iterable[Path], name: str, *infohashes: str) -> Withheld | None:
        """Return why a file is not handed out; None: it may be, as far as is known here.

        places: the file, its documents and its torrent: what is asked lies in a folder above one of them, or above the
        current folder. name, infohashes: as for HandOut.withheld_file. Raises InputError for a broken document.
        """
        for hand_out in self._around(places):
            found = hand_out.withheld_file(name, *infohashes)
            if found is not None:
                return found
        return None

    def _around(self, places: Iterable[Path]) -> Iterator[HandOut]:
        """Yield what is known in the folders above some paths and above the current folder."""
        folders = (above for place in (*places, Path("here")) for above in Path(os.path.abspath(place)).parents)
        for folder in dict.fromkeys(folders):
            if folder not in self._known:
                self._known[folder] = list(_of_folder(folder, self._now))
            yield from self._known[folder]


def _of_folder(folder: Path, now: str) -> Iterator[HandOut]:
    """Yield what a release, a project and a mirror in a folder say. Raises InputError for a broken document."""
    for path in (folder / RELEASE, folder / _OF_MIRROR):
        if path.is_file():
            yield HandOut(documents.from_bytes(read_limited(path, documents.LIMIT), Release, path), now=now)
    if (folder / STATE).is_dir():
        state = Workspace(folder / "packager.toml", folder, None, folder, folder)  # of whose paths three are read
        yield of_project(state, now)


def of_project(workspace: Workspace, now: str) -> HandOut:
    """Return the rule for the shards of a project, by its last release, its plan and what was withdrawn since."""
    last = releases.last_release(workspace)
    listed = {shard.name for shard in last[0].shards} if last else set()
    planned: dict[str, str] = {}
    if workspace.plan.is_file():
        plan = documents.from_bytes(workspace.plan.read_bytes(), Plan, workspace.plan)
        shards = ((shard.name, phase.name) for phase in plan.phases for shard in phase.shards)
        planned.update((name, phase) for name, phase in shards if name not in listed)
    waiting = waiting_shards(last[0], read_withdrawals(workspace)) if last else ()
    return HandOut(last[0] if last else None, now=now, planned=planned, waiting=waiting)
