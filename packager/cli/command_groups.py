"""All commands with one line of help each, grouped by role. No I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandGroup:
    """Commands for one role. main: commands with a line in the short list. more: a label and other commands."""

    title: str
    main: tuple[str, ...]
    more: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def names(self) -> Iterator[str]:
        """Yield all commands."""
        yield from self.main
        for _, names in self.more:
            yield from names


GROUPS = (
    CommandGroup(
        "Publish a collection",
        ("init", "release", "status", "estimate"),
        (
            ("More", ("warnings",)),
            ("Single steps", ("scan", "plan", "pack", "publish", "export")),
            ("Later changes", ("withdraw", "replace", "prune", "keygen")),
        ),
    ),
    CommandGroup("Check and share shards", ("verify", "repair", "seed"), (("More", ("rebuild", "serve", "torrent")),)),
    CommandGroup("Mirror a release", ("mirror",)),
    CommandGroup("Find and get files", ("get",), (("More", ("extract", "inspect")),)),
    CommandGroup("Help", ("help", "docs", "completion")),
)
_BELOW_MIRROR = "follow, sync, run, status, prune, magnets"
_ABOUT = "Make, publish and mirror releases of large file collections."
_WIDTH = 12  # columns of a name


def short_list(commands: Mapping[str, str], next_step: str) -> str:
    """Return what `packager` alone prints. commands: their lines of help; next_step: the last line."""
    lines = [_ABOUT, "Usage: packager COMMAND [OPTIONS]", ""]
    for group in GROUPS[:-1]:
        lines.append(group.title)
        lines += [_line(name, _BELOW_MIRROR if name == "mirror" else commands[name]) for name in group.main]
        lines += [f"  {label}: {', '.join(names)}" for label, names in group.more]
    lines += ["", "Help: packager help COMMAND    All commands: packager -h    Docs: packager docs", next_step]
    return "\n".join(lines)


def full_list(commands: Mapping[str, str]) -> str:
    """Return all commands, each with its line, by group."""
    lines = []
    for group in GROUPS:
        lines += [group.title, *(_line(name, commands[name]) for name in group.names()), ""]
    return "\n".join(lines).rstrip()


def _line(name: str, text: str) -> str:
    """Return a command and its line of help."""
    return f"  {name:<{_WIDTH}}{text}"
