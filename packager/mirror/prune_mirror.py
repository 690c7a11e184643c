"""Delete tars of a mirror that should not be shared any more. Only tars that this mirror fetched are deleted."""

from collections.abc import Callable
from functools import partial

from packager.core.reports.issues import Issue
from packager.core.reports.mirror_reports import Removable
from packager.core.reports.reports import PruneItem, PruneReport
from packager.engine.clients import open_client
from packager.errors import PackagerError
from packager.mirror import local_shards
from packager.mirror.fetch_documents import read_torrent
from packager.mirror.fetch_with_client import stop_withheld
from packager.mirror.mirror import BUILTIN, NONE
from packager.mirror.state import MirrorFolder
from packager.model import ShardName
from packager.paths import display_text
from packager.progress import Progress


def prune_mirror(
    folder: MirrorFolder, ask: Callable[[PruneReport], bool], *, now: str, dry_run: bool, progress: Progress
) -> PruneReport:
    """Delete the tars of obsolete and withheld shards, durably and if `ask` agrees. Return the report.

    First stop them in the torrent client, if it answers. now: RFC 3339. The caller must have locked the state,
    unless it is a dry run. Raises IncompleteError if a tar cannot be deleted.
    """
    mirror = folder.required()
    release = folder.load_release(mirror)
    chosen = (each.name for each in mirror.chosen)
    proofs = folder.proofs()
    fetched = local_shards.fetched_here(mirror, proofs)
    read = partial(read_torrent, folder, None)
    found = local_shards.find_local_shards(folder, release, proofs, read, may_write=False)
    ended = [each for each in local_shards.removable(release, found, chosen, fetched, now=now) if each.ended]
    planned = _report(folder, ended, deleted=False)
    if dry_run or not planned.files or not ask(planned):
        return planned
    settings = folder.settings() or mirror.settings
    if settings.client not in (BUILTIN, NONE):
        try:
            stop_withheld(open_client(settings.client), release, now)
        except PackagerError as error:
            progress.note(f"warning: {error}")
    local_shards.remove(folder, (ShardName(each.name) for each in ended if each.prune))
    return _report(folder, ended, deleted=True)


def _report(folder: MirrorFolder, ended: list[Removable], *, deleted: bool) -> PruneReport:
    """Return the report of deleted and kept files."""
    files = tuple(
        PruneItem(path=display_text(str(folder.tar(ShardName(each.name)))), size=each.size, reason=each.reason)
        for each in ended
        if each.prune
    )
    kept = tuple(
        Issue(where=display_text(str(folder.tar(ShardName(each.name)))), what="this mirror did not fetch it")
        for each in ended
        if not each.prune
    )
    return PruneReport(files=files, size=sum(each.size for each in files), deleted=deleted, kept=kept)
