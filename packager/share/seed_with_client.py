"""Tars given to a client that runs already: each is read in full first, and one that is not right is not given.

A client that is given a wrong tar would write to it, since it fetches what is missing.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from packager.core.reports.issues import Issue
from packager.core.reports.reports import AddedTar, SeedReport
from packager.engine.clients import Client, TorrentToAdd
from packager.engine.clients.client import infohashes
from packager.engine.files.shard_torrent import FolderTorrent
from packager.errors import InputError
from packager.paths import display_text
from packager.progress import Progress
from packager.share.seedable import Seedable, Seedables, by_tar, fault


def seed_with_client(
    client: Client,
    seedables: Seedables,
    *,
    workers: int,
    stop: Callable[[], bool],
    clock: Callable[[], float],
    progress: Progress,
) -> SeedReport:
    """Give the client every right tar that it does not have, where it lies, and return what became of each.

    What is withheld is not given. What the client has is not read again, so that an
    interrupted run goes on. clock: seconds that only go up. Raises IncompleteError where the client does not
    answer, KeyboardInterrupt where `stop` says so; what was given by then stays given. Raises InputError where
    there is no tar to give.
    """
    found = seedables.found
    if not found:
        raise seedables.nothing()
    began = clock()

    def advance(size: int) -> None:
        if stop():
            raise KeyboardInterrupt
        progress.advance(size)

    known = set(client.held())
    every = [(torrents[0], _handover(torrents)) for torrents in by_tar(found)]
    new = [(each, handover) for each, handover in every if known.isdisjoint(infohashes(handover))]
    given = {each.tar for each, _ in new}
    handed = [_handed(each, "present") for each, _ in every if each.tar not in given]
    not_given = list(seedables.refused)
    progress.begin("Checking", sum(each.file.size for each, _ in new))
    for each, handover in new:
        bad = _misnamed(each) or fault(each, workers=workers, advance=advance)
        try:
            if bad is None:
                handed.append(_handed(each, "added" if client.add(handover) else "present"))
        except InputError as error:
            bad = Issue(where=display_text(str(each.tar)), what=error.advice)
        if bad is not None:
            not_given.append(bad)
            progress.note(f"{bad.where}: not given: {bad.what}")
    progress.end()
    if given:
        how = "shares them as they are" if client.trusts else "reads them once more before it shares them"
        progress.note(f"each tar given was read here and found right; {client.name} {how}")
    return SeedReport(
        seconds=clock() - began,
        port=0,
        uploaded=0,
        peers=0,
        torrents=(),
        refused=tuple(not_given),
        withheld=tuple(seedables.withheld),
        client=client.name,
        added=tuple(sorted(handed, key=lambda each: each.name)),
    )


def _handed(each: Seedable, state: Literal["added", "present"]) -> AddedTar:
    """Return what is reported of a tar that the client has."""
    return AddedTar(name=display_text(each.tar.name), state=state, evidence=each.evidence)


def _handover(torrents: Sequence[Seedable]) -> TorrentToAdd:
    """Return a tar as a client is given it: it is saved where it lies."""
    first, *twins = torrents
    return TorrentToAdd(
        name=first.file.name.removesuffix(".tar"),
        torrent=first.file.torrent,
        twin_torrent=twins[0].file.torrent if twins else None,
        save_path=first.tar.absolute().parent,
        label="",
        paused=False,
        verified=True,
    )


def _misnamed(each: Seedable) -> Issue | None:
    """Return that a client would look for the tar under another name, and fetch it there, if so."""
    if isinstance(each.file, FolderTorrent) and each.file.places:
        what = (
            "its members do not lie in it, and a client looks for them there; share it with: packager seed --from DIR"
        )
        return Issue(where=display_text(str(each.tar)), what=what)
    if each.tar.name == each.file.name:
        return None
    return Issue(
        where=display_text(str(each.tar)),
        what=f'its torrent calls it "{display_text(each.file.name)}"; rename it, or link it so',
    )
