"""The text of `--help`: usage, description, and the options in groups with titles."""

import inspect
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

# Shared options by title. A command has a group if it has one of the options in the first list.
_TITLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Project": (("--config",), ()),
    "Work": (("--workers",), ("--cluster", "--worker-timeout")),
    "Release": (("--release",), ("--key",)),
    "Records": (("--path",), ("--where",)),
    "File names": (("--rename",), ("--source-names", "--number", "--overwrite")),
    "Sources": (("--from", "--no-web-seeds"), ("--allow-host", "--timeout")),
    "Swarm": (("--peer", "--dht", "--upload-limit"), ("--tracker", "--listen", "--download-limit")),
    "Client": (("--client",), ()),
}
GLOBAL = ("--quiet", "--verbose", "--json", "--color", "--progress", "--log-file", "--help", "--version")
DOCS = "Documentation: packager docs"
_GLOBAL_TITLE = "Global options"
_GLOBAL_SHORT = "-q -v -vv --json --color=WHEN --progress=STYLE --log-file=FILE -h -V"
_NUMBERS = ("int", "float")


def help_of(command: Any, context: Any, commands: str = "") -> str:
    """Return the help of a command. commands: what to show before the options, for a group of commands."""
    width = max(40, min(shutil.get_terminal_size().columns, 80))
    parts = [_usage(command, context), *_paragraphs(command.help or "", width)]
    parameters = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
    arguments = [each for each in parameters if each.param_type_name == "argument" and each.help]
    options = [each for each in parameters if each.param_type_name == "option"]
    if arguments:
        parts.append(_section("Arguments", [(_argument(each), each.help) for each in arguments], width))
    if commands:
        parts.append(commands)
    for title, members in _grouped(options):
        if title == _GLOBAL_TITLE and context.parent is not None:
            short = textwrap.fill(
                _GLOBAL_SHORT, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
            )
            parts.append(f"{title} (described by: packager -h)\n{short}")
            continue
        parts.append(_section(title, [(_flags(each, context), _text(each, context)) for each in members], width))
    return "\n\n".join([*parts, DOCS])


def command_list(commands: Iterable[Any]) -> str:
    """Return the commands of a group, a line each."""
    return "\n".join(
        ["Commands", *(f"  {each.name:<12}{each.get_short_help_str(70).rstrip('.')}" for each in commands)]
    )


def _usage(command: Any, context: Any) -> str:
    """Return the usage line."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [_argument(each) if each.required else f"[{_argument(each)}]" for each in arguments]
    if getattr(command, "commands", None):
        words.append("COMMAND")
    return " ".join(["Usage:", context.command_path, *words, "[OPTIONS]"])


def _argument(parameter: Any) -> str:
    """Return the word of an argument in the usage line, with "..." if there can be several."""
    word = (parameter.metavar or parameter.name.upper()).strip("[].")
    return f"{word}..." if parameter.nargs == -1 else word


def _paragraphs(text: str, width: int) -> Iterator[str]:
    """Yield the paragraphs of a description, wrapped."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield textwrap.fill(" ".join(paragraph.split()), width, break_long_words=False, break_on_hyphens=False)


def _grouped(options: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the options by title: the command's own, then shared groups, then global options."""
    flags = {flag for each in options for flag in each.opts}
    titles = {"Options": [], **{title: [] for title in _TITLES}, _GLOBAL_TITLE: []}  # type: dict[str, list[Any]]
    for each in options:
        titles[_title(each, flags)].append(each)
    yield from ((title, members) for title, members in titles.items() if members)


def _title(option: Any, flags: Iterable[str]) -> str:
    """Return the title of the group of an option."""
    if any(flag in GLOBAL for flag in option.opts):
        return _GLOBAL_TITLE
    for title, (first, others) in _TITLES.items():
        if any(flag in (*first, *others) for flag in option.opts) and any(flag in flags for flag in first):
            return title
    return "Options"


def _flags(option: Any, context: Any) -> str:
    """Return the flags of an option, the short one first."""
    written = ", ".join(sorted((*option.opts, *option.secondary_opts), key=len))
    return written if option.is_flag or option.count else f"{written} {metavar(option, context)}"


def metavar(option: Any, context: Any) -> str:
    """Return the word for an option's value in the help."""
    if option.metavar:
        return str(option.metavar)
    kind = option.display_type(context).strip("<>")
    return "N" if kind.startswith(_NUMBERS) else "PATH" if "path" in kind.lower() else "TEXT"


def _text(option: Any, context: Any) -> str:
    """Return the description of an option and its default."""
    default = option.get_default(context)
    if option.is_flag or option.count or option.required or default in (None, "", ".", (), []) or str(default) == ".":
        return option.help or ""
    return f"{option.help or ''} [{default}]".strip()


def _section(title: str, rows: Sequence[tuple[str, str]], width: int) -> str:
    """Return a title and its rows in two columns: flags and descriptions."""
    column = min(max(len(left) for left, _ in rows) + 4, 30)
    lines = [title]
    for left, right in rows:
        text = textwrap.wrap(" ".join(right.split()), width - column, break_long_words=False, break_on_hyphens=False)
        head = f"  {left}"
        if len(head) > column - 2:
            lines.append(head)
            head = ""
        lines += [f"{head:<{column}}{first}".rstrip() for first in text[:1]]
        lines += [" " * column + line for line in text[1:]]
    return "\n".join(lines)
