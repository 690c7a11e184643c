"""What a mirror's run meets outside: the time, the disk, the owner's questions and his Ctrl-C, as arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import MirrorPlan
from packager.progress import Progress


@dataclass(frozen=True)
class Clocks:
    """The time. now: RFC 3339. unix: seconds. steady: seconds that only go up."""

    now: Callable[[], str]
    unix: Callable[[], float]
    steady: Callable[[], float]


@dataclass(frozen=True)
class Confirmations:
    """What the owner of a mirror is asked. key: whether to trust it. plan: whether to go on."""

    key: Callable[[PublicKey], bool]
    plan: Callable[[MirrorPlan], bool]


AGREE_TO_PLANS = Confirmations(key=lambda _: False, plan=lambda _: True)  # and to no key


@dataclass(frozen=True)
class RunContext:
    """What a run meets. seconds: that a server may stay silent. free: bytes free on the disk of a folder."""

    clocks: Clocks
    free: Callable[[Path], int]
    seconds: float
    ask: Confirmations
    stop: Callable[[], bool]
    progress: Progress
