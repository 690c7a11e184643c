"""`mirror follow` and `mirror sync`: one step along the release, then the shards fetched or handed over."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import msgspec

from packager.core.releases import documents
from packager.core.reports.issues import Issue
from packager.core.reports.mirror_reports import FetchReport, MirrorReport
from packager.engine.clients import Client, open_client
from packager.engine.files import atomic_files
from packager.engine.published.release_reader import RELEASE, open_release_reader
from packager.errors import PackagerError
from packager.mirror.context import AGREE_TO_PLANS, RunContext
from packager.mirror.fetch_shards import fetch_shards
from packager.mirror.fetch_with_client import add_to_client, stop_withheld
from packager.mirror.follow import StepResult, follow_release
from packager.mirror.mirror_options import MirrorOptions, RunOptions, settings_of
from packager.mirror.state import MirrorFolder, Settings

BUILTIN, NONE = "builtin", "none"


def run_mirror(
    folder: MirrorFolder, source: str | None, options: MirrorOptions, run: RunOptions, around: RunContext
) -> MirrorReport:
    """Follow, choose, and fetch or hand over; return what was done.

    source: where the release is; None: where the one is that is followed here. A dry run takes no lock and writes
    nothing. Raises TrustError for a release that is refused, with nothing changed.
    """
    if run.dry_run:
        settings = _settings(folder, source, options, run)
        if options.mirror_id is None and folder.load() is None:
            around.progress.note(
                "this mirror has no id yet and one was drawn for this plan; --mirror-id keeps it the same"
            )
        stepped = follow_release(folder, settings, options, run, around)
        _warn(stepped, around)
        return _report(stepped, settings)
    with _without_trace(folder), atomic_files.lock_state_folder(folder.state, "mirror"):
        settings = _settings(folder, source, options, run)
        client = None if settings.client in (BUILTIN, NONE) else open_client(settings.client)
        stepped = follow_release(folder, settings, options, run, around)
        _warn(stepped, around)
        if stepped.mirror is None:
            return _report(stepped, settings)
        stopped = stop_withheld(client, stepped.release, around.clocks.now()) if client else ()
        if not stepped.shards:
            return _report(stepped, settings, stopped=stopped, complete=True)
        if settings.client == BUILTIN:
            stepped, fetched = _fetch_on(folder, stepped, settings, run, around)
            return _report(stepped, settings, fetched=fetched, complete=fetched.complete == len(stepped.shards))
        return _handed(folder, stepped, settings, client, stopped)


def _settings(folder: MirrorFolder, source: str | None, options: MirrorOptions, run: RunOptions) -> Settings:
    """Return the settings that hold now: those that are given, then those that are kept. Raises InputError."""
    held = folder.required() if source is None else folder.load()
    kept = held.settings if held is not None else None
    return settings_of(kept, source or (kept.source if kept else ""), options, run)


def _fetch_on(
    folder: MirrorFolder, stepped: StepResult, settings: Settings, run: RunOptions, around: RunContext
) -> tuple[StepResult, FetchReport]:
    """Fetch and share, and take each new release that appears meanwhile; return the last step and all that was done.

    A release that is refused, or cannot be fetched, changes nothing: a warning names it, and sharing goes on.
    """
    around = replace(around, ask=AGREE_TO_PLANS)
    watch = NewRelease(settings, stepped, run.check_every, around)
    began, received, sent = around.clocks.steady(), 0, 0
    while True:
        used = around.clocks.steady() - began
        left = run if run.stop_after is None else replace(run, stop_after=max(0.0, run.stop_after - used))
        fetched = fetch_shards(folder, stepped.shards, settings, left, around, changed=watch.look)
        received, sent = received + fetched.downloaded, sent + fetched.uploaded
        if not watch.found:
            seconds = around.clocks.steady() - began
            return stepped, msgspec.structs.replace(fetched, downloaded=received, uploaded=sent, seconds=seconds)
        try:
            stepped = follow_release(folder, settings, MirrorOptions(), run, around)
            _warn(stepped, around)
        except PackagerError as error:
            around.progress.note(f"warning: {error}")
            watch.look_again()
        watch.found = False


class NewRelease:
    """Looks at intervals whether the source has another release.json than the one that was looked at last."""

    def __init__(self, settings: Settings, stepped: StepResult, every: float, around: RunContext) -> None:
        """Look each `every` seconds, first after the same time."""
        self._settings, self._every, self._around = settings, every, around
        self._digest = stepped.mirror.followed.digest if stepped.mirror else ""
        self._looked = around.clocks.steady()
        self.found = False

    def look(self) -> bool:
        """Say whether there is another one; a source that does not answer has none."""
        now = self._around.clocks.steady()
        if self.found or now - self._looked < self._every:
            return self.found
        self._looked = now
        try:
            allowed = self._settings.allowed
            with open_release_reader(self._settings.source, seconds=self._around.seconds, allowed=allowed) as source:
                digest = documents.digest(source.read(RELEASE, documents.LIMIT))
        except PackagerError as error:
            self._around.progress.note(f"warning: {error}")
            return False
        self.found, self._digest = digest != self._digest, digest
        return self.found

    def look_again(self) -> None:
        """Take the same one for a new one the next time, too: it was refused, or did not come."""
        self._digest = ""


@contextmanager
def _without_trace(folder: MirrorFolder) -> Iterator[None]:
    """Remove at the end what the block made of a mirror, if it is none: the first release was refused or declined."""
    missing = [each for each in (folder.state, folder.folder) if not each.exists()]
    try:
        yield
    finally:
        if folder.state in missing and not (folder.state / "mirror.json").is_file():
            atomic_files.remove_tree(folder.state)
            if folder.folder in missing:
                with suppress(OSError):  # something else is in it
                    folder.folder.rmdir()


def _warn(stepped: StepResult, around: RunContext) -> None:
    """Say what the owner should know before the long work begins."""
    for warning in stepped.warnings:
        around.progress.note(f"warning: {warning}")


def _handed(
    folder: MirrorFolder, stepped: StepResult, settings: Settings, client: Client | None, stopped: tuple[str, ...]
) -> MirrorReport:
    """Hand over to a client that runs, or to nobody."""
    if client is None:
        whole = all(each.on_disk == "complete" for each in stepped.plan.chosen)
        return _report(stepped, settings, complete=whole)
    handed, refused = add_to_client(client, folder, stepped.shards, label=stepped.plan.collection)
    return _report(stepped, settings, stopped=stopped, handed=handed, refused=refused, complete=not refused)


def _report(
    stepped: StepResult,
    settings: Settings,
    *,
    stopped: tuple[str, ...] = (),
    handed: tuple[str, ...] = (),
    refused: tuple[Issue, ...] = (),
    fetched: FetchReport | None = None,
    complete: bool = False,
) -> MirrorReport:
    """Return what was done."""
    return MirrorReport(
        plan=stepped.plan,
        applied=stepped.mirror is not None,
        warnings=stepped.warnings,
        client=settings.client,
        stopped=stopped,
        added=handed,
        refused=refused,
        fetched=fetched,
        complete=complete,
    )
