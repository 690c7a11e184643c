"""The questions of `packager init` on a terminal. Enter selects the default; options that were given are not asked."""

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import typer

from packager import api
from packager.api.starting import KEY_FILE, shard_size_of, title_of
from packager.catalogue.first_look import FoundFiles
from packager.cli import output
from packager.cli.interrupt import answer_now, confirm
from packager.cli.password import VARIABLE
from packager.core.config import option_values, url_values
from packager.errors import InputError
from packager.paths import display_text
from packager.slug import slug

Reader = Callable[[str, str], object]
_PASSWORDS = 3  # attempts to type the same password twice
_PUBLIC_KEY = "release.pub"


def is_terminal() -> bool:
    """Return whether questions can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_options(found: FoundFiles, options: api.InitOptions, folder: Path) -> api.InitOptions:
    """Ask all questions and return the options with the answers. folder: the folder of packager.toml."""
    title = options.title or _ask("Title", title_of(options, found), option_values.title)
    default = os.path.relpath(found.records.path) if found.records else ""
    options = replace(
        options,
        title=title,
        name=options.name or _ask("Short name for files", slug(title), option_values.name),
        records=_or_ask(options.records, "Records file", _records_reader(found), default),
        licence=_or_ask(options.licence, "Licence, such as CC-BY-4.0", option_values.line),
        contact=_or_ask(options.contact, "Contact", option_values.line),
        url=_or_ask(options.url, "Web address of the release", url_values.base_url),
        trackers=options.trackers or _tiers(_ask("Trackers, separated by spaces", "", _tiers_reader)),
        shard_size=options.shard_size
        or _ask("Maximum shard size", shard_size_of(options, found), option_values.shard_size),
    )
    key = folder / KEY_FILE
    if options.secret_key is None and not key.exists() and confirm("Create a signing key now?", default=True):
        _create_key(key)
    return options


def _or_ask(given: str | None, question: str, read: Reader, default: str = "") -> str:
    """Return a given value, or ask for it."""
    return given if given is not None else _ask(question, default, read)


def _ask(question: str, default: str, read: Reader) -> str:
    """Ask until `read` accepts the answer, and return it. The answer "none" means no value."""
    while True:
        with answer_now():
            answer = typer.prompt(
                f"{question} [{default or 'none'}]", default="", show_default=False, prompt_suffix=": ", err=True
            ).strip()
        answer = "" if answer == "none" else answer or default
        try:
            if answer:
                read(answer, question)
        except InputError as error:
            output.stderr_console(display_text(error.what if not error.fix else f"{error.what}; {error.fix}"))
            continue
        return answer


def _records_reader(found: FoundFiles) -> Reader:
    """Return a check that refuses a records file that describes none of the files."""

    def read(answer: str, where: str) -> object:
        if found.look_at_records(Path(answer)).matched == 0:
            raise InputError(where, f"{answer}: no record matches a file", "name another file, or none")
        return answer

    return read


def _tiers_reader(answer: str, where: str) -> object:
    """Return the trackers of an answer. Raises InputError."""
    return [url_values.tracker_tier(each, where) for each in answer.split()]


def _tiers(answer: str) -> tuple[tuple[str, ...], ...]:
    """Return the tracker tiers of an answer, one for each word."""
    return tuple(url_values.tracker_tier(each, "") for each in answer.split())


def _create_key(secret_key: Path) -> None:
    """Create a key pair. Ask for its password twice if it is not in the environment."""
    password = os.environ.get(VARIABLE)
    for _ in range(_PASSWORDS):
        if password is not None:
            break
        with answer_now():
            first = getpass.getpass(f"Password for {KEY_FILE} (twice): ", sys.stderr)
            if first == getpass.getpass("Again: ", sys.stderr):
                password = first
            else:
                output.stderr_console("The two passwords differ.")
    if password is None:
        raise InputError(KEY_FILE, "no key was created: the passwords differ", "run: packager keygen")
    api.keygen(secret_key, secret_key.with_name(_PUBLIC_KEY), password=password)
    output.print_message(f"Created {KEY_FILE} (secret: keep a copy) and {_PUBLIC_KEY} (publish it).")
