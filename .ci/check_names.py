"""Part of `make lint`: a public class has its name once in packager/, and so has a module, the commands' aside."""

import ast
import sys
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "packager"


def main() -> int:
    """Print each name that stands in several files; return how many there are, 99 at most."""
    modules: defaultdict[str, list[str]] = defaultdict(list)
    classes: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not path.name.startswith("__"):
            modules[path.stem].append(name)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(name)
    twice = 0
    for kind, found in (("module", modules), ("class", classes)):
        for name, places in found.items():
            if len(places) > 1:
                print(f"{kind} {name}: {', '.join(places)}", file=sys.stderr)
                twice += 1
    return min(twice, 99)


if __name__ == "__main__":
    sys.exit(main())
