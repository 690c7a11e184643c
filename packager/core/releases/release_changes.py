"""List the changes of each release of a chain, from its newest document. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packager.model import Release, ReleaseShard, Withdrawal
from packager.units import count_of


@dataclass(frozen=True)
class ReleaseChanges:
    """The changes of one release against the one before it."""

    added: Sequence[ReleaseShard]
    obsolete: Sequence[ReleaseShard]
    withdrawals: Sequence[Withdrawal]
    lifted: Sequence[Withdrawal]

    @property
    def told(self) -> str:
        """The counts in words."""
        parts = [
            count_of(len(self.added), "new shard") if self.added else "",
            f"{count_of(len(self.obsolete), 'shard')} obsolete" if self.obsolete else "",
            f"{count_of(len(self.withdrawals), 'record')} withdrawn" if self.withdrawals else "",
            f"{count_of(len(self.lifted), 'withdrawal')} lifted" if self.lifted else "",
        ]
        return ", ".join(filter(None, parts)) or "no shard is new"


def changes_in(release: Release, serial: int) -> ReleaseChanges:
    """Return the changes of the release `serial`, this one or an earlier one."""
    return ReleaseChanges(
        added=[shard for shard in release.shards if shard.since == serial],
        obsolete=[shard for shard in release.shards if shard.obsolete_since == serial],
        withdrawals=[each for each in release.withdrawals if each.since == serial],
        lifted=[each for each in release.withdrawals if each.lifted == serial],
    )


def phase_dates(shards: Iterable[ReleaseShard]) -> dict[str, tuple[str, str]]:
    """Return the dates of the first and the newest shard of each phase."""
    dates: dict[str, tuple[str, str]] = {}
    for shard in shards:
        first, newest = dates.get(shard.phase, (shard.added, shard.added))
        dates[shard.phase] = min(first, shard.added), max(newest, shard.added)
    return dates


def describe_changes(release: Release, serial: int) -> str:
    """Return the changes of the release `serial` in words."""
    return changes_in(release, serial).told


def page(serial: int) -> str:
    """Return the path of the page with the changes."""
    return f"releases/{serial}.html"
