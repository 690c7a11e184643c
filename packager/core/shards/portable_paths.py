"""Whether the paths of a stranger's torrent or tar can be stored as they are, on every system. Pure.

`paths.is_safe_name` is the rule for names that we write; this one is for names that others wrote, and
allows what only our own manifests cannot contain.
"""

import re
from collections.abc import Iterator

from packager.paths import collision_key, display_text, is_safe_name

PATH_MOST = 4095  # Linux takes no longer one
_LEADS_OUT = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)", re.S)  # "", ".", "..", C:


class PathChecks:
    """The paths of one torrent or tar, given one after another in any order.

    Memory: some 80 bytes a path.
    """

    def __init__(self) -> None:
        """Begin with no path."""
        self._files: set[int] = set()  # hashes of collision keys
        self._folders: set[int] = set()

    def faults(self, path: str) -> Iterator[str]:
        """Yield what is wrong with a file's path, "/"-separated; bytes that are not UTF-8 as os.fsencode takes them."""
        names = path.split("/")
        if _LEADS_OUT.search(path):
            yield f'"{display_text(path)}" is empty, absolute or leads out of its folder'
            return
        if len(path) > PATH_MOST:
            yield f'"{display_text(path, 60)}" is a path of {len(path)} characters, more than {PATH_MOST}'
            return
        if not all(map(_is_portable, names)):
            yield f'"{display_text(path)}" has a name that not every system can store'
        yield from self.clashes(path)

    def clashes(self, path: str) -> Iterator[str]:
        """Yield how a file's path stands in the way of those given before it."""
        keys = path.lower().split("/") if path.isascii() else [collision_key(name) for name in path.split("/")]
        own = hash("/".join(keys))
        above = [hash("/".join(keys[:depth])) for depth in range(1, len(keys))]
        if own in self._files:
            yield f'"{display_text(path)}" is listed twice, or differs from another path only by case or normalisation'
        if own in self._folders or not self._files.isdisjoint(above):
            yield f'"{display_text(path)}" and another path are both a file and a folder of one name'
        self._files.add(own)
        self._folders.update(above)


def _is_portable(name: str) -> bool:
    """Return whether every common system stores a name as it is; "%" is in the way of manifests alone."""
    return is_safe_name(name.replace("%", "_"))
