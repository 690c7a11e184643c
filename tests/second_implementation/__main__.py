"""Check a site from the command line; see the package's docstring."""

import argparse
import sys
from pathlib import Path

from tests.second_implementation.minisign import Key
from tests.second_implementation.site import Site


def main() -> int:
    """Check the site that the arguments name, print what was found, and return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.second_implementation", description=__doc__)
    parser.add_argument("site", type=Path, help="the folder of release.json")
    parser.add_argument("shards", type=Path, nargs="?", help="the folder of the tars; those missing are skipped")
    parser.add_argument("--source", type=Path, help="the collection's folder: write shards again from loose files")
    parser.add_argument("--key", help="the publisher's public key, as one line")
    given = parser.parse_args()
    key = Key.parse(given.key) if given.key else None
    found = Site(given.site, given.shards, given.source, key).check()
    for problem in found.problems:
        print(problem)
    print(", ".join(f"{count} {kind}" for kind, count in found.checked.items()) + " checked;", end=" ")
    print(f"{len(found.problems)} problems" if found.problems else "everything is as FORMAT.md says")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
