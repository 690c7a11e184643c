"""Make the golden chain of four releases again (`python manifests/vectors/chain/make.py`); README.md describes it.

Pages are left out, and their lines in SHA256SUMS with them: nothing but people reads them.
"""

import datetime as dt
import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from packager import api

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected"
# Bytes of tables, catalogue files, and so of their shards and digests, depend on these.
VERSIONS = {name: version(name) for name in ("archive-packager", "pyarrow", "zstandard")}
CONFIG = """\
[collection]
name = "example"
title = "Example & chain"
source = "source"
licence = "CC0-1.0"

[records]
files = ["records.csv"]

[torrents]
trackers = [["udp://{tracker}.example.org:6969/announce"]]
web_seeds = ["https://seed.example.org/shards/"]

[[phases]]
name = "catalogue"
title = "Catalogue"
content = "catalogue"

[[phases]]
name = "letters"
title = "Letters"
where = "path LIKE '%letter%'"
order = "path"

[[phases]]
name = "texts"
title = "Texts"
order = "path"

[release]
url = "https://archive.example.org/release/"
date = "{date}"
"""
RECORDS = """\
id,path,title,artist,isrc
ex-1,kept.txt,Kept,Nobody,US-S1Z-99-00001
ex-2,changes.txt,First version,Nobody,
ex-3,lifted.txt,Withdrawn and lifted,Jane Roe,
ex-4,letter.txt,A title that is redacted,An artist who is redacted,
ex-5,,A record without a file,Nobody,
"""
SOURCE = {
    **{f"{name}.txt": f"{name}\n".encode() * 40 for name in ("kept", "changes", "lifted", "letter", "moves")},
    "copy of the letter.txt": b"letter\n" * 40,
    "another letter.txt": b"another letter\n" * 40,
    "empty.txt": b"",
}


class Project:
    """The project while it is made. now: what the clock says; the release's date, too."""

    def __init__(self, root: Path) -> None:
        """Make the source, the records and the config."""
        self.root, self.config = root, root / "packager.toml"
        self.now, self.tracker = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "one"
        for name, data in SOURCE.items():
            self.write(name, data)
        (root / "records.csv").write_text(RECORDS)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the source."""
        path = self.root / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def release(self, day: str) -> None:
        """Make a release of a day."""
        self.now = dt.datetime.fromisoformat(f"{day}T00:00:00Z")
        self.config.write_text(CONFIG.format(date=day, tracker=self.tracker))
        api.release(self.config, workers=1)


def make(project: Project) -> None:
    """Make four releases."""
    project.release("2026-11-21")

    project.write("changes.txt", b"the second version\n" * 20)
    project.write("new.txt", b"new\n")
    (project.root / "source/moves.txt").rename(project.root / "source/moved.txt")
    project.tracker = "two"
    project.release("2026-12-21")

    api.withdraw(
        project.config, api.WithdrawOptions(records=["ex-3"], reason="asked for by the author", keep_shards=True)
    )
    api.withdraw(project.config, api.WithdrawOptions(records=["ex-4"], reason="personal data", redact=True))
    project.release("2027-01-21")

    api.withdraw(project.config, api.WithdrawOptions(records=["ex-3"], undo=True))
    project.tracker = "three"
    project.release("2027-02-21")


def made() -> dict[str, bytes]:
    """Return every expected file by its path in expected/, made again in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        project = Project(root)
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _zone: project.now), UTC=dt.UTC)
        with mock.patch("packager.api.workers.dt", clock):
            make(project)
        files = {f"shards/{path.name}": path.read_bytes() for path in sorted((root / "shards").glob("*.tar"))}
        for path in sorted((root / "site").rglob("*")):
            if path.is_file() and path.suffix not in (".html", ".css"):
                files[f"release/{path.relative_to(root / 'site').as_posix()}"] = path.read_bytes()
    sums = files["release/SHA256SUMS"].splitlines(keepends=True)
    files["release/SHA256SUMS"] = b"".join(line for line in sums if not line.endswith((b".html\n", b".css\n")))
    files["versions.json"] = (json.dumps(VERSIONS, indent=2) + "\n").encode()
    return files


def main() -> None:
    """Write expected/."""
    shutil.rmtree(EXPECTED, ignore_errors=True)
    for name, data in made().items():
        (EXPECTED / name).parent.mkdir(parents=True, exist_ok=True)
        (EXPECTED / name).write_bytes(data)


if __name__ == "__main__":
    main()
