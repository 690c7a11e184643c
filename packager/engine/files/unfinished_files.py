"""Unfinished downloads on disk: the tar that a command asks for, or one beside the place where it is missing."""

import os
from pathlib import Path

from packager.core.bittorrent.unfinished_names import SUFFIXES, final_name, unfinished_sentence
from packager.errors import InputError
from packager.paths import display_text


def unfinished_beside(path: bytes) -> str:
    """Return that an unfinished download of a file is beside the place where it is missing; "" if none is."""
    for suffix in SUFFIXES:
        beside = path + suffix.encode()
        if os.path.isfile(beside):
            name = os.fsdecode(os.path.basename(beside))
            return f"{name} is {unfinished_sentence(name, os.fsdecode(os.path.basename(path)))}"
    return ""


def check_name(name: str) -> None:
    """Raise InputError for the name of an unfinished download."""
    final = final_name(name)
    if final is not None:
        what, _, fix = unfinished_sentence(name, final).partition(": ")
        raise InputError(display_text(name), f"is {what}", fix)


def check_finished(path: Path) -> None:
    """Raise InputError for a file that is an unfinished download, or one that is missing and has one beside it."""
    check_name(path.name)
    if not path.exists() and (what := unfinished_beside(bytes(path))):
        what, _, fix = what.partition(": ")
        raise InputError(display_text(str(path)), f"not found; {what}", fix)
