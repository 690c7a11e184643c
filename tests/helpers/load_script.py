"""The pages that a reader of the source finds, and the scripts beside them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = ("docs", "manifests", "release_templates")
PAGES = [
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")) if "collection" not in path.parts),
    *(ROOT / "README.md", ROOT / "CHANGELOG.md"),
]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
