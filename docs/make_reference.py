"""Make the generated pages of docs/reference/ again (`python docs/make_reference.py`).

commands.md has the output of `-h`, api.md the docstrings of packager/api/, json.md the texts of manifests/schema/.
"""

import ast
import inspect
import json
import os
import textwrap
from contextlib import redirect_stdout
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from packager import api as packager_api
from packager.cli.app import COMMANDS
from packager.cli.app import main as packager
from packager.option_fields import option_texts

FOLDER = Path(__file__).parent / "reference"
ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by docs/make_reference.py: do not edit. -->\n"
SCHEMAS = ROOT / "manifests/schema"
STEPS = (
    *("scan", "warnings", "plan", "pack", "export", "publish", "release", "status"),
    *("withdraw", "replace", "prune", "estimate"),
)
REPORTS = (
    *STEPS,
    "verify",
    "repair",
    "rebuild",
    "extract",
    "seed",
    "serve",
    "torrent",
    "inspect",
    "mirror-follow",
    "mirror-status",
    "error",
)
WIDTH = 100  # characters in a line of a signature


def help_of(*arguments: str) -> str:
    """Return what a command prints for -h, on a terminal of 80 columns."""
    terminal = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    with patch.dict(os.environ, terminal), redirect_stdout(StringIO()) as printed:
        packager([*arguments, "-h"])
    return printed.getvalue().strip("\n")


def commands_of(text: str) -> list[str]:
    """Return the names below "Commands" in the help of a group of commands."""
    lines = text.partition("\nCommands\n")[2].partition("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines]


def commands() -> str:
    """Return commands.md."""
    parts = [
        "# Commands\n\nEach command prints its result on stdout and its progress on stderr. See also "
        "[exit codes](exit-codes.md) and [JSON](json.md).\n",
        _console("packager -h", help_of()),
    ]
    for name in COMMANDS:
        text = help_of(name)
        parts.append(f"## {name}\n\n" + _console(f"packager {name} -h", text))
        for below in commands_of(text):
            command = f"{name} {below}"
            parts.append(f"### {command}\n\n" + _console(f"packager {command} -h", help_of(name, below)))
    return MADE + "\n" + "\n".join(parts)


def _console(command: str, output: str) -> str:
    """Return a command and its output as a fenced block."""
    return f"```console\n$ {command}\n{output}\n```\n"


def api() -> str:
    """Return api.md."""
    door = _module("api/__init__")
    errors = _module("errors")
    classes = [node for node in errors.body if isinstance(node, ast.ClassDef)]
    progress = next(node for node in _module("progress").body if isinstance(node, ast.ClassDef))
    parts = ["# The Python API\n\n`from packager import api`. [JSON](json.md) describes what the functions return.\n"]
    parts.append(_docstring(door))
    for file, names in _names(door, 0).items():
        found = {node.name: node for node in _functions(_module(f"api/{file}"))}
        parts += [_function(found[name], "##") for name in names.split() if name in found]
    parts.append(
        "## Options\n\nThese are dataclasses. Times are in seconds, sizes in bytes. The flag of the command line is in"
        " brackets.\n"
    )
    parts += [_options(getattr(packager_api, name)) for names in _names(door, 1).values() for name in names.split()]
    parts.append("## Errors\n\n`from packager import errors`\n\n" + _docstring(errors))
    parts += [f"**`{node.name}`**: {_docstring(node)}" for node in classes]
    parts.append("## Progress\n\n`from packager.progress import Progress, SILENT`\n\n" + _docstring(progress))
    parts += [_function(node, "###") for node in _functions(progress)]
    return MADE + "\n" + "\n".join(parts)


def _options(declared: type) -> str:
    """Return the section of a dataclass of options: a line a field, with its flag on the command line."""
    assert declared.__doc__ is not None
    written, texts, lines = ast.parse(inspect.getsource(declared)).body[0], option_texts(declared), []
    assert isinstance(written, ast.ClassDef)
    defaults = {each.name: each.default for each in fields(declared)}
    for node in written.body:
        if isinstance(node, ast.AnnAssign):
            name, kind = ast.unparse(node.target), ast.unparse(node.annotation)
            if name in texts:
                flag = next((f" (`{each}`)" for each in texts[name].flags_of(name) if each.startswith("--")), "")
                lines.append(f"- `{name}: {kind} = {defaults[name]!r}`{flag}: {texts[name].help}")
            else:
                anchor = f" ([its options](#{kind.lower()}))" if kind.endswith("Options") else ""
                lines.append(f"- `{name}: {kind}`{anchor}")
    return f"### {declared.__name__}\n\n{inspect.cleandoc(declared.__doc__)}\n\n" + "\n".join(lines) + "\n"


def _names(door: ast.Module, number: int) -> dict[str, str]:
    """Return which file holds which names: 0: the commands', 1: those of their options."""
    tables = [node.value for node in door.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)]
    found: dict[str, str] = ast.literal_eval(tables[number])
    return found


