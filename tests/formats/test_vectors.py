"""manifests/vectors/ is what manifests/vectors/make.py makes today, second sources agreeing."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

VECTORS = Path(__file__).parents[2] / "manifests/vectors"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_vectors", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["merkle.json", "metainfo.json", "magnet.json", "piece_length.json", "lookup.json", "headers.json"]
)
def test_a_vector_file_is_made_again_byte_for_byte(make: ModuleType, name: str) -> None:
    assert make.text(name) == (VECTORS / name).read_text(encoding="utf-8")


def test_sources_that_differ_stop_the_making(make: ModuleType) -> None:
    with pytest.raises(SystemExit, match="one block: the two sources differ: 1 and 2"):
        make.agree("one block", 1, 2)
