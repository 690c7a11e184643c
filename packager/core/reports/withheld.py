"""Withheld shards in reports: which, why, and what to do. Pure."""

from typing import Literal, TypeAlias

from packager.model import FrozenStruct

Cause: TypeAlias = Literal["unpublished", "embargoed", "withdrawn"]


class Withheld(FrozenStruct, frozen=True, kw_only=True):
    """A withheld shard: why, and what to do ("": nothing), both for people.

    partly: it is published and not obsolete, so bytes of its members that are not withdrawn may be handed out.
    """

    name: str
    cause: Cause
    reason: str
    fix: str
    partly: bool = False

    @property
    def sentence(self) -> str:
        """The shard, the reason and the advice, on one line."""
        return f"{self.name}: {self.reason}" + (f"; {self.fix}" if self.fix else "")
