"""A small archivist's project for the catalogue's tests: a source folder, a state folder, a records file."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from packager.catalogue.scan import scan
from packager.core.reports.reports import ScanReport
from packager.engine.project.project import Project
from packager.progress import SILENT, Progress

MEDIA = Path(__file__).parents[1] / "catalogue/media"
SETTLED = 1_600_000_000_000_000_000  # an mtime in ns, long before any scan


@dataclass
class CatalogueProject:
    root: Path
    records: Path | None = None
    source: Path = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.root / "source"
        self.source.mkdir(exist_ok=True)

    @property
    def project(self) -> Project:
        return Project(
            config=self.root / "packager.toml",
            source_location=self.source,
            records=self.records,
            shards_location=self.root / "shards",
            site=self.root / "site",
        )

    def put(self, name: str | bytes, data: bytes = b"data", mtime_ns: int = SETTLED) -> bytes:
        """Write a file below the source, with folders; return its path."""
        path = os.path.join(os.fsencode(self.source), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        return path

    def put_media(self, name: str, to: str | None = None) -> bytes:
        """Copy one of the small audio files below the source."""
        return self.put(to or name, (MEDIA / name).read_bytes())

    def write_records(self, name: str, data: bytes) -> Path:
        """Write the records file."""
        self.records = self.root / name
        self.records.write_bytes(data)
        return self.records

    def scan(self, workers: int = 1, progress: Progress = SILENT) -> ScanReport:
        return scan(self.project, workers=workers, progress=progress)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the catalogue's rows by id, nulls left out."""
        table = pq.read_table(self.project.catalogue)
        return {row["id"]: {k: v for k, v in row.items() if v is not None} for row in table.to_pylist()}


def told(report: ScanReport) -> dict[str, str]:
    """Return the report's warnings, what by where."""
    return {issue.where: issue.what for issue in report.warnings}
