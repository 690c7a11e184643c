"""What is wrong or worth a warning, as a place and a sentence: the one kind of line in every report's lists. Pure."""

from collections.abc import Iterable

from packager.model import FrozenStruct

LISTED = 1000


class Issue(FrozenStruct, frozen=True, kw_only=True):
    """One thing that the user should know: a warning, or the reason why a file, shard or record is left out.

    where: the path, record, byte, line or field, or "" for the file as such; fit to be shown.
    """

    where: str
    what: str


class IssueList:
    """Faults of one file as they are found: all counted, the first LISTED kept; and remarks, which are no faults."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.remarks: list[Issue] = []
        self._kept: list[Issue] = []

    def add(self, where: str, what: str) -> None:
        """Count a fault."""
        self.count += 1
        if len(self._kept) < LISTED:
            self._kept.append(Issue(where=where, what=what))

    def remark(self, where: str, what: str) -> None:
        """Take note of something that is wrong and that readers ignore; the first LISTED are kept."""
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
