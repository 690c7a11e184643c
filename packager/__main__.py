"""`python -m packager` is the command `packager`."""

from packager.cli.app import run

run()
