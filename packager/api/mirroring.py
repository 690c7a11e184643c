"""What mirrors do: follow a publisher, hold a part of the release, say what is held."""

import time
from collections.abc import Callable
from contextlib import nullcontext

from packager.api.arguments import AnyPath, as_path, as_text
from packager.api.workers import now, worker_count
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.reports.mirror_reports import MirrorReport, MirrorStatus
from packager.core.reports.reports import PruneReport
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import free_bytes
from packager.engine.published.release_reader import parse_release_location
from packager.mirror import mirror as mirroring
from packager.mirror import prune_mirror as pruning
from packager.mirror import status as mirror_states
from packager.mirror.context import AGREE_TO_PLANS, Clocks, Confirmations, RunContext
from packager.mirror.mirror_options import MirrorOptions, RunOptions
from packager.mirror.state import MirrorFolder
from packager.progress import SILENT, Progress

_UNTIL_DONE = RunOptions(listen=":0", until_done=True)


def mirror_follow(
    source: AnyPath,
    to: AnyPath,
    options: MirrorOptions | None = None,
    run: RunOptions | None = None,
    *,
    ask: Confirmations = AGREE_TO_PLANS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Follow the release at `source`, a URL or folder, into the folder `to`: choose shards, and fetch them.

    options: they are kept in `to`, and those that are None stay as they are. run: None: fetch all, then end. ask: may
    agree to the key beside the release, if none is given, and to the plan. Raises TrustError for what is refused, with
    nothing changed.
    """
    folder, run = MirrorFolder(as_path(to)), run or _UNTIL_DONE
    around = _around(run, ask, stop, progress)
    return mirroring.run_mirror(
        folder, parse_release_location(as_text(source)), options or MirrorOptions(), run, around
    )


def mirror_sync(
    to: AnyPath,
    run: RunOptions | None = None,
    *,
    ask: Confirmations = AGREE_TO_PLANS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Bring what is followed in the folder `to` up to date, by the options that `mirror_follow` kept.

    The others as in `mirror_follow`.
    """
    folder, run = MirrorFolder(as_path(to)), run or _UNTIL_DONE
    folder.required()
    return mirroring.run_mirror(folder, None, MirrorOptions(), run, _around(run, ask, stop, progress))


def mirror_status(
    to: AnyPath,
    *,
    ask_client: bool = True,
    verify: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> MirrorStatus:
    """Return what the mirror in the folder `to` holds; its client is asked for seeding, ratio and peers.

    verify: read every whole tar in full first, with `workers`, and keep what was proved.
    """
    folder = MirrorFolder(as_path(to))
    with (
        atomic_files.lock_state_folder(folder.state, "mirror status") if verify and folder.required() else nullcontext()
    ):
        return mirror_states.mirror_status(
            folder,
            _clocks(),
            ask_client=ask_client,
            verify=verify,
            workers=worker_count(workers),
            progress=progress,
        )


def mirror_magnets(to: AnyPath) -> tuple[str, ...]:
    """Return the magnet links of the shards that the mirror in the folder `to` has chosen, and may hand out."""
    return mirror_states.mirror_magnets(MirrorFolder(as_path(to)), now())


def mirror_prune(
    to: AnyPath,
    *,
    ask: Callable[[PruneReport], bool] = lambda _: True,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> PruneReport:
    """Delete the tars of obsolete and withheld shards that the mirror in the folder `to` fetched; return which.

    ask: called with what would be deleted, if that is anything; nothing is deleted where it returns False. Raises
    InputError where nothing is followed there, IncompleteError where the system refuses.
    """
    folder = MirrorFolder(as_path(to))
    folder.required()
    with nullcontext() if dry_run else atomic_files.lock_state_folder(folder.state, "mirror prune"):
        return pruning.prune_mirror(folder, ask, now=now(), dry_run=dry_run, progress=progress)


def _around(run: RunOptions, ask: Confirmations, stop: Callable[[], bool], progress: Progress) -> RunContext:
    """Return what a mirror's run meets on this machine. Raises InputError for a peer or host that is none."""
    allowed_hosts(run.named_hosts)  # wrong ones are refused before anything is done, and so are peers
    run.find_peers()
    return RunContext(_clocks(), free_bytes, run.timeout, ask, stop, progress)


def _clocks() -> Clocks:
    """Return the clocks of this machine."""
    return Clocks(now=now, unix=time.time, steady=time.monotonic)
