"""Which tars may be shared: the rule for handing out, asked for each tar, and again while it is shared."""

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
    """What the rule is asked about: a tar's places, name, hashes and size (HandOuts.withheld), and its manifest."""

    places: tuple[Path, ...]
    name: str
    hashes: frozenset[str]
    size: int | None
    manifest: Path | None


class TarSharingRule:
    """The rule for the tars of one run."""

    def __init__(self, hand_outs: ShareableFiles, *, allow_withdrawn: bool) -> None:
        """Ask `hand_outs`. allow_withdrawn: withhold nothing because it was withdrawn."""
        self._hand_outs, self._allow_withdrawn = hand_outs, allow_withdrawn
        self._known: dict[Path, KnownTar] = {}
        self._is_due = False  # the last try failed

    def withheld(self, tar: Path, known: KnownTar) -> Withheld | None:
        """Return why a tar is not shared; None: it may be. Raises InputError for a broken document."""
        self._known[tar] = known
        return self._ask(known)

    def ask_again(self, tars: Iterable[Path]) -> dict[Path, Withheld]:
        """Return which of some tars, all asked about before, are withheld now, and why.

        Reads nothing unless a release, a plan or a withdrawal changed since. Raises PackagerError or
        OSError for a document that is broken or not readable; the next call asks again.
        """
        self._is_due = self._hand_outs.refresh() or self._is_due
        if not self._is_due:
            return {}
        found = {tar: why for tar in dict.fromkeys(tars) if (why := self._ask(self._known[tar])) is not None}
        self._is_due = False
        return found

    def _ask(self, known: KnownTar) -> Withheld | None:
        """Ask the releases, projects and mirrors around a tar, then its manifest."""
        why = self._hand_outs.withheld(known.places, known.name, *known.hashes, size=known.size)
        if why is None and known.manifest is not None:
            why = _by_manifest(known.manifest)
        return None if why is not None and self._allow_withdrawn and why.cause == "withdrawn" else why


def _by_manifest(path: Path) -> Withheld | None:
    """Return why a shard is withheld, by its manifest; None: it is not, or the manifest is gone or of another kind."""
    try:
        return sharing_rule_of(read_manifest(path))
    except InputError:
        return None
