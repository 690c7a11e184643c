"""How a check reports what is wrong."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class WrongError(Exception):
    """A statement of FORMAT.md does not hold."""


def must(holds: bool, what: str) -> None:
    """Raise WrongError with `what` unless `holds`."""
    if not holds:
        raise WrongError(what)


def same(found: Any, expected: Any, what: str) -> None:
    """Raise WrongError unless two values are equal; for bytes, name the first byte that differs."""
    if found == expected:
        return
    if isinstance(found, bytes) and isinstance(expected, bytes):
        shared = zip(found, expected, strict=False)
        at = next((n for n, (a, b) in enumerate(shared) if a != b), min(len(found), len(expected)))
        raise WrongError(
            f"{what}: byte {at} differs: {found[at : at + 40]!r} is there, {expected[at : at + 40]!r} is expected"
        )
    raise WrongError(f"{what}: {found!r} is there, {expected!r} is expected")


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class Findings:
    """What a complete check found: every problem, and how many checks of each kind were made."""

    problems: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    def run(self, kind: str, where: str, check: Callable[..., Any], *arguments: Any) -> Any:
        """Run one check, count it under `kind`, and return its result; None if it found a problem."""
        self.checked[kind] = self.checked.get(kind, 0) + 1
        try:
            return check(*arguments)
        except WrongError as wrong:
            self.problems.append(f"{where}: {wrong}")
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            self.problems.append(f"{where}: cannot be read: {type(error).__name__}: {error}")
        return None
