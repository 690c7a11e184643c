"""The short names of the collection and the phases, which are parts of file names and addresses."""

import re
import unicodedata

from packager.paths import is_safe_name

SLUG_MAX = 32  # characters; two of them and a number make a shard's name
SLUG_RULE = (
    f'at most {SLUG_MAX} of a-z, 0-9, ".", "_" and "-", a letter or digit first, no "..", not reserved by Windows'
)
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")


def is_slug(text: str) -> bool:
    """Return whether `text` may name a collection or a phase (SLUG_RULE)."""
    return len(text) <= SLUG_MAX and _SLUG.fullmatch(text) is not None and ".." not in text and is_safe_name(text)


def slug(text: str) -> str:
    """Return the nearest slug to `text`: lower case, accents dropped, "-" for the rest.

    "collection" where nothing is left.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    words = re.sub(r"[^a-z0-9._]+", "-", re.sub(r"\.\.+", ".", plain))
    name = words.lstrip("-._")[:SLUG_MAX].rstrip("-._")
    if name and not is_slug(name):
        name = f"the-{name}"[:SLUG_MAX].rstrip("-._")  # a word that Windows reserves
    return name or "collection"
