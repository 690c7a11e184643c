"""Looks at a folder before there is a project: its files by kind, and its records file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from packager.catalogue.records import field_rules, record_formats
from packager.catalogue.walk.walk_folder import UnreadFolder, WalkedFile, walk_folder
from packager.errors import InputError, PackagerError
from packager.model import KINDS
from packager.paths import display_text
from packager.units import count_of

RECORDS = ("records.csv", "records.jsonl", "records.parquet", "records.sqlite")
_COMPARED = 1_000_000  # maximum files to compare with records, to limit memory


@dataclass(frozen=True)
class FoundRecords:
    """A records file. matched: how many records describe a file; None: too many files to compare."""

    path: Path
    records: int
    matched: int | None
    popularity: bool


@dataclass
class FoundFiles:
    """The files of a folder. source: that folder, or the data folder of an unpacked bag. size: in bytes.

    records: the records file beside or in the folder. warnings: for the user.
    """

    source: Path
    is_bag: bool = False
    files: int = 0
    size: int = 0
    unread: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    records: FoundRecords | None = None
    warnings: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add(self, file: WalkedFile) -> None:
        """Count a file."""
        path = file.path.decode("utf-8", "surrogateescape")
        self.files += 1
        self.size += file.size
        self.kinds[field_rules.kind_of(field_rules.extension_of(path.rpartition("/")[2]))] += 1
        if self.files <= _COMPARED:
            self._names |= {path, field_rules.stem_of(path)}

    def look_at_records(self, path: Path) -> FoundRecords:
        """Read a records file, and count the records that match. Raises InputError if it cannot be read."""
        count, matched, popularity = 0, 0, False
        for _, columns, values in record_formats.read_rows(path):
            count += 1
            popularity = popularity or "popularity" in columns.known
            row = dict(zip(columns.known, values, strict=True))
            matched += str(row.get("path") or row.get("id")) in self._names
        return FoundRecords(path, count, matched if self.files <= _COMPARED else None, popularity)


def look_at_folder(folder: Path) -> FoundFiles:
    """Return the files of a folder. Raises InputError if it is not a folder, or has several records files."""
    if not os.path.isdir(folder):
        raise InputError(display_text(str(folder)), "not a folder", "name the folder with the files to release")
    is_bag = (folder / "bagit.txt").is_file() and (folder / "data").is_dir()
    found = FoundFiles(Path(os.path.realpath(folder / "data" if is_bag else folder)), is_bag)
    for each in walk_folder(os.fsencode(found.source)):
        if isinstance(each, WalkedFile):
            found.add(each)
        elif isinstance(each, UnreadFolder):
            found.unread += 1
    if is_bag:
        found.warnings.append(f"{display_text(str(folder))} is an unpacked bag: its files are those in data/")
    if not found.files:
        found.warnings.append(f"{display_text(str(folder))} has no files")
    if (path := _records_file(found.source)) is not None:
        _try_records(found, path)
    return found


def _records_file(source: Path) -> Path | None:
    """Return the records file beside a folder, or else in it. Raises InputError if there are several."""
    for place in (source.parent, source):
        paths = [place / name for name in RECORDS if (place / name).is_file()]
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise InputError(display_text(str(place)), f"several records files ({names})", "name one with --records")
        if paths:
            return paths[0]
    return None


def _try_records(found: FoundFiles, path: Path) -> None:
    """Add a records file if it describes the files; otherwise add a warning."""
    try:
        records = found.look_at_records(path)
    except PackagerError as error:
        found.warnings.append(f"{path.name} is not used: {error.where}: {error.what}")
        return
    if records.matched == 0:
        found.warnings.append(f"{path.name} is not used: {no_match(records)}")
    else:
        found.records = records


def no_match(records: FoundRecords) -> str:
    """Return the message for a records file that does not match any file."""
    return f"none of its {count_of(records.records, 'record')} matches a file"
