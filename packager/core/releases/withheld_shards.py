"""Decide whether the bytes of a shard, or a link to them, may be handed out now. All commands use this rule. Pure.

A shard is withheld if no release lists it, if its phase is under embargo, if members of it are withdrawn (or will be
by the next release), or if it is an obsolete shard of the catalogue that is older than a withdrawal. Other obsolete
shards may be handed out.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType

from packager.core.reports.withheld import Withheld
from packager.model import Manifest, Release, ReleaseShard
from packager.units import count_of

_RELEASE = "packager release"
_PUBLISH = f"publish it first: {_RELEASE}"


def why_withheld(
    name: str, listed: ReleaseShard | None, *, phase: str, embargo: str | None, catalogue_since: int, now: str
) -> Withheld | None:
    """Return why the shard with this name is withheld now; None if it is not.

    listed: the shard in the last release; None: no release lists it. embargo: the date until which its phase is closed,
    and now: RFC 3339. catalogue_since: for a shard of the catalogue the serial of the newest withdrawal in force, 0 for
    any other.
    """
    if embargo is not None and embargo > now:
        reason = f'its phase "{phase}" is under embargo until {embargo}'
        return Withheld(name=name, cause="embargoed", reason=reason, fix=f"wait until then, then run: {_RELEASE}")
    if listed is None:
        return Withheld(name=name, cause="unpublished", reason="no release lists it yet", fix=_PUBLISH)
    reason = ""
    if listed.withdrawn:
        reason = _withdrawn(listed.withdrawn)
    elif listed.obsolete and catalogue_since > listed.since:
        reason = "it is an earlier catalogue, which contains records that were withdrawn since"
    if not reason:
        return None
    fix = "delete it: packager prune, in a mirror packager mirror prune" if listed.obsolete else ""
    return Withheld(name=name, cause="withdrawn", reason=reason, fix=fix, partly=not listed.obsolete)


class SharingRule:
    """The rule for the shards of one release, and for a project's shards that are not published yet."""

    def __init__(
        self,
        release: Release | None,
        *,
        now: str = "",
        planned: Mapping[str, str] = MappingProxyType({}),
        waiting: Collection[str] = (),
    ) -> None:
        """Set the release; None: nothing is published. now: RFC 3339; "": the release's date.

        planned: the phases of a project's unpublished shards, by the shard's name. waiting: shards with
        records that the project's next release withdraws.
        """
        self._now = now or (release.date if release else "")
        self._listed: dict[str, ReleaseShard] = {shard.name: shard for shard in release.shards} if release else {}
        self._planned, self._waiting = planned, waiting
        phases = release.phases if release else ()
        self._embargoes = {phase.name: phase.embargo for phase in phases}
        self._catalogue = release.catalogue_phases if release else frozenset()
        self._withdrawn_since = max((each.since for each in release.in_force), default=0) if release else 0

    def withheld(self, name: str) -> Withheld | None:
        """Return why a shard is withheld; None if it is not."""
        listed = self._listed.get(name)
        phase = listed.phase if listed else self._planned.get(name, "")
        found = why_withheld(
            name,
            listed,
            phase=phase,
            embargo=self._embargoes.get(phase),
            catalogue_since=self._withdrawn_since if phase in self._catalogue else 0,
            now=self._now,
        )
        if found is None and name in self._waiting:
            reason = "records that it contains or names were withdrawn since the last release"
            found = Withheld(name=name, cause="withdrawn", reason=reason, fix=f"run: {_RELEASE}")
        return found

    def all_withheld(self) -> tuple[Withheld, ...]:
        """Return the listed shards that are withheld, in the release's order."""
        return tuple(found for name in self._listed if (found := self.withheld(name)))

    def offered(self) -> Iterator[ReleaseShard]:
        """Yield the shards for lists, feeds and pages: those that are neither obsolete nor withheld."""
        return (shard for shard in self._listed.values() if not shard.obsolete and self.withheld(shard.name) is None)

    def withheld_file(self, name: str, *hashes: str, size: int | None = None) -> Withheld | None:
        """Return why a file is withheld; None if it is not, or if it is no known shard.

        name: as in its torrent, without ".tar". hashes: infohashes of its torrents and its pieces root, in hex, or
        nothing if unknown. size: of the file in bytes; with the name it identifies a shard in another torrent.
        """
        known = next((self._by_hash[each] for each in hashes if each in self._by_hash), None)
        listed = self._listed.get(name)
        if known is None and (name in self._planned or (listed and (not hashes or listed.size == size))):
            known = name
        return self.withheld(known) if known is not None else None

    @cached_property
    def _by_hash(self) -> dict[str, str]:
        """The listed shards' names."""
        return {
            key: name
            for name, shard in self._listed.items()
            for key in (*shard.infohashes, *([shard.pieces_root] if shard.pieces_root else []))
        }


def sharing_rule_of(manifest: Manifest) -> Withheld | None:
    """Return why a published shard is withheld, only by its manifest, which has the number of withdrawn members."""
    if not manifest.withdrawn:
        return None
    reason = _withdrawn(manifest.withdrawn)
    return Withheld(name=manifest.name, cause="withdrawn", reason=reason, fix="", partly=True)


def _withdrawn(count: int) -> str:
    """Return the reason for a shard with this many withdrawn records."""
    return f"{count_of(count, 'record')} in it {'was' if count == 1 else 'were'} withdrawn by the publisher"
