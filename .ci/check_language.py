"""Part of `make lint`: docs, help texts, messages, comments, docstrings and pages are in plain English.

Two lists. A word of REPLACED has no good use here: each is an error, with what to write. A word of HABIT often hides a
plainer one, and sometimes is the right one ("hold a lock"): at most MOST in 10,000 words, counted for the docs and for
the package with its templates. `--list` prints every word that was counted.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = {"docs": 15, "package and templates": 40}  # the second is to become 15, too
REPLACED = {
    r"anew": "again, rebuilt, recomputed",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"odd|oddity|oddities": "warning, unusual",
    r"thereof|of what it": "rewrite the sentence",
    r"parted": "separated",
    r"by chance": "random, at random",
    r"hang(?:s|ing)? on": "depend on",
    r"to be had|is had": "available",
    r"without a word": "silently",
    r"may be given again": "Repeatable.",
    r"the least|at the most": "minimum, at most",
    r"nobody|anybody": "no one, anyone; or name who it is",
    r"wherever|whoever": "if, where, who",
    r"in order, and exit": "cleanly",
}
HABIT = r"told|tells?|stands?|lies?|whole|meant|whose|hold|held|gives?|gave"
_REPLACED = re.compile(rf"\b(?:{'|'.join(REPLACED)})\b", re.IGNORECASE)
_HABIT = re.compile(rf"\b(?:{HABIT})\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_PROSE_WORDS = 3  # a string of fewer is a name, a key or a pattern
_NOT_PROSE = re.compile(r"`[^`\n]*`|\{[^{}\n]*\}|https?://\S+|\]\([^)\s]*\)|<[^<>\n]*>|SELECT [^\"]*")


@dataclass(frozen=True)
class Text:
    """Words of a file, from its line `line` on; quoted and generated parts are blank."""

    path: str
    line: int
    words: str


def markdown(path: str, source: str) -> Iterator[Text]:
    """Yield a page's lines, without blocks of code."""
    in_code = False
    for number, line in enumerate(source.split("\n"), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith("    "):
            yield Text(path, number, line)


def python(path: str, source: str) -> Iterator[Text]:
    """Yield comments, docstrings and messages."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "# fmt:")):
            yield Text(path, token.start[0], token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) >= _PROSE_WORDS:
            for number, line in enumerate(node.value.split("\n"), node.lineno):
                yield Text(path, number, line)


def template(path: str, source: str) -> Iterator[Text]:
    """Yield the text of a page's template."""
    plain = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<style.*?</style>|<[^<>]*>", _blank, source, flags=re.DOTALL)
    for number, line in enumerate(plain.split("\n"), 1):
        yield Text(path, number, line)


def _blank(match: "re.Match[str]") -> str:
    """Keep the line breaks of what is cut out, so that line numbers stay."""
    return "\n" * match[0].count("\n")


READERS = {".md": markdown, ".py": python, ".html": template, ".xml": template}
GROUPS = {
    "docs": ("README.md", "CHANGELOG.md", "docs/**/*.md", "manifests/*.md", "release_templates/*.md"),
    "package and templates": (
        "packager/**/*.py",
        "manifests/schema/*.py",
        "release_templates/*.html",
        "release_templates/*.xml",
    ),
}


def texts(patterns: Sequence[str]) -> Iterator[Text]:
    """Yield the prose of the files of some patterns."""
    for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
        for each in READERS[path.suffix](path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")):
            yield Text(each.path, each.line, _NOT_PROSE.sub(" ", each.words))


def main(arguments: Sequence[str]) -> int:
    """Print what is to be replaced and how often habits occur; return 1 if that is too much."""
    failed = False
    for group, patterns in GROUPS.items():
        words = counted = 0
        for text in texts(patterns):
            words += len(_WORD.findall(text.words))
            for found in _REPLACED.finditer(text.words):
                advice = next(new for old, new in REPLACED.items() if re.fullmatch(old, found[0], re.IGNORECASE))
                print(f'{text.path}:{text.line}: "{found[0]}": write {advice}', file=sys.stderr)
                failed = True
                counted += 1
            for found in _HABIT.finditer(text.words):
                counted += 1
                if "--list" in arguments:
                    print(f'{text.path}:{text.line}: "{found[0]}": {text.words.strip()}')
        rate = counted / words * 10_000
        print(f"{group}: {counted} counted words in {words:,}: {rate:.1f} in 10,000 (at most {MOST[group]})")
        failed |= rate > MOST[group]
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
