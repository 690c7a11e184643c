"""An error as it is printed: its sentence `WHERE: WHAT; FIX` on two lines."""

import re

from packager.cli.error_text import sentence


def printed_forms(error: str) -> set[str]:
    """Return how the sentence of an error may be printed: the fix is what follows one of its semicolons, or empty."""
    parts = error.split("; ")
    forms = {f"error: {error}\n"}
    for at in range(1, len(parts)):
        forms.add(f"error: {'; '.join(parts[:at])}\nfix:   {sentence('; '.join(parts[at:]))}\n")
    return forms


def as_sentence(printed: str) -> str:
    """Return what was printed with each error as the one sentence `WHERE: WHAT; FIX`."""
    return re.sub(r"\nfix:   (.)(.*?)\.?(?=\n|$)", lambda found: f"; {found[1].lower()}{found[2]}", printed)
