"""The command `packager`: its commands, and the one place where an error becomes text and an exit code.

Exit codes: 0 done; 1 checked and found bad; 2 bad input or config; 3 incomplete, run again; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

import typer

from packager.cli import (
    extract_cmd,
    init_cmd,
    inspect_cmd,
    keygen_cmd,
    mirror_cmd,
    pack_cmd,
    plan_cmd,
    publish_cmd,
    rebuild_cmd,
    release_cmd,
    repair_cmd,
    scan_cmd,
    screen,
    seed_cmd,
    status_cmd,
    verify_cmd,
)
from packager.cli.options import version_callback
from packager.errors import PackagerError

INTERRUPTED = 130
# Plain one-line errors, no boxes and no markup: names of files pass through them.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
app.callback()(version_callback)
for command in (
    init_cmd,
    scan_cmd,
    plan_cmd,
    pack_cmd,
    publish_cmd,
    release_cmd,
    status_cmd,
    keygen_cmd,
    inspect_cmd,
    extract_cmd,
    rebuild_cmd,
    verify_cmd,
    repair_cmd,
    seed_cmd,
):
    name = command.__name__.rpartition(".")[2].removesuffix("_cmd")
    app.command(name)(getattr(command, name))
app.add_typer(mirror_cmd.app, name="mirror")


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. A traceback that leaves this is a bug."""
    try:
        app(args=list(arguments), prog_name="packager")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except PackagerError as error:
        screen.show_error(error, json="--json" in arguments)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; Python must not fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def run() -> None:
    """Run the command line of this process."""
    sys.exit(main(sys.argv[1:]))
