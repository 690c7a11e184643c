"""Part of `make lint`: no two public classes of packager/ have the same name, and no two modules."""

import ast
import sys
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "packager"


def main() -> int:
    """Print each duplicate name and its files; return the number of duplicates, at most 99 (an exit code)."""
    modules: defaultdict[str, list[str]] = defaultdict(list)
    classes: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not path.name.startswith("__"):
            modules[path.stem].append(name)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(name)
    duplicates = 0
    for kind, found in (("module", modules), ("class", classes)):
        for name, places in found.items():
            if len(places) > 1:
                print(f"{kind} {name}: {', '.join(places)}", file=sys.stderr)
                duplicates += 1
    return min(duplicates, 99)


if __name__ == "__main__":
    sys.exit(main())
