"""What a sums file lists (sha256sum's, md5sum's and others'), held against the files in a folder."""

from pathlib import Path

from packager.check.places import Folder
from packager.check.subject import Look, Subject
from packager.check.sums import parse_sums
from packager.engine.limited import read_limited
from packager.engine.pieces import WholeFile
from packager.errors import InputError
from packager.faults import Fault
from packager.paths import shown

_LIMIT = 256 << 20  # bytes of a sums file


def sums_subject(path: Path, sums: Path) -> Subject:
    """Return what a sums file lists as what to check.

    path: the folder that its paths begin in, or one file of it. Raises InputError where the sums file is broken
    or does not list that file.
    """
    listed = parse_sums(read_limited(sums, _LIMIT), shown(str(sums)))
    folder = path
    if not path.is_dir():
        folder, name = path.parent, bytes(path.relative_to(path.parent))
        listed = [entry for entry in listed if entry.path == name]
        if not listed:
            raise InputError(shown(str(sums)), f'does not list "{shown(name)}"')
    inside = Folder(folder)
    faults: list[Fault] = []
    files: list[WholeFile | None] = []
    for entry in listed:
        found = inside.find(entry.path)
        faults += found.faults
        digests = ((entry.algorithm, entry.digest),)
        files.append(None if found.size is None else WholeFile(found.path, found.size, digests, found.stamp))
    look = Look(faults=faults, files=files)
    return Subject(
        path=path,
        kind="sums",
        against=shown(str(sums)),
        size=sum(file.size for file in files if file),
        pieces=0,
        files=len(files),
        quick=lambda: faults,
        look=lambda: look,
    )
