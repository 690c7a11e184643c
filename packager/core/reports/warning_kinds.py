"""Warnings of a scan in groups by kind, so that a thousand of one kind are one line. Pure."""

from packager.core.reports.issues import Issue
from packager.model import FrozenStruct

# kind -> what one or several of them are, and what to do about it
_TEXTS = {
    "renamed": (
        "file gets a safe name in the shard",
        "files get a safe name in the shard",
        "No action is needed: extract --source-names and the manifests have the original names.",
    ),
    "skipped": ("path is left out", "paths are left out", "Only regular files are published."),
    "tags": (
        "file has tags with a fault",
        "files have tags with a fault",
        "Fix the tags in the file, or publish it as it is.",
    ),
    "records": (
        "record names a file that is not there",
        "records name files that are not there",
        "Fix the paths in the records file, or leave the records without a file.",
    ),
}
KINDS = tuple(_TEXTS)
_LINE = 57  # characters of title and example, so that "warning: " and the sentence fit 80 columns


class WarningGroup(FrozenStruct, frozen=True, kw_only=True):
    """The warnings of one kind. example: the place of the first."""

    kind: str
    count: int
    example: str

    @property
    def sentence(self) -> str:
        """What they have in common, with the example."""
        return f'{self.title}, such as "{_cut(self.example, max(12, _LINE - len(self.title)))}"'

    @property
    def title(self) -> str:
        """The description of the group."""
        one, several, _ = _TEXTS[self.kind]
        return f"{self.count:,} {one if self.count == 1 else several}"

    @property
    def advice(self) -> str:
        """What to do about them."""
        return _TEXTS[self.kind][2]


class KindIssue(Issue, frozen=True, kw_only=True):
    """A warning with its kind."""

    kind: str


class WarningsReport(FrozenStruct, frozen=True, kw_only=True):
    """The warnings of the last scan. warnings: the first of each kind."""

    count: int
    kinds: tuple[WarningGroup, ...]
    warnings: tuple[KindIssue, ...]


def _cut(text: str, size: int) -> str:
    """Return a path in at most `size` characters."""
    return text if len(text) <= size else f"{text[: size - 1]}…"
