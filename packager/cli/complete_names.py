"""Names of phases and shards for completion in a shell."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SAFE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*"
)  # the shell evaluates the names, so other characters could run commands


def complete_phases(incomplete: str) -> list[str]:
    """Return the phases of the nearest packager.toml that start with this text."""
    for folder in _projects():
        try:
            phases = tomllib.loads((folder / "packager.toml").read_text(encoding="utf-8")).get("phases", [])
        except (OSError, ValueError):
            return []
        return _matching((each.get("name") for each in phases if isinstance(each, dict)), incomplete)
    return []


def complete_shards(incomplete: str) -> list[str]:
    """Return the planned shards of the nearest project that start with this text; if none, a shell completes files."""
    for folder in _projects():
        try:
            plan: dict[str, Any] = json.loads((folder / ".packager" / "plan" / "plan.json").read_bytes())
        except (OSError, ValueError):
            return []
        return _matching((shard["name"] for phase in plan["phases"] for shard in phase["shards"]), incomplete)
    return []


def _projects() -> Iterator[Path]:
    """Yield the nearest folder with a packager.toml, from the current one upwards."""
    here = Path.cwd()
    yield from [folder for folder in (here, *here.parents) if (folder / "packager.toml").is_file()][:1]


def _matching(names: Iterable[object], incomplete: str) -> list[str]:
    """Return the safe names that start with this text."""
    return [name for name in names if isinstance(name, str) and name.startswith(incomplete) and _SAFE.fullmatch(name)]
