"""Declare an option of a command once, as a field of a frozen dataclass.

The API takes the dataclass, `--help` and docs/reference show the texts of its fields, and the command line sets the
given options. Types: bool, int, float, str, Path, each with None, tuple[..., ...] of them, or another such dataclass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from packager.errors import InputError

_KEY = "option"


@dataclass(frozen=True)
class OptionText:
    """The texts of an option.

    help: a sentence. flags: on the command line; "" for none; if empty, "--" and the field's name. written: the default
    as on the command line. parse: returns the value of a text and its flag, or raises InputError. least, most: limits
    of a number.
    """

    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    written: str | None = None
    parse: Callable[[str, str], object] | None = None
    least: float | None = None
    most: float | None = None

    def flags_of(self, name: str) -> tuple[str, ...]:
        """Return the flags of the field with this name."""
        return self.flags or ("--" + name.replace("_", "-"),)


def option(
    text: str | OptionText,
    default: object = None,
    *flags: str,
    metavar: str | None = None,
    parse: Callable[[str, str], object] | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Return a field with this default. text: its help, or an OptionText that several options share.

    default: if there is a `parse`, the text as on the command line.
    """
    if isinstance(text, str):
        written = default if parse is not None and isinstance(default, str) else None
        text = OptionText(text, flags, metavar, written, parse, least, most)
    if text.parse is not None and text.written is not None:
        default = text.parse(text.written, "")
    return field(default=default, metadata={_KEY: text})


def option_texts(declared: type) -> dict[str, OptionText]:
    """Return the texts of the options of a dataclass, by field name."""
    return {each.name: each.metadata[_KEY] for each in fields(declared) if _KEY in each.metadata}


def parse_workers(text: str, where: str) -> int | None:
    """Return the number of --workers; None for "auto". Raises InputError."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 4096:
        raise InputError(where, f'"{text}" is not a number of processes', 'write 1 to 4096, or "auto"')
    return int(text)


# Texts that several commands share.
RECORDS = OptionText("An id, a path or an ISRC, exact; - reads one per line.", ("",), metavar="RECORD")
PATHS = OptionText('Records with this path; "*" is any text. Repeatable.', ("--path",), metavar="PATTERN")
WHERE = OptionText("Only records for which this SQL is true.", metavar="SQL")
SOURCES = OptionText(
    "Read the bytes there: a folder, a tar, an address of either, or the swarm. An address of a folder on the web ends"
    " in /. Repeatable.",
    ("--from",),
    metavar="PLACE|swarm",
)
RELEASE_OPTION = OptionText(
    "The release that lists the shard: its folder, its release.json, or the address of either."
    " Default: the one that contains the shard.",
    metavar="PLACE",
)
KEY = OptionText("The publisher's public key; the release must be signed by it.", metavar="KEY|FILE")
MANIFEST = OptionText("The shard's .manifest.json. Default: the one beside it.", metavar="FILE")
WORKERS = OptionText(
    "Number of worker processes; auto: one per core.",
    ("--workers", "-w"),
    metavar="N",
    written="auto",
    parse=parse_workers,
)
RENAME = OptionText('Name files by their tags, such as "{artist}/{album}/{track:02} {title}".', metavar="TEMPLATE")
SOURCE_NAMES = OptionText("Use the names that the files have in the collection.")
NUMBER = OptionText("Put a number in play order (album, track) before the names.")
OVERWRITE = OptionText("Replace files that have other contents.")
DRY_RUN = OptionText("Show what would be done, and change nothing.", ("--dry-run", "-n"))
PHASES = OptionText("Only this phase. Repeatable.", ("--phase", "-p"), metavar="NAME")
COUNT_SEEDS = OptionText("Ask the trackers for the number of seeds of each shard, and show it.")
ALLOW_UNREAD = OptionText("Publish without the files and folders that could not be read.")
ALLOW_HOSTS = OptionText(
    "Also contact these hosts if a document or a redirect names them: a host, HOST:PORT or a network; or a pattern such"
    ' as "*.example" or "*", for redirects to public addresses. Repeatable.',
    ("--allow-host",),
    metavar="PATTERN",
)
