"""`packager help`."""

from typing import Annotated

import typer

from packager.cli import output


def help_(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(help="A command, such as mirror status.", metavar="COMMAND")
    ] = None,
) -> None:
    """Show the help of a command.

    Example: packager help mirror follow
    """
    parent = context.parent
    assert parent is not None
    shown = parent
    for name in command or ():
        group = shown.command
        found, below, _ = group.resolve_command(shown, [name])  # type: ignore[attr-defined]
        shown = below.make_context(found, [], parent=shown, resilient_parsing=True)
    output.print_message(shown.get_help())
