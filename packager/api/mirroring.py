"""What mirrors do: follow a publisher, hold a part of the release, say what is held."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import msgspec

from packager.api.arguments import AnyPath, as_path, as_text, as_texts
from packager.api.workers import now, worker_count
from packager.core.http.allowed_hosts import allowed_hosts
from packager.core.reports.mirror_reports import MirrorReport, MirrorStatus
from packager.core.reports.reports import PruneReport
from packager.engine.files import atomic_files
from packager.engine.files.write_errors import free_bytes
from packager.engine.network.connection_options import PeerOptions
from packager.engine.published.release_reader import normal as normal_source
from packager.mirror import mirror as mirroring
from packager.mirror import prune_mirror as pruning
from packager.mirror import status as mirror_states
from packager.mirror.context import Clocks, Confirmations, RunContext
from packager.mirror.fetch_shards import FetchOptions
from packager.mirror.follow import FirstTrust, StepOptions
from packager.mirror.state import MirrorFolder, MirrorState, Settings, settings_of
from packager.model import AskFor, Strategy
from packager.progress import SILENT, Progress

_UNTIL_DONE = FetchOptions(PeerOptions(), until_done=True)
AGREE_TO_PLANS = Confirmations(key=lambda _: False, plan=lambda _: True)  # and to no key


def mirror_follow(
    source: AnyPath,
    to: AnyPath,
    *,
    budget: int | None = None,
    key: AnyPath | None = None,
    unsigned: bool = False,
    start: int | None = None,
    strategy: Strategy | None = None,
    phases: str | Sequence[str] | None = None,
    where: str | None = None,
    mirror_id: str | None = None,
    counts: AskFor | None = None,
    allow_hosts: str | Sequence[str] = (),
    reserve: int | None = None,
    client: str | None = None,
    max_age: int | None = None,
    how: FetchOptions | None = None,
    ask: Confirmations = AGREE_TO_PLANS,
    dry_run: bool = False,
    timeout: float = 30,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Follow the release at `source`, a URL or folder, into the folder `to`: choose shards, and fetch them.

    Settings that are None stay as they are kept in `to`. These are budget and reserve (bytes), strategy, phases, where
    (SQL), mirror_id, counts, client and max_age (seconds). The first time a budget is needed; the others are 50 GiB,
    "spread", all, all, a random id, "auto", "builtin" and 180 days. phases, where: choose only among these; () and ""
    mean all again. counts: where seed counts come from; "auto": the release's list, its trackers if that has none
    or old ones, and the DHT if they do not answer and `how` uses it. client: "builtin", "none", or a client's address.

    key: the publisher's key line or file, which is pinned; None: the one beside the release, if `ask` agrees to it.
    allow_hosts: HOST[:PORT], which may be contacted although they are not on the public Internet, or the release is
    redirected to them; none: those kept here.
    unsigned: there is none. start: the serial of the first release that is checked, if only a key is known that was
    replaced since; None: the newest. timeout: seconds. how: of the built-in client; None: fetch all, then end.
    Raises TrustError for what is refused, with nothing changed.
    """
    source = as_text(source)
    phases = as_texts(phases)
    allow_hosts = as_texts(allow_hosts)

    def settings(held: MirrorState | None) -> Settings:
        if dry_run and held is None and mirror_id is None:
            progress.note("this mirror has no id yet and one was drawn for this plan; --mirror-id keeps it the same")
        given = {
            "budget": budget,
            "strategy": strategy,
            "mirror_id": mirror_id,
            "phases": None if phases is None else tuple(phases),
            "where": where,
            "reserve": reserve,
            "client": client,
            "max_age": max_age,
            "counts": counts,
            "allow_hosts": tuple(allow_hosts) or None,
        }
        return settings_of(held.settings if held else None, normal_source(source), given)

    allowed_hosts(allow_hosts)  # wrong ones are refused before anything is done
    how = how or _UNTIL_DONE
    request = StepOptions(settings, ask, FirstTrust(as_text(key), unsigned, start), how.reach, dry_run=dry_run)
    return mirroring.run_mirror(MirrorFolder(as_path(to)), request, how, _around(timeout, stop, progress))


def mirror_sync(
    to: AnyPath,
    *,
    how: FetchOptions | None = None,
    allow_hosts: str | Sequence[str] = (),
    ask: Confirmations = AGREE_TO_PLANS,
    dry_run: bool = False,
    timeout: float = 30,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> MirrorReport:
    """Bring what is followed in the folder `to` up to date, by the wishes that `mirror_follow` kept.

    The others as in `mirror_follow`.
    """
    allow_hosts = as_texts(allow_hosts)
    folder = MirrorFolder(as_path(to))
    folder.required()
    allowed_hosts(allow_hosts)  # wrong ones are refused before anything is done
    how = how or _UNTIL_DONE

    def settings(_: MirrorState | None) -> Settings:
        kept = folder.required().settings
        return msgspec.structs.replace(kept, allow_hosts=tuple(allow_hosts) or kept.allow_hosts)

    request = StepOptions(settings, ask, reach=how.reach, dry_run=dry_run)
    return mirroring.run_mirror(folder, request, how, _around(timeout, stop, progress))


def mirror_status(
    to: AnyPath,
    *,
    ask_client: bool = True,
    verify: bool = False,
    processes: int | None = None,
    progress: Progress = SILENT,
) -> MirrorStatus:
    """Return what the mirror in the folder `to` holds; its client is asked for seeding, ratio and peers.

    verify: read every whole tar in full first, with `processes`, and keep what was proved.
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
            workers=worker_count(processes),
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


def _around(timeout: float, stop: Callable[[], bool], progress: Progress) -> RunContext:
    """Return what a mirror's run meets on this machine."""
    return RunContext(_clocks(), free_bytes, timeout, stop, progress)


def _clocks() -> Clocks:
    """Return the clocks of this machine."""
    return Clocks(now=now, unix=time.time, steady=time.monotonic)
