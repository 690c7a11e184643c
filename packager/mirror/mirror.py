"""`mirror follow`, `mirror sync` and `mirror run`: follow the release, then fetch or hand over."""

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
from packager.errors import InputError, PackagerError
from packager.mirror.context import AGREE_TO_PLANS, RunContext
from packager.mirror.fetch_shards import fetch_shards
from packager.mirror.fetch_with_client import add_to_client, stop_withheld
from packager.mirror.follow import StepResult, follow_release
from packager.mirror.mirror_options import MirrorOptions, MirrorTask
from packager.mirror.mirror_settings import Settings
from packager.mirror.state import MirrorFolder
from packager.paths import display_text

BUILTIN, NONE = "builtin", "none"
_POLL_SECONDS = 0.5
_KEYS = {"--where": "follow[0].where", "--phase": "follow[0].phases", "--client": "mirror.client"}  # of mirror.toml


def run_mirror(folder: MirrorFolder, task: MirrorTask, around: RunContext) -> MirrorReport:
    """Accept the newest release, choose shards, and fetch them or add them to a client; return the report.

    A dry run takes no lock and writes nothing. Raises TrustError for a release that is refused, with nothing changed,
    InputError for a wrong setting: it names the key in mirror.toml if that is where the value comes from.
    """
    try:
        return _run_mirror(folder, task, around)
    except InputError as error:
        if task.source is None and error.where in _KEYS:
            where = f"{display_text(str(folder.config))}: {_KEYS[error.where]}"
            raise InputError(where, error.what, error.fix) from error
        raise


def _run_mirror(folder: MirrorFolder, task: MirrorTask, around: RunContext) -> MirrorReport:
    """Do as `run_mirror` says; errors name options."""
    if task.dry_run:
        keep, settings = task.settings(folder.settings())
        if task.options.mirror_id is None and not folder.is_mirror:
            around.progress.note("this mirror has no id yet; this plan uses a random one. To choose it: --mirror-id")
        stepped = follow_release(folder, keep, settings, task, around)
        _warn(stepped, around)
        return _report(stepped, settings)
    with _without_trace(folder), atomic_files.lock_state_folder(folder.state, "mirror"):
        keep, settings = task.settings(folder.settings())
        _client(settings)  # a wrong one is refused before anything is done
        stepped = follow_release(folder, keep, settings, task, around)
        _warn(stepped, around)
        if stepped.mirror is None or not task.fetch:
            return _report(stepped, settings)
        return _work(folder, stepped, settings, task, around)


def _client(settings: Settings) -> Client | None:
    """Return the client that fetches; None if that is this process, or no one. Raises InputError."""
    return None if settings.client in (BUILTIN, NONE) else open_client(settings.client)


def _work(
    folder: MirrorFolder, stepped: StepResult, settings: Settings, task: MirrorTask, around: RunContext
) -> MirrorReport:
    """Fetch or hand over, and follow each new release that appears meanwhile; return all that was done.

    A release that is refused, or cannot be fetched, changes nothing: a warning names it, and the work continues.
    """
    again, quiet = replace(task, source=None, options=MirrorOptions()), replace(around, ask=AGREE_TO_PLANS)
    watch = NewRelease(settings, stepped, around)
    began, received, sent = around.clocks.steady(), 0, 0
    while True:
        used = around.clocks.steady() - began
        limit = task.run.stop_after
        left = task.run if limit is None else replace(task.run, stop_after=max(0.0, limit - used))
        if settings.client == BUILTIN and (stepped.shards or task.share):
            fetched = fetch_shards(folder, stepped.shards, settings, left, around, share=task.share, changed=watch.look)
            received, sent = received + fetched.downloaded, sent + fetched.uploaded
            seconds = around.clocks.steady() - began
            fetched = msgspec.structs.replace(fetched, downloaded=received, uploaded=sent, seconds=seconds)
            complete = fetched.complete == len(stepped.shards)
            report = _report(stepped, settings, fetched=fetched, complete=complete)
        else:
            report = _handed(folder, stepped, settings, around)
            if task.share:
                _wait(left.stop_after, around, watch)
        if not watch.found:
            return report
        try:
            keep, new = again.settings(folder.settings())
            _client(new)
            stepped, settings = follow_release(folder, keep, new, again, quiet), new
            _warn(stepped, around)
        except PackagerError as error:
            around.progress.note(f"warning: {error}")
            watch.look_again()
        watch.found, watch.settings = False, settings


def _wait(seconds: float | None, around: RunContext, watch: "NewRelease") -> None:
    """Wait for a new release, the end of the time (None: no end), or the order to stop."""
    end = None if seconds is None else around.clocks.steady() + seconds
    while not around.stop() and not watch.look() and (end is None or around.clocks.steady() < end):
        around.clocks.wait(_POLL_SECONDS)


class NewRelease:
    """Checks at intervals whether the source has a new release.json."""

    def __init__(self, settings: Settings, stepped: StepResult, around: RunContext) -> None:
        """Look as often as the settings say, first after that time."""
        self.settings, self._around = settings, around
        self._digest = stepped.mirror.followed.digest if stepped.mirror else ""
        self._looked = around.clocks.steady()
        self.found = False

    def look(self) -> bool:
        """Return whether there is a new release, or mirror.toml must be read again; False if the source is silent."""
        now = self._around.clocks.steady()
        if self._around.reload():
            self.found = True
        if self.found or now - self._looked < self.settings.check_every:
            return self.found
        self._looked = now
        settings = self.settings
        try:
            with open_release_reader(settings.source, seconds=settings.timeout, allowed=settings.allowed) as source:
                digest = documents.digest(source.read(RELEASE, documents.LIMIT))
        except PackagerError as error:
            self._around.progress.note(f"warning: {error}")
            return False
        self.found, self._digest = digest != self._digest, digest
        return self.found

    def look_again(self) -> None:
        """Report the same one as new the next time too, because it was refused or could not be fetched."""
        self._digest = ""


@contextmanager
def _without_trace(folder: MirrorFolder) -> Iterator[None]:
    """Remove the folders that the block created if the first release was refused or declined."""
    missing = [each for each in (folder.state, folder.folder) if not each.exists()]
    try:
        yield
    finally:
        if folder.state in missing and not (folder.state / "mirror.json").is_file():
            atomic_files.remove_tree(folder.state)
            if folder.folder in missing:
                with suppress(OSError):  # other files are in it
                    folder.folder.rmdir()


def _warn(stepped: StepResult, around: RunContext) -> None:
    """Show the warnings before the long work begins."""
    for warning in stepped.warnings:
        around.progress.note(f"warning: {warning}")


def _handed(folder: MirrorFolder, stepped: StepResult, settings: Settings, around: RunContext) -> MirrorReport:
    """Add the shards to a running client, if one is set, and return the report."""
    client = _client(settings)
    if client is None:
        complete = all(each.on_disk == "complete" for each in stepped.plan.chosen)
        return _report(stepped, settings, complete=complete)
    stopped = stop_withheld(client, stepped.release, around.clocks.now())
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
    """Return the report."""
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
