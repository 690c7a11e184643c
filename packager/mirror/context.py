"""The environment of a mirror's run, as arguments: clocks, free disk space, questions to the user and Ctrl-C."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.mirror_reports import MirrorPlan
from packager.progress import Progress


@dataclass(frozen=True)
class Clocks:
    """Clocks. now: RFC 3339. unix: seconds since 1970. steady: monotonic seconds. wait: for some seconds."""

    now: Callable[[], str]
    unix: Callable[[], float]
    steady: Callable[[], float]
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class OfferedKey:
    """The key beside a release that no one trusts yet, and what that release says of itself."""

    key: PublicKey
    title: str  # fit to be shown, as is the date
    serial: int
    date: str


@dataclass(frozen=True)
class Confirmations:
    """Questions to the user. key: whether to trust it. plan: whether to apply it."""

    key: Callable[[OfferedKey], bool]
    plan: Callable[[MirrorPlan], bool]


AGREE_TO_PLANS = Confirmations(key=lambda _: False, plan=lambda _: True)  # and trust no key


@dataclass(frozen=True)
class RunContext:
    """What a run meets. free: bytes free on the disk of a folder. reload: whether to read mirror.toml again now."""

    clocks: Clocks
    free: Callable[[Path], int]
    ask: Confirmations
    stop: Callable[[], bool]
    progress: Progress
    reload: Callable[[], bool] = lambda: False
