"""What a mirror's run meets outside: the time, the disk, the owner's questions and his Ctrl-C, as arguments."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import MirrorPlan
from packager.progress import Progress


@dataclass(frozen=True)
class Clocks:
    """The time. now: RFC 3339. unix: seconds. steady: seconds that only go up. wait: for some seconds."""

    now: Callable[[], str]
    unix: Callable[[], float]
    steady: Callable[[], float]
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class OfferedKey:
    """The key beside a release that nobody trusts yet, and what that release says of itself."""

    key: PublicKey
    title: str  # fit to be shown, as is the date
    serial: int
    date: str


@dataclass(frozen=True)
class Confirmations:
    """What the owner of a mirror is asked. key: whether to trust it. plan: whether to go on."""

    key: Callable[[OfferedKey], bool]
    plan: Callable[[MirrorPlan], bool]


AGREE_TO_PLANS = Confirmations(key=lambda _: False, plan=lambda _: True)  # and to no key


@dataclass(frozen=True)
class RunContext:
    """What a run meets. free: bytes free on the disk of a folder. reload: whether to read mirror.toml again now."""

    clocks: Clocks
    free: Callable[[Path], int]
    ask: Confirmations
    stop: Callable[[], bool]
    progress: Progress
    reload: Callable[[], bool] = lambda: False