def _module(name: str) -> ast.Module:
    """Return the syntax tree of a module of packager."""
    return ast.parse((ROOT / f"packager/{name}.py").read_text(encoding="utf-8"))


def _functions(node: ast.Module | ast.ClassDef) -> list[ast.FunctionDef]:
    """Return the public functions of a module or class."""
    return [each for each in node.body if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")]


def _function(node: ast.FunctionDef, heading: str) -> str:
    """Return a function's section."""
    return f"{heading} {node.name}\n\n```python\n{_signature(node)}\n```\n\n{_docstring(node)}"


def _docstring(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """Return a docstring."""
    text = ast.get_docstring(node)
    assert text is not None
    return f"{text}\n"


def _signature(node: ast.FunctionDef) -> str:
    """Return the signature of a function, with one argument per line if it is too long for one."""
    assert node.returns is not None
    arguments, returns = ast.unparse(node.args), ast.unparse(node.returns)
    line = f"def {node.name}({arguments}) -> {returns}"
    if len(line) <= WIDTH:
        return line
    split = textwrap.indent(",\n".join(_arguments(node.args)), "    ")
    return f"def {node.name}(\n{split},\n) -> {returns}"


def _arguments(arguments: ast.arguments) -> list[str]:
    """Return each argument, and "*" before the keyword-only ones."""
    plain: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    written = [_argument(arg, value) for arg, value in zip(arguments.args, plain + arguments.defaults, strict=True)]
    named = [_argument(arg, value) for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return written + (["*", *named] if named else [])


def _argument(argument: ast.arg, value: ast.expr | None) -> str:
    """Return one argument with its default."""
    return ast.unparse(argument) + (f" = {ast.unparse(value)}" if value else "")


def json_page() -> str:
    """Return json.md."""
    parts = [
        "# JSON\n\nWith `--json` a command prints exactly one document on stdout, and nothing on stderr unless it\n"
        "fails. Sizes are in bytes. Later versions may add fields: ignore those that you do not know. The JSON\n"
        "Schemas are in [manifests/schema/](../../manifests/schema/), with those of the published documents that\n"
        "[FORMAT.md](../../manifests/FORMAT.md) describes.\n"
    ]
    seen: set[str] = set()
    for name in REPORTS:
        schema = json.loads((SCHEMAS / f"reports/{name}.schema.json").read_text(encoding="utf-8"))
        top = schema if "properties" in schema else schema["$defs"][schema["$ref"].rpartition("/")[2]]
        head = "An error, on stderr" if name == "error" else f"packager {name.replace('-', ' ')} --json"
        parts.append(f"## {head}\n\n{top['description']}\n\n" + _table(top))
        for title, shape in schema.get("$defs", {}).items():
            if title not in seen and shape is not top and not title.endswith("Report"):
                parts.append(f"### {title}\n\n{shape['description']}\n\n" + _table(shape))
            seen.add(title)
    return MADE + "\n" + "\n".join(parts)


def _table(shape: dict[str, Any]) -> str:
    """Return a type's fields as a table."""
    rows = [f"| `{key}` | {_type(field)} | {field['description']} |" for key, field in shape["properties"].items()]
    return "| field | type | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _type(field: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "anyOf" in field:
        return " or ".join(_type(kind) for kind in field["anyOf"])
    if "$ref" in field:
        title = field["$ref"].rpartition("/")[2]
        return f"[{title}](#{title.lower()})" if not title.endswith("Report") else "object"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    return str(field.get("type", "any"))


PAGES = {"commands.md": commands, "api.md": api, "json.md": json_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
