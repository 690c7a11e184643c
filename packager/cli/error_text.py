"""The text of an error: one line with what happened and where, one line with what to do. No I/O."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from importlib import metadata
from typing import Any

import msgspec

from packager.errors import InputError, PackagerError
from packager.paths import display_text

_LIMIT = 4000  # characters of a line
_COMMAND = re.compile(r"(?:^|: )(?:(?:packager|python3?|pip|chmod|cd) |--)[^:]*$")
_QUOTED = re.compile(r"'([^']*)'")


def error_lines(error: PackagerError) -> Iterator[str]:
    """Yield the lines of an error: where and what with a label, then the fix if there is one."""
    label = "refused" if error.kind == "refused" else "error"
    where = f"{error.where}: " if error.where else ""
    yield display_text(f"{label}: {where}{error.what}", _LIMIT)
    if error.fix:
        yield display_text(f"fix:   {sentence(error.fix)}", _LIMIT)


def error_json(error: PackagerError) -> str:
    """Return an error as one line of JSON."""
    fields = {
        "level": "error",
        "code": error.exit_code,
        "kind": error.kind,
        "where": error.where,
        "what": error.what,
        "fix": sentence(error.fix),
    }
    return msgspec.json.encode(fields).decode()


def bug_lines(error: Exception, *, json: bool) -> Iterator[str]:
    """Yield the lines that report a bug of packager."""
    text = next(iter(str(error).splitlines()), "")
    bug = _Bug(
        "", f"a bug in packager: {type(error).__name__}: {text}", f"report it, with the traceback (-v), at {_address()}"
    )
    if json:
        yield error_json(bug)
    else:
        yield from error_lines(bug)


class InterruptedWork(PackagerError):  # noqa: N818
    """The user stopped the work."""

    exit_code = 130
    kind = "interrupted"


class _Bug(PackagerError):  # noqa: N818
    """A failure of packager itself."""

    exit_code = 70
    kind = "bug"


def _address() -> str:
    """Return the address for bug reports, from the URLs of the installed package."""
    try:
        urls = metadata.metadata("archive-packager").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    return next((url.partition(", ")[2] for url in urls if url.startswith("Issues,")), "the address in README.md")


def sentence(advice: str) -> str:
    """Return advice as a sentence; it has no full stop if it ends with a command."""
    if re.match(r"[a-z]+[,:]?(?: |$)", advice) and not advice.startswith(("packager ", "pip ")):
        advice = advice[0].upper() + advice[1:]
    if not advice or advice[-1] in ".?!:" or _COMMAND.search(advice):
        return advice
    return f"{advice}."


def usage_error(error: Any, arguments: Sequence[str]) -> InputError:
    """Return the error in a command line. error: a typer.TyperException."""
    context: Any = getattr(error, "ctx", None)
    command = arguments[0] if context is None else context.command_path.partition(" ")[2]
    fix = f"run: packager help {command}".rstrip()
    kind, what = type(error).__name__, error.message[:1].lower() + error.message[1:].rstrip(".")
    where = ""
    if kind == "NoSuchOption":
        what = f'unknown option "{error.option_name}"'
        fix = _close(error.option_name, (flag for each in context.command.params for flag in each.opts)) or fix
    elif kind == "MissingParameter":
        where, what = command, f"{parameter_name(error.param)} is missing"
    elif kind == "BadOptionUsage":
        where, what = error.option_name, "takes no value" if "does not take" in what else "needs a value"
    elif kind == "BadParameter" and error.param is not None:
        where, what = parameter_name(error.param), _QUOTED.sub(r'"\1"', what)
    elif found := re.fullmatch(r"no such command '(.*?)'.*", what, re.DOTALL):
        what, fix = f'unknown command "{found[1]}"', _close(found[1], context.command.commands) or fix
    elif found := re.fullmatch(r"got unexpected extra argument(?:s|\(s\))? \((.*)\)", what, re.DOTALL):
        what = f'unexpected argument "{found[1]}"'
    return InputError(where, what, fix)


def parameter_name(parameter: object) -> str:
    """Return the long flag of an option, or the word of an argument in the usage line."""
    flags: list[str] = getattr(parameter, "opts", [])
    longest = max(flags, key=len, default="")
    if longest.startswith("-"):
        return longest
    return str(getattr(parameter, "metavar", None) or longest.upper()).strip("[].")


def _close(written: str, names: Iterable[str]) -> str:
    """Return a question with the most similar name, or ""."""
    near = get_close_matches(written, list(names), n=1)
    return f'did you mean "{near[0]}"?' if near else ""
