"""What the archivist took back, as it lies beside packager.toml."""

from packager import documents
from packager.engine import durable
from packager.engine.limited import read_limited
from packager.engine.workspace import Workspace
from packager.paths import shown
from packager.withdrawn import Withdrawals


def read_withdrawals(workspace: Workspace) -> Withdrawals:
    """Return what was withdrawn; nothing where there is no such file. Raises InputError for a broken one."""
    path = workspace.withdrawals
    if not path.is_file():
        return Withdrawals(format=documents.FORMAT, type="withdrawals")
    return documents.from_bytes(read_limited(path, documents.LIMIT), Withdrawals, shown(str(path)))


def write_withdrawals(workspace: Workspace, withdrawals: Withdrawals) -> None:
    """Keep what is withdrawn, durably. Raises IncompleteError."""
    durable.write_bytes(workspace.withdrawals, documents.to_bytes(withdrawals))
