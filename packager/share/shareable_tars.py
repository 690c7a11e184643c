"""Decides which tars may be shared, at the start and again while they are shared."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packager.core.releases.withheld_shards import sharing_rule_of
from packager.core.reports.withheld import Withheld
from packager.engine.published.published_shard import read_manifest
from packager.engine.published.shareable_files import ShareableFiles
from packager.errors import InputError


@dataclass(frozen=True)
class KnownTar:
    """A tar's paths, name, hashes and size, as `ShareableFiles.withheld` needs them, and its manifest."""

    places: tuple[Path, ...]
    name: str
    hashes: frozenset[str]
    size: int | None
    manifest: Path | None


class TarSharingRule:
    """The rule for the tars of one run."""

    def __init__(self, shareable: ShareableFiles, *, allow_withdrawn: bool) -> None:
        """shareable: decides what is withheld. allow_withdrawn: withdrawn shards may be shared."""
        self._shareable, self._allow_withdrawn = shareable, allow_withdrawn
        self._known: dict[Path, KnownTar] = {}
        self._is_due = False  # the last check failed

    def withheld(self, tar: Path, known: KnownTar) -> Withheld | None:
        """Return why a tar is withheld; None if it is not. Raises InputError for a broken document."""
        self._known[tar] = known
        return self._ask(known)

    def ask_again(self, tars: Iterable[Path]) -> dict[Path, Withheld]:
        """Return which of some known tars are withheld now, and why.

        Reads nothing unless a release, plan or withdrawal has changed. Raises PackagerError or OSError for a document
        that is broken or cannot be read; the next call tries again.
        """
        self._is_due = self._shareable.refresh() or self._is_due
        if not self._is_due:
            return {}
        found = {tar: why for tar in dict.fromkeys(tars) if (why := self._ask(self._known[tar])) is not None}
        self._is_due = False
        return found

    def _ask(self, known: KnownTar) -> Withheld | None:
        """Check the releases, projects and mirrors near a tar, then its manifest."""
        why = self._shareable.withheld(known.places, known.name, *known.hashes, size=known.size)
        if why is None and known.manifest is not None:
            why = _by_manifest(known.manifest)
        return None if why is not None and self._allow_withdrawn and why.cause == "withdrawn" else why


def _by_manifest(path: Path) -> Withheld | None:
    """Return why a shard's manifest withholds it; None if it does not, or the manifest cannot be read."""
    try:
        return sharing_rule_of(read_manifest(path))
    except InputError:
        return None
