"""Which folder a mirror's command is about."""

from pathlib import Path

from packager.errors import InputError
from packager.mirror.state import MirrorFolder
from packager.paths import display_text


def find_mirror(named: Path | None, here: Path) -> Path:
    """Return the folder that is named, else the mirror around `here`. Raises InputError if there is none."""
    if named is not None:
        return named
    for folder in (here, *here.absolute().parents):
        if MirrorFolder(folder).is_mirror:
            return folder
    raise InputError(display_text(str(here.absolute())), "not a mirror", "run: packager mirror follow URL DIR")


def find_new_mirror(named: Path | None, here: Path) -> Path:
    """Return as `find_mirror`, or `here` if it is empty."""
    try:
        return find_mirror(named, here)
    except InputError as error:
        if any(here.iterdir()):
            what = "this folder is not empty, and not a mirror"
            raise InputError(error.where, what, "name the mirror's folder: packager mirror follow SOURCE DIR") from None
        return here
