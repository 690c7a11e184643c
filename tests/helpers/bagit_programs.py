"""What the public checkers of bags say of one on disk."""

import subprocess
import sys
from pathlib import Path


def bagit_faults(bag: Path) -> str:
    """Return what `bagit.py --validate` (the Library of Congress's) has against a bag; "" where it is valid."""
    command = [sys.executable, "-m", "bagit", "--validate", "--quiet", bag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.returncode}: {done.stdout}{done.stderr}"


def sha256sum_faults(sha256sum: str, bag: Path, manifest: str) -> str:
    """Return what coreutils' `sha256sum -c` has against a manifest of a bag; "" where all is right."""
    command = [sha256sum, "--check", "--strict", "--quiet", manifest]
    done = subprocess.run(command, cwd=bag, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.returncode}: {done.stdout}{done.stderr}"
