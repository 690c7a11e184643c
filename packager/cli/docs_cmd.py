"""`packager docs`."""

import pydoc
import sys
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from packager.cli import output
from packager.errors import InputError

_OTHER_NAMES = {"phases": "write-a-phase", "format": "FORMAT", "exit-codes": "exit-codes"}


def docs(
    topic: Annotated[
        str | None, typer.Argument(help="A page, such as config, verify or format. [all pages]", metavar="TOPIC")
    ] = None,
    *,
    address: Annotated[bool, typer.Option("--print", help="Print where the page is, and do not open it.")] = False,
) -> None:
    """Open the documentation.

    It is part of the installation: no network is needed.

    Example: packager docs config
    """
    page = find_page(docs_folder(), topic)
    if address:
        output.print_message(str(page))
    elif sys.stdout.isatty():
        pydoc.pager(page.read_text(encoding="utf-8"))
    else:
        output.print_message(page.read_text(encoding="utf-8").rstrip("\n"))


def docs_folder() -> Path:
    """Return the folder of the pages: in the installed package, or beside it in a checkout."""
    inside = Path(str(files("packager"))) / "docs"
    return inside if inside.is_dir() else inside.parent.parent / "docs"


def find_page(folder: Path, topic: str | None) -> Path:
    """Return the page with this name, or the only page with this text in its name. Raises InputError."""
    if topic is None:
        return folder / "index.md"
    pages = {path.stem: path for path in sorted(folder.rglob("*.md"))}
    pages["FORMAT"] = folder.parent / "manifests" / "FORMAT.md"
    name = _OTHER_NAMES.get(topic, topic)
    found = [name] if name in pages else [each for each in pages if name in each]
    if len(found) == 1:
        return pages[found[0]]
    if found:
        raise InputError("docs", f'"{topic}" is part of several names', f"name one of: {', '.join(found)}")
    near = get_close_matches(topic, pages, n=1)
    raise InputError(
        "docs", f'no page is named "{topic}"', f'did you mean "{near[0]}"?' if near else "run: packager docs"
    )
