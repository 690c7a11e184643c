"""The door to libtorrent, which is loaded when it is first used.

Most commands meet no swarm, and it has no wheel for every Python: without it they work all the same.
"""

import platform
import sys
from typing import TYPE_CHECKING, Any

from packager.errors import InputError

_HAS_WHEEL = sys.version_info < (3, 14)
_FIX = (
    "pip install libtorrent"
    if _HAS_WHEEL
    else "use Python 3.11 to 3.13; or install the system's package (Debian: python3-libtorrent) and make the virtual"
    " environment with --system-site-packages"
)


__all__ = ["MissingLibtorrentError", "is_installed", "lt"]


class MissingLibtorrentError(InputError):
    """libtorrent is needed, and not installed or not loadable."""


class _Libtorrent:
    """The module, loaded at the first use of one of its names."""

    def __getattr__(self, name: str) -> Any:
        """Return what libtorrent has under a name. Raises MissingLibtorrentError."""
        try:
            import libtorrent
        except ImportError as error:
            what = f"cannot be loaded by Python {platform.python_version()}: {error}"
            raise MissingLibtorrentError("libtorrent", what, _FIX) from error
        return getattr(libtorrent, name)


if TYPE_CHECKING:
    import libtorrent as lt
else:
    lt = _Libtorrent()


def is_installed() -> bool:
    """Return whether libtorrent can be loaded."""
    try:
        return bool(lt.version)
    except MissingLibtorrentError:
        return False
