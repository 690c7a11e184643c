"""Issues: a place and a sentence, the lines of all reports. Pure."""

from collections.abc import Iterable

from packager.model import FrozenStruct

LISTED = 1000


class Issue(FrozenStruct, frozen=True, kw_only=True):
    """One thing that the user should know: a warning, or the reason why a file, shard or record is left out.

    where: the path, record, byte, line or field, or "" for the file itself; escaped for display.
    """

    where: str
    what: str


class IssueList:
    """Faults and remarks of one file. All faults are counted; the first LISTED of both are kept."""

    def __init__(self) -> None:
        """Start empty."""
        self.count = 0
        self.remarks: list[Issue] = []
        self._kept: list[Issue] = []

    def add(self, where: str, what: str) -> None:
        """Count a fault."""
        self.count += 1
        if len(self._kept) < LISTED:
            self._kept.append(Issue(where=where, what=what))

    def remark(self, where: str, what: str) -> None:
        """Add a problem that readers ignore; the first LISTED are kept."""
        if len(self.remarks) < LISTED:
            self.remarks.append(Issue(where=where, what=what))

    def add_all(self, where: str, whats: Iterable[str]) -> None:
        """Count several faults of one place."""
        for what in whats:
            self.add(where, what)

    @property
    def kept(self) -> tuple[Issue, ...]:
        """The first faults."""
        return tuple(self._kept)
