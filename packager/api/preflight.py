"""Checks before the first byte is packed, the same for release, pack and publish.

- `check_project`: a signing key that cannot be read or used, or that mirrors would not accept; a wrong next key; a date
  before the last release; a site or shards folder that cannot be written or has other files; wrong templates
- `check_plan`: a plan that is out of date; more shards, trackers or web seeds than readers accept
- `check_opening`: a release without shards; an embargo on a published phase
- `check_unread`: files and folders that could not be read, unless that is allowed
- `check_space`: too little free space for the planned shards

The syntax of packager.toml is checked when it is read. The SQL of phases is checked on all records by the plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packager.api.workers import now
from packager.catalogue.warning_log import UNREAD, read_unread
from packager.core.releases.document_limits import check_limits
from packager.core.releases.next_release import check_date, check_publishable, check_signer, closed_phases, not_before
from packager.engine.files.write_errors import check_free, check_writable
from packager.engine.project import key_files, state_files
from packager.engine.project.project import Project
from packager.engine.project.state_files import check_current
from packager.errors import IncompleteError, InputError
from packager.model import Plan
from packager.options import Config
from packager.pack.plan import needed_space
from packager.pack.shard.pack_shard import ShardTask
from packager.progress import SILENT, Progress
from packager.publish import swap_folder
from packager.publish.site.check_templates import check_templates

Password = Callable[[], str]


def check_project(
    options: Config, project: Project, password: Password | None, *, progress: Progress = SILENT
) -> key_files.Signer | None:
    """Raise InputError if something needs no plan and would be refused after packing; return what signs the release.

    password: called once if release.secret_key has a password. None: nothing will be signed, so it is not needed.
    """
    last = state_files.read_last_release(project)
    signer = key_files.Signer(project.secret_key, password, progress=progress) if project.secret_key else None
    if signer:
        signer.check()
        if last and password:
            check_signer(last, signer.public)
    if project.next_public_key:
        key_files.read_public(project.next_public_key)
    check_date(options, last)
    state_files.check_releases(project)
    swap_folder.check_site_folder(project.site)
    if isinstance(project.shards_location, Path):
        check_writable(project.shards_location, "packager.toml: shards.folder")
    if project.templates:
        check_templates(options, project.templates, signed=signer is not None)
    return signer


def check_plan(options: Config, project: Project, plan: Plan) -> None:
    """Raise InputError if the plan is out of date, or a reader would refuse its release."""
    check_current(project, plan)
    check_limits(plan, options)


@dataclass(frozen=True)
class Opening:
    """The phases that a release publishes, and the embargo of each phase that stays closed."""

    phases: set[str]
    closed: Mapping[str, str]


def check_opening(options: Config, project: Project, plan: Plan, asked: Sequence[str] | None = None) -> Opening:
    """Return the phases that a release publishes now. asked: add these to the published ones; None: all.

    Raises InputError if no phase has a shard, if an asked phase is closed or empty, or if a published phase has an
    embargo.
    """
    every = {phase.name for phase in plan.phases}
    last = state_files.read_last_release(project)
    published = state_files.published_phases(project) & every
    closed = closed_phases(options, published=published, asked=asked or (), now=now(), latest=not_before(last, now()))
    if any(plan.closed.get(name) != date for name, date in closed.items()):
        raise InputError("the plan", "is out of date: an embargo changed since", "run: packager release")
    wanted = every - set(closed) if asked is None else {*asked, *published}
    check_publishable(plan, published=wanted, asked=asked or (), closed=closed, last=last)
    return Opening(wanted, closed)


def check_space(project: Project, tasks: Sequence[ShardTask]) -> None:
    """Raise IncompleteError if the disks have too little free space for the shards that are not packed, and the site.

    It counts minimum sizes, so that it never refuses a run that would succeed. Stores are not checked.
    """
    needed = needed_space.needed_space(tasks)
    places = [(project.state, needed.documents), (project.site, needed.pages)]
    if isinstance(project.shards_location, Path):
        places.append((project.shards_location, needed.tars))
    check_free(places, "make room, pack one phase at a time with --phase, or write no tars with --no-tars")


def check_unread(project: Project, *, allow_unread: bool) -> int:
    """Return how many files and folders the last scan could not read. Raises IncompleteError if that is not allowed."""
    count, first = read_unread(project.state)
    if count and not allow_unread:
        more = f", and {count - 1:,} more ({project.state / UNREAD})" if count > 1 else ""
        fix = "fix the permissions or the disk and run packager release, or publish without it: --allow-unread"
        raise IncompleteError(first[0].where, f"{first[0].what}{more}", fix)
    return count
