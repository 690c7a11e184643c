"""The global options, before or after the name of a command: how much is printed, and where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from packager.cli import log_file
from packager.errors import InputError

_ALLOWED = {"color": ("auto", "always", "never"), "progress": ("auto", "bar", "lines", "none")}


@dataclass
class GlobalOptions:
    """The values for one run of a command."""

    quiet: bool = False
    verbose: int = 0  # 1: each file and shard, 2: each request, too
    json: bool = False
    color: str = "auto"
    progress: str = "auto"
    log_file: Path | None = None


given = GlobalOptions()


def reset() -> None:
    """Forget the options of an earlier run in this process."""
    given.__dict__.update(GlobalOptions().__dict__)


def _declared(
    *,
    global_quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the result, warnings and errors.")
    ] = False,
    global_verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="Print each file and shard; -vv: each request, with times."),
    ] = 0,
    global_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; errors as JSON.")
    ] = False,
    global_color: Annotated[
        str, typer.Option("--color", metavar="auto|always|never", help="When to use colors.")
    ] = "auto",
    global_progress: Annotated[
        str, typer.Option("--progress", metavar="auto|bar|lines|none", help="How to show progress.")
    ] = "auto",
    global_log_file: Annotated[
        Path | None, typer.Option("--log-file", metavar="FILE", help="Append what -vv shows to this file.")
    ] = None,
    global_version: Annotated[bool, typer.Option("--version", "-V", is_eager=True, help="Print the versions.")] = False,
) -> None:
    """Declare the options. Parsing calls `_set`; nothing calls this function."""


def options() -> list[Any]:
    """Return the options as parameters of a command. Parsing them sets `given`."""
    app = typer.Typer(add_completion=False)
    app.command()(_declared)
    found = typer.main.get_command(app).params
    for each in found:
        each.expose_value, each.callback = False, _set
    return found


def _set(_context: Any, parameter: Any, value: Any) -> None:
    """Set an option from the command line, given before or after the command's name."""
    name = parameter.name.removeprefix("global_")  # the prefix avoids clashes with the commands' own options
    if name == "version":
        if value:
            from packager.cli.print_version import print_version  # slow to import

            print_version()
            raise typer.Exit
    elif name == "verbose":
        given.verbose += value
    elif value and value != parameter.default:
        setattr(given, name, _checked(name, value))
        if name == "log_file":
            log_file.open_log(value)


def _checked(name: str, value: Any) -> Any:
    """Return an option's value if it is allowed. Raises InputError."""
    words = _ALLOWED.get(name)
    if words is not None and value not in words:
        listed = f"{', '.join(words[:-1])} or {words[-1]}"
        raise InputError(f"--{name}", f'"{value}" is not {listed}', f"write one of: {listed}")
    return value
