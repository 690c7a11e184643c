"""Small real projects on disk for tests: a folder of files, a packager.toml, the command run on it."""

import os
import random
import shutil
import struct
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.engine.files.file_stamp import TarStamp
from packager.engine.project.load_project import load_project
from packager.engine.project.tar_stamps import read_tar_stamp, write_tar_stamp
from packager.engine.published.published_shard import open_published_shard, shard_files
from packager.model import ShardName

CONFIG = """
[collection]
name = "tones"
title = "Tones & <noises>"
source = "source"
licence = "CC0-1.0"
{collection}
[shards]
size = "{size}"
[torrents]
trackers = [["udp://tracker.example.org:6969/announce"]]
{torrent}
{phases}
[release]
date = "2026-11-21"
url = "https://archive.example.org/"
"""
PHASES = """
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"
[[phases]]
name = "audio"
title = "Audio"
where = "kind = 'audio'"
order = "size DESC"
[[phases]]
name = "rest"
title = "The rest"
"""


@dataclass(frozen=True)
class Ran:
    """A command line's exit code and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A folder with source/ and packager.toml."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "source"

    def run(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
        """Run a packager command on this project, in this process, through the command line's own main."""
        capsys.readouterr()
        code = main([*arguments, "--config", str(self.root / "packager.toml")])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    def release(self) -> None:
        """Make a release, for a fixture of a module: tests work on a `copy`."""
        assert main(["release", "--workers", "1", "--config", str(self.root / "packager.toml")]) == 0

    def copy(self, to: Path) -> "Project":
        """Return a copy with all that was made so far; a tar that is as it was written is so in the copy, too."""
        shutil.copytree(self.root, to)
        if (to / ".packager" / "tars").is_dir():
            here, there = (load_project(root / "packager.toml")[1] for root in (self.root, to))
            for note in (to / ".packager" / "tars").glob("*.written.json"):
                name = ShardName(note.name.removesuffix(".written.json"))
                tar = here.tar(name)
                if tar.is_file() and read_tar_stamp(here, name) == TarStamp.of(tar.stat()):
                    write_tar_stamp(there, name)
        return Project(to)

    def published(self) -> dict[str, bytes]:
        """Return every file of the shards and the site by its path."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for top in ("shards", "site")
            for path in sorted((self.root / top).rglob("*"))
            if path.is_file()
        }

    def write_config(
        self, *, size: str = "64 KiB", phases: str = PHASES, collection: str = "", torrent: str = ""
    ) -> None:
        text = CONFIG.format(size=size, phases=phases, collection=collection, torrent=torrent)
        (self.root / "packager.toml").write_text(text)


def make_project(root: Path, *, seed: int = 1, files: int = 24) -> Project:
    """Make a project of some short WAV files, a few texts, a picture's bytes and one empty file."""
    chance = random.Random(seed)
    project = Project(root)
    for number in range(files):
        folder = project.source / f"album {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        write_tone(folder / f"{number:02d} tone [b].wav", chance.randrange(200, 9000), pitch=number)
    (project.source / "notes.txt").write_bytes(b"made of sines\n")
    (project.source / "empty.txt").write_bytes(b"")
    (project.source / "cover 100%.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chance.randbytes(3000))
    (project.source / "Ærø é.txt").write_bytes(b"island\n")
    project.write_config()
    return project


def write_tone(path: Path, samples: int, *, pitch: int = 0) -> None:
    """Write a mono 16-bit WAV file of a saw-tooth."""
    period = 20 + pitch
    frames = b"".join(struct.pack("<h", (i % period) * 600 - 6000) for i in range(samples))
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(frames)


def whole_folder(made: Project, to: Path, name: str = "tones-all-00001") -> Path:
    """The shard's folder with its members, as a client would have it."""
    manifest = made.root / "site" / "manifests" / f"{name}.manifest.json"
    published = open_published_shard(shard_files(manifest))
    folder = to / name
    shutil.copytree(made.root / "shards" / name, folder)
    for row in published.members.to_pylist():
        place = folder / "data" / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made.source / (row["source_path"] or row["path"]), place)
    return folder
