"""Make the kept release again: python -m tests.kept.make FOLDER. See README.md, and do not once a release exists.

Everything is made by the command line, in this process, with a clock and keys that are always the same.
"""

import hashlib
import lzma
import os
import secrets
import shutil
import sys
import tarfile
from pathlib import Path

from packager.api import workers
from packager.cli.app import main
from packager.engine.project import key_files
from tests.helpers.projects import write_tone

ARCHIVE = Path(__file__).with_name("format-1.tar.xz")
SOURCES_TIME = 1_767_225_600  # 2026-01-01, of every file: a second that each archive format can write
CLOCK = {"now": ""}
workers.now = lambda: CLOCK["now"]  # before other modules import it
secrets.token_hex = lambda count=32: "5eed" * (count // 2)  # the project's id
CONFIG = """\
[collection]
name = "kept"
title = "Kept <for> later versions"
source = "source"
description = "Every kind of thing that a release of format 1 can have."
licence = "CC0-1.0"
contact = "nobody@example.org"

[records]
files = ["records.csv"]
file_times = true

[shards]
size = "64 KiB"
tar_sha256 = true

[torrents]
also_v1 = true
trackers = [["udp://tracker.example.org:6969/announce"]]
web_seeds = ["https://seed.example.org/shards/"]

[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"

[[phases]]
name = "later"
title = "Later"
where = "path LIKE 'later/%'"
embargo = "2999-01-01"

[[phases]]
name = "audio"
title = "Audio"
where = "path LIKE 'audio/%'"
order = "id"
budget = "100 KiB"

[[phases]]
name = "singles"
title = "Singles"
where = "path LIKE 'singles/%'"
order = "path"
container = "folder"

[[phases]]
name = "rest"
title = "Everything else"
where = "true"
order = "path"

[release]
url = "https://archive.example.org/kept/"
secret_key = "first.key"
"""
RECORDS = """\
id,path,title,artist,isrc,label
k-01,audio/one.wav,One,The Sines,US-S1Z-99-00001,Test
k-02,audio/two.wav,Two,The Sines,US-S1Z-99-00002,Test
k-03,audio/three.wav,Three,The Sines,,Test
k-04,audio/four.wav,Four,The Sines,,Test
k-05,audio/five.wav,Five,The Sines,,
k-06,audio/six.wav,Six,The Sines,,
k-07,singles/seven.wav,Seven,The Saws,,
k-08,texts/withdrawn.txt,To be withdrawn,Jane Roe,,
k-09,texts/redacted.txt,Title of a redacted record,Artist of a redacted record,,
k-10,texts/lifted.txt,To be withdrawn for a time,The Sines,,
k-11,,No file has this record,The Silents,,
"""
TONES = {"one": 4000, "two": 10000, "three": 16000, "four": 12000, "five": 20000, "six": 6000}  # samples
TEXTS = (
    *(b"texts/withdrawn.txt", b"texts/redacted.txt", b"texts/lifted.txt", b"texts/changes.txt", b"later/not yet.txt"),
    *(b"AUX.txt", b"Moves.txt", b"Twin.txt", b"twin.TXT", b"a\\b?.txt", b"ends with a dot.", b"line\nbreak.txt"),
    *(b"not utf-8 \xff.txt", "Ærø é.txt".encode(), b"\xc3\x98" * 60 + b".txt", b"singles/liner notes.txt"),
)


def make(folder: Path) -> None:
    """Make project/ and mirror/ in a folder that is not there yet."""
    project, mirror = folder / "project", folder / "mirror"
    make_project(project)

    release(project, "2026-01-10")

    write(project / "source/texts/changes.txt", b"the second version\n")
    (project / "source/Moves.txt").rename(project / "source/texts/moved.txt")
    tone(project / "source/audio/eight.wav", 5000)
    edit(
        project / "packager.toml",
        'secret_key = "first.key"\n',
        'secret_key = "first.key"\nnext_public_key = "second.pub"\n',
    )
    release(project, "2026-02-10", "--no-tars")
    follow(project, mirror)

    edit(
        project / "packager.toml",
        'secret_key = "first.key"\nnext_public_key = "second.pub"\n',
        'secret_key = "second.key"\n',
    )
    run(project, "withdraw", "--yes", "k-08", "--reason", "asked for by the author")
    run(project, "withdraw", "--yes", "k-09", "--reason", "personal data", "--redact")
    run(project, "withdraw", "--yes", "k-10", "--reason", "a mistake")
    release(project, "2026-03-10")

    run(project, "withdraw", "--yes", "--undo", "k-10")
    run(project, "withdraw", "--yes", "k-02", "--reason", "asked for by the artist", "--keep-shards")
    run(project, "replace", "--yes", "kept-singles-00001", "--reason", "the title was wrong")
    edit(project / "records.csv", "Seven,", "Seven (remastered),")
    edit(project / "packager.toml", "trackers = [[", 'trackers = [["https://new.example.org/announce"], [')
    release(project, "2026-04-10")


def make_project(project: Path) -> None:
    """Make the source, the records, the keys and the config."""
    for name, samples in TONES.items():
        tone(project / f"source/audio/{name}.wav", samples)
    tone(project / "source/singles/seven.wav", 3000)
    for text in TEXTS:
        write(project / "source" / os.fsdecode(text), b"text of %r\n" % text)
    write(project / "source/empty.txt", b"")
    write(project / "source/singles/empty.txt", b"")
    write(project / "packager.toml", CONFIG.encode())
    write(project / "records.csv", RECORDS.encode())
    for name in ("first", "second"):
        random = hashlib.shake_256(f"{name} test key: everybody knows it".encode()).digest(key_files.RANDOM)
        key_files.write_key_pair(project / f"{name}.key", project / f"{name}.pub", password=None, random=random)


def follow(project: Path, mirror: Path) -> None:
    """Follow the second release into a mirror that has two tars of it already; one of them is withdrawn later."""
    for tar in ("kept-rest-00001.tar", "kept-rest-00002.tar"):
        write(mirror / tar, (project / "shards" / tar).read_bytes())
    run_in("mirror", "follow", str(project / "site"), str(mirror), "--key", str(project / "first.pub"),
           "--budget", "110 KiB", "--reserve", "0", "--phase", "rest", "--mirror-id", "kept", "--seed-counts", "list",
           "--no-web-seeds", "--listen", "127.0.0.1:0", "--yes")  # fmt: skip


def release(project: Path, date: str, *arguments: str) -> None:
    """Make a release at noon of a day."""
    CLOCK["now"] = f"{date}T12:00:00Z"
    run(project, "release", "--workers", "1", *arguments)


def run(project: Path, *arguments: str) -> None:
    """Run a packager command on the project."""
    run_in(*arguments, "--config", str(project / "packager.toml"))


def run_in(*arguments: str) -> None:
    """Run a packager command; fail if that does."""
    print("$ packager", *arguments, flush=True)
    code = main(list(arguments))
    if code:
        sys.exit(f"exit code {code}")


def tone(path: Path, samples: int) -> None:
    """Write a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tone(path, samples, pitch=samples % 40)
    os.utime(path, (SOURCES_TIME, SOURCES_TIME))


def write(path: Path, data: bytes) -> None:
    """Write a file of the fixed time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (SOURCES_TIME, SOURCES_TIME))


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that is in a file."""
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path}: has no {old}")
    write(path, text.replace(old, new).encode())


def pack(folder: Path, archive: Path) -> None:
    """Write a folder's files into an archive that depends on their names and bytes alone."""
    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as out,
        tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*"), key=os.fsencode):
            if path.is_file() and path.name != "lock":
                info = tarfile.TarInfo(str(path.relative_to(folder)))
                info.size, info.mtime = path.stat().st_size, SOURCES_TIME
                info.mode = 0o600 if path.suffix == ".key" else 0o644
                with path.open("rb") as file:
                    tar.addfile(info, file)


if __name__ == "__main__":
    made = Path(sys.argv[1])
    if made.exists():
        shutil.rmtree(made)
    make(made)
    pack(made, ARCHIVE)
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes")
