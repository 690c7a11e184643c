"""What `packager --version` prints."""

import platform
from importlib import metadata

from packager import __version__
from packager.cli import output
from packager.native import hashes


def print_version() -> None:
    """Print the versions of packager, Python, the hashing code and libtorrent."""
    output.print_message(f"archive-packager {__version__}")
    output.print_message(f"Python {platform.python_version()}")
    output.print_message(f"hashes: {hashes.name()}")
    output.print_message(f"libtorrent {_installed('libtorrent')}")


def _installed(distribution: str) -> str:
    """Return the version of an installed distribution, or that it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
