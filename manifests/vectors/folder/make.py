"""Make the golden shard that is a folder again (`python manifests/vectors/folder/make.py`).

It is cut from the golden tar's own inputs (../shard/), its phase kept as files. README.md tells each file.
"""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

from packager import api
from packager.engine.tables import parquet

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected"
NAME = "example-texts-00001"
KEPT = (
    f"site/torrents/{NAME}.torrent",
    f"site/torrents/{NAME}.v1.torrent",
    f"site/manifests/{NAME}.manifest.json",
    "site/torrents.json",
    "site/magnets.txt",
    "site/magnets-v1.txt",
)
TAG_FILES = ("bagit.txt", "bag-info.txt", "records.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt")


def golden_tar() -> ModuleType:
    """Return ../shard/make.py, which has the inputs."""
    spec = importlib.util.spec_from_file_location("golden_tar", FOLDER.parent / "shard/make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made() -> dict[str, bytes]:
    """Return every expected file by its name in expected/, made anew in a temporary folder."""
    tar = golden_tar()
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        for name in tar.INPUTS:
            copy = shutil.copytree if (tar.FOLDER / name).is_dir() else shutil.copyfile
            copy(tar.FOLDER / name, project / name)
        config = project / "packager.toml"
        config.write_text(config.read_text().replace("[[phases]]", '[[phases]]\ncontainer = "folder"'))
        api.release(config, workers=1)
        files = {Path(path).name: (project / path).read_bytes() for path in KEPT}
        table = project / f"site/manifests/{NAME}.members.parquet"
        files["members.json"] = tar.members_json(parquet.read_rows(table, 0, parquet.count_rows(table)))
        files |= {name: (project / "shards" / NAME / name).read_bytes() for name in TAG_FILES}
        assert sorted(path.name for path in (project / "shards").rglob("*") if path.is_file()) == sorted(TAG_FILES)
    return files


def main() -> None:
    """Write expected/ anew."""
    shutil.rmtree(EXPECTED, ignore_errors=True)
    EXPECTED.mkdir()
    for name, data in made().items():
        (EXPECTED / name).write_bytes(data)


if __name__ == "__main__":
    main()
