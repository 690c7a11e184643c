"""What `publish --to` needs beside publishing: the store, found usable before anything is done."""

from dataclasses import dataclass
from pathlib import Path

from packager.core.config.store_url import StoreAddress, store_address
from packager.core.reports.reports import UploadReport
from packager.engine.files.write_errors import check_writable
from packager.engine.project.project import Workspace
from packager.engine.stores import open_store
from packager.engine.stores.base import Store
from packager.errors import InputError
from packager.progress import Progress
from packager.publish.upload import check_place, upload
from packager.publish.upload_journal import journal_path

GRACE = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class Target:
    """A store that a project's site is brought to."""

    workspace: Workspace
    address: StoreAddress
    store: Store
    with_shards: bool

    def check(self) -> None:
        """Raise InputError for a place that has another release, or cannot be read or written."""
        if self.address.scheme == "file":
            check_writable(Path(self.address.path), "--to")
        check_place(self.workspace, self.store)

    def upload(self, *, grace: float, now: float, progress: Progress) -> UploadReport:
        """Bring the site there; see publish.upload. now: unix seconds."""
        return upload(
            self.workspace,
            self.store,
            journal_path(self.workspace.state, self.address),
            with_shards=self.with_shards,
            grace=grace,
            now=now,
            progress=progress,
        )


def open_target(to: str | None, workspace: Workspace, *, with_shards: bool) -> Target | None:
    """Return the store that --to names, None without. Raises InputError where it cannot be one."""
    if to is None:
        if with_shards:
            raise InputError("--with-shards", "says what goes to a store, and none is named", "add --to")
        return None
    if with_shards and isinstance(workspace.shards_place, StoreAddress):
        what = f"the tars go to {workspace.shards_place} when they are packed"
        raise InputError("--with-shards", what, "leave it out")
    address = store_address(to, "--to")
    own = (workspace.root, workspace.output)
    places = [StoreAddress("file", "", str(path)) for path in own]
    if any(address.holds(place) for place in places) or places[1].holds(address):
        raise InputError("--to", f'"{address}" is, holds or lies in what is published from', "name another folder")
    return Target(workspace, address, open_store(address), with_shards)
