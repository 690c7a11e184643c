"""`packager init`."""

from pathlib import Path
from typing import Annotated

import typer

from packager import api
from packager.api.starting import NewProject, keep_answers
from packager.catalogue.first_look import FoundFiles
from packager.cli import output
from packager.cli.ask_new_project import ask_options, is_terminal
from packager.cli.common_options import DEFAULT_CONFIG, NewConfig
from packager.cli.option_groups import with_options
from packager.errors import InputError
from packager.paths import display_text
from packager.units import count_of, format_size


@with_options(options=api.InitOptions)
def init(
    folders: Annotated[
        list[Path], typer.Argument(help="Folder with the files; packager only reads it.", metavar="DIR")
    ],
    *,
    config: NewConfig = DEFAULT_CONFIG,
    options: api.InitOptions,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a packager.toml that exists.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no questions; use the defaults.")] = False,
) -> None:
    """Create packager.toml for a folder of files.

    On a terminal it asks for a title, a licence and other values; Enter selects the default.

    Example: packager init music
    """
    if len(folders) > 1:
        raise InputError("init", f"{len(folders)} folders; a release has one", "name one folder that contains them")

    def ask(found: FoundFiles, given: api.InitOptions) -> api.InitOptions:
        _show_found(found, folders[0])
        return ask_options(found, given, config.parent) if is_terminal() and not yes else keep_answers(found, given)

    _show_new(api.init(folders[0], options, config=config, overwrite=overwrite, ask=ask))


def _show_found(found: FoundFiles, folder: Path) -> None:
    """Print what is in the folder."""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in found.kinds.items() if number)
    place = display_text(str(folder / "data" if found.is_bag else folder))
    files = f"{count_of(found.files, 'file')}, {format_size(found.size)}"
    output.print_message(f"Found {files}, in {place}" + (f": {kinds}." if kinds else "."))
    if found.unread:
        output.print_message(f"warning: {output.unread(found.unread)}")
    for warning in found.warnings:
        output.print_message(f"warning: {warning}")


def _show_new(project: NewProject) -> None:
    """Print what was written, and the next command."""
    found = project.found
    parts = [count_of(found.files, "file"), format_size(found.size)]
    if project.records and project.records.matched is not None:
        without_file = project.records.records - project.records.matched
        parts.append(count_of(found.files + without_file, "record"))
    output.print_message(f"Created {project.config}: {', '.join(parts)}.")
    output.next_step("packager release")
