"""The command `packager`: its commands, and the one place where an error becomes text and an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from packager.cli import command_groups, global_options, help_text, log_file, output
from packager.cli.error_text import usage_error
from packager.engine.files.write_errors import system_error
from packager.errors import InputError, PackagerError

BUG, INTERRUPTED, CLOSED_PIPE = 70, 130, 141  # exit codes
_MANY_ROWS = frozenset(("scan", "plan"))  # no garbage collection: these make no reference cycles
_STORES = ("s3://", "sftp://")
_TAKE_STORES = ("publish", "export", "verify", "extract", "get", "mirror")
_OF_STORES = ("--release", "--from")  # values that may be the address of a store
Command: TypeAlias = Any  # Typer keeps the class private
# Each is in NAME_cmd.py, which is imported when the command is run; `packager -h` prints these lines.
COMMANDS = {
    "init": "Create packager.toml for a folder of files",
    "release": "Make and publish a release: all steps, resumable",
    "status": "Show what is done, what is next and what to delete",
    "estimate": "Estimate the size, time and cost of a release",
    "warnings": "List the warnings of the last run",
    "scan": "Read files, tags and records into the catalogue",
    "plan": "Divide the catalogue into phases and shards",
    "pack": "Write the planned shards, torrents and manifests",
    "publish": "Write the site, and upload it if you name a place",
    "export": "Write the tars of shards that have no tar",
    "withdraw": "Withdraw records, and replace the shards with them",
    "replace": "Replace published shards that have wrong content",
    "prune": "Delete tars that should no longer be shared",
    "keygen": "Create a key pair that signs releases",
    "verify": "Check every byte against the published hashes",
    "repair": "Repair shards in place by fetching only bad pieces",
    "seed": "Share shards with the swarm until you stop it",
    "rebuild": "Rebuild a shard from loose files, byte for byte",
    "serve": "Serve the site and the shards over HTTP until you stop it",
    "torrent": "Create a .torrent of any file or folder",
    "mirror": "Keep a part of a release that others publish",
    "get": "Download single files, each one checked",
    "extract": "Extract files from a shard, each one checked",
    "inspect": "Show the contents and faults of a release file",
    "help": "Show the help of a command",
    "docs": "Open the documentation",
    "completion": "Print a shell completion script",
}


class _Command(TyperCommand):
    """A command with grouped help, which shows requests if the options ask for it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        if global_options.given.verbose < 2 and global_options.given.log_file is None:
            return super().invoke(ctx)
        from packager.cli import request_log  # seldom needed

        request_log.follow()
        try:
            return super().invoke(ctx)
        finally:
            request_log.leave()

    def get_help(self, ctx: Any) -> str:
        """Return what `--help` prints."""
        return help_text.help_of(self, ctx)


class _Group(TyperGroup):
    """A group of commands; global options may be before or after a name."""

    def get_help(self, ctx: Any) -> str:
        """Return what `--help` prints."""
        return help_text.help_of(self, ctx, help_text.command_list(self.commands.values()))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Command, list[str]]:
        """Return the name, the command and the remaining arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:  # while a shell completes a line
            return name, command, rest
        command = self.load(name, command, rest)
        own = {flag for each in command.params for flag in each.opts}
        command.params += [each for each in global_options.options() if own.isdisjoint(each.opts)]
        return name, command, ["--json", *rest] if global_options.given.json and "--json" not in rest else rest

    def load(self, _name: str, command: Command, _arguments: Sequence[str]) -> Command:
        """Return the command to run."""
        return command


class _Commands(_Group):
    """All commands with their one-line help. Only the command that runs is imported."""

    def get_help(self, ctx: Any) -> str:
        """Return what `packager -h` prints."""
        return help_text.help_of(self, ctx, command_groups.full_list(COMMANDS))

    def load(self, name: str, _command: Command, arguments: Sequence[str]) -> Command:
        """Import the command to run and return it."""
        if name not in _TAKE_STORES:
            _check_no_store(name, arguments)
        return _load(name)


def _check_no_store(name: str, arguments: Sequence[str]) -> None:
    """Raise InputError, without the value, if an argument that must be a local path is the address of a store."""
    for before, argument in pairwise(("", *arguments)):
        if argument.lower().startswith(_STORES) and before not in _OF_STORES:
            what = "is the address of a store, and this command takes paths of this machine here"
            raise InputError(f"packager {name}: {argument.partition(':')[0]}://", what, "copy them here, or mount it")


def _new_app(**settings: Any) -> typer.Typer:
    """Return an app that prints plain text, without boxes and markup, because file names are printed."""
    settings["context_settings"] = {"help_option_names": ["-h", "--help"]}
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False, **settings)


def _load(name: str) -> Command:
    """Return a command from its module: a group if the module has an app, else the function of that name."""
    module = import_module(f"packager.cli.{name}_cmd")
    alone = _new_app()
    if hasattr(module, "app"):
        for each in module.app.registered_commands:
            each.cls = _Command
        alone.add_typer(module.app, name=name, cls=_Group)
    else:
        function = getattr(module, name, None) or getattr(module, f"{name}_")
        alone.command(name, cls=_Command)(function)
    return typer.main.get_group(alone).commands[name]


app = _new_app(cls=_Commands, invoke_without_command=True)
for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


@app.callback()
def _alone(context: typer.Context) -> None:
    """Make, publish and mirror releases of large file collections."""
    if context.invoked_subcommand is None:
        output.print_message(command_groups.short_list(COMMANDS, _next_step(Path())))


def _next_step(folder: Path) -> str:
    """Return the last line of `packager` alone: the next command in this folder."""
    if (folder / "packager.toml").is_file():
        return "Next: packager status"
    if (folder / ".packager-mirror").is_dir() or (folder / "mirror.toml").is_file():
        return "Next: packager mirror status"
    return "There is no project here. Start with: packager init DIR"


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    global_options.reset()
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    global_options.given.json = "--json" in own
    code = _ended(list(arguments))
    log_file.write(f"exit code {code}")
    log_file.close_log()
    return code


def _ended(arguments: list[str]) -> int:
    """Run a command line, print its error if there is one, and return the exit code."""
    error: PackagerError
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except PackagerError as wrong:
        error = wrong
    except typer.TyperException as wrong:
        if type(wrong).__name__ == "NoArgsIsHelpError":
            output.print_message(wrong.message)
            return 0
        error = usage_error(wrong, arguments)
    except (KeyboardInterrupt, typer.Abort) as stop:
        output.show_stopped(stop, arguments)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has ended; Python must not fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except Exception as failed:  # noqa: BLE001  # a bug, unless the system refuses a call, as with a failing disk
        if not isinstance(failed, OSError) or failed.errno is None:
            output.show_bug(failed)
            return BUG
        error = system_error(failed)
    else:
        return code
    output.show_error(error)
    return error.exit_code


def _invoke(arguments: list[str]) -> int:
    """Run a command line and return the exit code that the command chose."""
    command = typer.main.get_command(app)
    command.params += global_options.options()
    if "_PACKAGER_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # only a shell needs it

        completion_init()
        command.main(arguments, "packager")  # prints completions and exits
    try:
        with command.make_context("packager", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does."""
    raise KeyboardInterrupt


def run() -> None:
    """Run the command line of this process."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own pool keeps about 40 MB of unused memory
    if _MANY_ROWS.intersection(sys.argv[1:2]):
        gc.set_threshold(10_000, 20, 20)  # there are few cycles; frequent collections cost a fifth of the time
    signal.signal(signal.SIGTERM, _interrupt)  # which systemd sends
    sys.exit(main(sys.argv[1:]))
