"""The store of `publish --to`, which is checked before anything is published."""

from dataclasses import dataclass
from pathlib import Path

from packager.core.config.store_url import StoreUrl, parse_store_url
from packager.core.reports.reports import UploadReport
from packager.engine.files.write_errors import check_writable
from packager.engine.project.project import Project
from packager.engine.stores import open_store
from packager.engine.stores.base import Store
from packager.errors import InputError
from packager.progress import Progress
from packager.publish.upload import check_place, upload
from packager.publish.upload_journal import journal_path


@dataclass(frozen=True)
class UploadDestination:
    """A store to which a project's site is uploaded."""

    project: Project
    address: StoreUrl
    store: Store
    with_shards: bool

    def check(self) -> None:
        """Raise InputError if the place has another release, or cannot be read or written."""
        if self.address.scheme == "file":
            check_writable(Path(self.address.path), "--to")
        check_place(self.project, self.store)

    def upload(self, *, grace: float, now: float, progress: Progress) -> UploadReport:
        """Upload the site; see publish.upload. now: Unix seconds. grace: seconds before old files are deleted."""
        return upload(
            self.project,
            self.store,
            journal_path(self.project.state, self.address),
            with_shards=self.with_shards,
            grace=grace,
            now=now,
            progress=progress,
        )


def open_destination(to: str | None, project: Project, *, with_shards: bool) -> UploadDestination | None:
    """Return the store that --to names, or None without --to. Raises InputError if it cannot be used."""
    if to is None:
        if with_shards:
            raise InputError("--with-shards", "needs --to", "add --to URL")
        return None
    if with_shards and isinstance(project.shards_location, StoreUrl):
        what = f"pack already writes the tars to {project.shards_location}"
        raise InputError("--with-shards", what, "leave it out")
    address = parse_store_url(to, "--to")
    own = (project.root, project.site)
    places = [StoreUrl("file", "", str(path)) for path in own]
    if any(address.holds(place) for place in places) or places[1].holds(address):
        raise InputError(
            "--to", f'"{address}" overlaps the folder of the project or of its site', "name another folder"
        )
    return UploadDestination(project, address, open_store(address), with_shards)
