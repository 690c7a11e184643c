"""What `extract` and `get` both print of the members that they take."""

from collections.abc import Sequence

from packager.check_reports import BadMember, TakenFile
from packager.cli import screen
from packager.units import count_of


def show_files(files: Sequence[TakenFile]) -> None:
    """Print the files that a dry run would write."""
    screen.table(("bytes", "id", "file"), ((f"{file.size:,}", file.id, file.path) for file in files), right=[0])


def show_members(members: Sequence[BadMember], title: str) -> None:
    """Print members and what is to be said of each, on stderr."""
    if members:
        screen.talk(f"packager: {count_of(len(members), 'member')} {title}:")
    for member in members:
        screen.talk(f"  {member.path}: {member.what}" if member.path else f"  {member.what}")
