"""What can be refused is refused here, before the first byte is packed: by release, pack and publish alike.

- `check_project`: a signing key that cannot be read or used, or that mirrors would not accept; a next key that is none;
  a release date that goes back; a site or shards folder that cannot be written, or has foreign files; wrong templates
- `check_plan`: a plan that is out of date; more shards, trackers or web seeds than readers take
- `check_opening`: a release of nothing; an embargo on what is published
- `check_unread`: files and folders that could not be read, unless that is allowed
- `check_space`: less free space than the planned shards take

The config's own syntax (trackers, web seeds, sizes) is checked when it is read, the SQL of phases on all records when
they are planned.
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
    """Raise InputError for what would be refused after packing and needs no plan; return what signs the release.

    password: called once if release.secret_key has one; None: the key signs nothing now, so its password is not asked
    for.
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
    """Raise InputError for a plan of which no release can be made, or none that readers can read."""
    check_current(project, plan)
    check_limits(plan, options)


@dataclass(frozen=True)
class Opening:
    """The phases that a release publishes, and those that stay closed, until when."""

    phases: set[str]
    closed: Mapping[str, str]


def check_opening(options: Config, project: Project, plan: Plan, asked: Sequence[str] | None = None) -> Opening:
    """Return which phases a release publishes now. asked: these, beside those that are published; None: all.

    Raises InputError if none of them has a shard, for a phase that was asked for and is closed or empty, and for an
    embargo on a phase that is published.
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
    """Raise IncompleteError if the disks have less free than the shards that are not packed yet take, with their site.

    A store is not asked. What is counted is the least that it will be, so that no run is refused that would end well.
    """
    needed = needed_space.needed_space(tasks)
    places = [(project.state, needed.documents), (project.site, needed.pages)]
    if isinstance(project.shards_location, Path):
        places.append((project.shards_location, needed.tars))
    check_free(places, "make room, pack one phase at a time with --phase, or write no tars with --no-tars")


def check_unread(project: Project, *, allow_unread: bool) -> int:
    """Return how many files and folders the last scan could not read. Raises IncompleteError unless that is allowed."""
    count, first = read_unread(project.state)
    if count and not allow_unread:
        more = f", and {count - 1:,} more ({project.state / UNREAD})" if count > 1 else ""
        fix = "fix the permissions or the disk and run packager release, or publish without it: --allow-unread"
        raise IncompleteError(first[0].where, f"{first[0].what}{more}", fix)
    return count
