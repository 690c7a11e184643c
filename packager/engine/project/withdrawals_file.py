"""What the archivist took back, as it lies beside packager.toml."""

from packager.core.releases import documents
from packager.core.releases.withdrawn_records import Withdrawals
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.project.project import Project
from packager.paths import display_text


def read_withdrawals(project: Project) -> Withdrawals:
    """Return what was withdrawn; nothing where there is no such file. Raises InputError for a broken one."""
    path = project.withdrawals
    if not path.is_file():
        return Withdrawals(format=documents.FORMAT, type="withdrawals")
    return documents.from_bytes(read_limited(path, documents.LIMIT), Withdrawals, display_text(str(path)))


def write_withdrawals(project: Project, withdrawals: Withdrawals) -> None:
    """Keep what is withdrawn, durably. Raises IncompleteError."""
    atomic_files.write_bytes(project.withdrawals, documents.to_bytes(withdrawals))
