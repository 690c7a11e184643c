"""The inputs and counts of the last scan. A scan with the same inputs keeps the catalogue.

A scan is saved only if its join had no warning, so that no warning is lost.
"""

import hashlib
from pathlib import Path

from packager import __version__
from packager.catalogue.join_records import CatalogueCounts
from packager.core.releases import documents
from packager.engine.files import atomic_files
from packager.engine.files.file_stamp import FileStamp
from packager.errors import InputError, from_os_error
from packager.model import FrozenStruct

FILE = "scanned.json"  # in the state folder


class LastScan(FrozenStruct, frozen=True, kw_only=True):
    """One scan: digests of its inputs in hex, the catalogue's stamp, and the counts of its rows."""

    format: int
    tool: str
    files: str
    records: str | None
    catalogue: FileStamp
    rows: int
    metadata_only: int
    kinds: dict[str, int]

    @property
    def counts(self) -> CatalogueCounts:
        """Return the counts of the join."""
        return CatalogueCounts(self.rows, self.metadata_only, dict(self.kinds))


def file_digest(path: Path | None) -> str | None:
    """Return a file's SHA-256 in hex; None for None. Raises IncompleteError if the file cannot be read."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise from_os_error(error, path, "fix its permissions or its disk") from error


def read_last_scan(state: Path, catalogue: Path) -> LastScan | None:
    """Return the last scan if the catalogue has not changed since, else None."""
    try:
        last = documents.from_bytes((state / FILE).read_bytes(), LastScan, state / FILE)
        found = FileStamp.of(catalogue.stat())
    except (FileNotFoundError, InputError):
        return None
    return last if last.tool == __version__ and not last.catalogue.difference(found) else None


def write_last_scan(
    state: Path, catalogue: Path, files: str | None, records: str | None, counts: CatalogueCounts
) -> None:
    """Save the inputs and counts of the present catalogue."""
    last = LastScan(
        format=documents.FORMAT,
        tool=__version__,
        files=files or "",
        records=records,
        catalogue=FileStamp.of(catalogue.stat()),
        rows=counts.records,
        metadata_only=counts.without_file_count,
        kinds=counts.kinds,
    )
    atomic_files.write_bytes(state / FILE, documents.to_bytes(last))
