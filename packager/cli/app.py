"""The command `packager`: its commands, and the one place where an error becomes text and an exit code.

Exit codes: 0 done; 1 checked and found bad; 2 bad input or config; 3 incomplete, run again; 130 interrupted.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, TypeAlias

import typer
from typer.core import TyperGroup

from packager.cli import output
from packager.cli.common_options import version_callback
from packager.engine.files.write_errors import system_error
from packager.errors import InputError, PackagerError

INTERRUPTED = 130
_STORES = ("s3://", "sftp://")
_MANY_ROWS = frozenset(("scan", "plan"))  # commands that make no cycles; failed requests do, and hold their bytes
_TAKE_STORES = ("publish", "export", "verify", "extract", "get", "mirror")
_OF_STORES = ("--release", "--from")  # options of any command whose value may be a store's address
Command: TypeAlias = Any  # Typer keeps the class private
# Each stands in NAME_cmd.py, which is imported when the command is run; `packager --help` prints these lines.
COMMANDS = {
    "init": "Write a commented packager.toml for a collection.",
    "scan": "Make the catalogue from files, tags and the records file.",
    "plan": "Cut the catalogue into phases and shards; print the table.",
    "pack": "Write every planned shard that is not whole yet.",
    "export": "Write the tars of shards that were packed without.",
    "publish": "Put the release in place: pages, lists, torrents, manifests.",
    "release": "Scan, plan, pack and publish, resuming what is done.",
    "status": "Say what is done, what is next, and how long that may take.",
    "withdraw": "Withdraw records, and replace the shards with them.",
    "replace": "Replace published shards that have wrong content.",
    "prune": "Delete tars that should no longer be shared.",
    "estimate": "Say what a release will take: shards, torrents, time, disks.",
    "keygen": "Make a minisign key pair that signs releases.",
    "inspect": "Tell what a file of a release says, and its faults.",
    "extract": "Take files out of a shard, each checked as it is written.",
    "get": "Take single files out of a release, without their shards.",
    "rebuild": "Write a shard again, byte for byte, from loose files.",
    "verify": "Prove every byte; name each bad piece, range and member.",
    "repair": "Repair a shard in place, fetching only its bad pieces.",
    "seed": "Share shards with the swarm until Ctrl-C.",
    "torrent": "Make a .torrent of a file or folder where it lies.",
    "serve": "Serve the site, and every shard as a web seed, until Ctrl-C.",
    "mirror": "Hold a part of a release that others publish.",
}


class _Commands(TyperGroup):
    """The commands by their one-line help; the one that is run is imported then, and no other."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Command, list[str]]:
        """Return the name, the command itself and what follows it on the command line."""
        name, _, rest = super().resolve_command(ctx, args)
        if name not in _TAKE_STORES:
            _check_no_store(str(name), rest)
        return name, _load(str(name)), rest


def _check_no_store(name: str, arguments: Sequence[str]) -> None:
    """Raise InputError for the address of a store where a path of this machine is meant; it is not shown."""
    for before, argument in pairwise(("", *arguments)):
        if argument.lower().startswith(_STORES) and before not in _OF_STORES:
            what = "is the address of a store, and this command takes paths of this machine here"
            raise InputError(f"packager {name}: {argument.partition(':')[0]}://", what, "copy them here, or mount it")


def _new_app(**settings: Any) -> typer.Typer:
    """Return an app with plain one-line errors, no boxes and no markup: names of files pass through them."""
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False, **settings)


def _load(name: str) -> Command:
    """Return a command from its file: a group where the file has an app, else the function of that name."""
    module = import_module(f"packager.cli.{name}_cmd")
    alone = _new_app()
    if hasattr(module, "app"):
        alone.add_typer(module.app, name=name)
    else:
        alone.command(name)(getattr(module, name))
    return typer.main.get_group(alone).commands[name]


app = _new_app(no_args_is_help=True, cls=_Commands)
app.callback()(version_callback)
for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. A traceback that leaves this is a bug."""
    try:
        app(args=list(arguments), prog_name="packager")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except PackagerError as error:
        output.show_error(error, json="--json" in arguments)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; Python must not fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # of a call whose failure nothing below tells better, as that of a failing disk
        if error.errno is None:  # another library's own, and so a bug
            raise
        told = system_error(error)
        output.show_error(told, json="--json" in arguments)
        return told.exit_code
    return 0


def run() -> None:
    """Run the command line of this process."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own keeps some 40 MB that are not in use
    if _MANY_ROWS.intersection(sys.argv[1:2]):
        gc.set_threshold(10_000, 20, 20)  # few cycles are made: to look for those often takes a fifth
    sys.exit(main(sys.argv[1:]))
