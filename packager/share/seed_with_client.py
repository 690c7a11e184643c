"""Adds tars to a running client, after it has verified them.

Bad tars are not added, because the client would download the missing pieces and write to the tar.
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
    """Verify tars, add the good ones to the client in place, and return the report.

    Withheld tars are not added. Tars that the client has already are not verified again, so that an interrupted
    run resumes. clock: monotonic, in seconds. Raises IncompleteError if the client does not answer,
    KeyboardInterrupt if `stop` returns True (tars that were added stay), InputError if there is no tar to add.
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
    every = [(torrents[0], _torrent_to_add(torrents)) for torrents in by_tar(found)]
    new = [(each, torrent) for each, torrent in every if known.isdisjoint(infohashes(torrent))]
    new_tars = {each.tar for each, _ in new}
    reported = [_added_tar(each, "present") for each, _ in every if each.tar not in new_tars]
    refused = list(seedables.refused)
    progress.begin("Checking", sum(each.file.size for each, _ in new))
    for each, torrent in new:
        bad = _misnamed(each) or fault(each, workers=workers, advance=advance)
        try:
            if bad is None:
                reported.append(_added_tar(each, "added" if client.add(torrent) else "present"))
        except InputError as error:
            bad = Issue(where=display_text(str(each.tar)), what=error.advice)
        if bad is not None:
            refused.append(bad)
            progress.note(f"{bad.where}: not given: {bad.what}")
    progress.end()
    if new:
        how = "shares them without another check" if client.trusts else "verifies them again before it shares them"
        progress.note(f"all added tars were verified here; {client.name} {how}")
    return SeedReport(
        seconds=clock() - began,
        port=0,
        uploaded=0,
        peers=0,
        torrents=(),
        refused=tuple(refused),
        withheld=tuple(seedables.withheld),
        client=client.name,
        added=tuple(sorted(reported, key=lambda each: each.name)),
    )


def _added_tar(each: Seedable, state: Literal["added", "present"]) -> AddedTar:
    """Return the report of a tar that the client has."""
    return AddedTar(name=display_text(each.tar.name), state=state, evidence=each.evidence)


def _torrent_to_add(torrents: Sequence[Seedable]) -> TorrentToAdd:
    """Return the torrent to add for a tar. Its save path is the tar's folder."""
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
    """Return an issue if a client would look for the data elsewhere and download it there; else None."""
    if isinstance(each.file, FolderTorrent) and each.file.places:
        what = "a client needs the members in this folder, but they are elsewhere; use: packager seed --from DIR"
        return Issue(where=display_text(str(each.tar)), what=what)
    if each.tar.name == each.file.name:
        return None
    return Issue(
        where=display_text(str(each.tar)),
        what=f'its torrent calls it "{display_text(each.file.name)}"; rename it, or make a link with this name',
    )
