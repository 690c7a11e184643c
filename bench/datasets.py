"""The files for benchmarks, made once from random seeds below the data folder. No two files have the same bytes.

With SIZE=small in the environment each set is about a thirtieth as large: to try a benchmark, not to measure.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IS_SMALL = os.environ.get("SIZE") == "small"
_SCALE = 32 if IS_SMALL else 1
_IN_A_FOLDER = 1000


@dataclass(frozen=True)
class DataSet:
    """A folder of files: its title, the number of files, their total size in bytes."""

    name: str
    title: str
    folder: Path
    files: int
    size: int


def many(data: Path) -> DataSet:
    """1,000 files of 4 MiB."""
    return _made(data, "files", "1,000 files of 4 MiB", ("bin", [4 << 20] * (1000 // _SCALE)))


def tiny(data: Path) -> DataSet:
    """65,536 files of 16 KiB."""
    return _made(data, "tiny", "65,536 files of 16 KiB", ("bin", [16 << 10] * (65_536 // _SCALE)))


def one(data: Path) -> DataSet:
    """One file of 4 GiB."""
    return _made(data, "one", "one file of 4 GiB", ("bin", [(4 << 30) // _SCALE]))


def mix(data: Path) -> DataSet:
    """4 GiB of tracks and covers with sizes like those of a real collection.

    Tracks as in the Free Music Archive (Defferrard et al., FMA, ISMIR 2017: 106,574 tracks, 343 days, 917 GiB;
    so 278 s and 9.2 MB on average): log-normal lengths, bit rates of MP3. One cover per twelve tracks.
    """
    sizes: list[int] = []
    drawn, room = random.Random(3), (4 << 30) // _SCALE
    while room > 0:
        seconds = drawn.lognormvariate(5.447, 0.6)  # mean e**(5.447 + 0.6**2 / 2) = 278 s
        rate = drawn.choices((320, 256, 192), (45, 30, 25))[0]  # kbit/s; 269 on average
        cover = [drawn.randrange(20_000, 400_000)] if len(sizes) % 13 == 0 else []
        sizes += [*cover, int(seconds * rate * 125)]
        room -= sum(sizes[-1 - len(cover) :])
    return _made(data, "mix", "4 GiB of tracks and covers", ("dat", sizes))


def _made(data: Path, name: str, title: str, content: tuple[str, list[int]]) -> DataSet:
    """Make the files of a set if they do not exist yet."""
    suffix, sizes = content
    folder = data / (f"{name}-small" if IS_SMALL else name)
    done = folder.with_name(f"{folder.name}.made")
    if not done.exists():
        for number, size in enumerate(sizes):
            path = folder / f"{number // _IN_A_FOLDER:03d}" / f"{number:06d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.writelines(_content(number, size))
        done.touch()
    title = f"{title}, a {_SCALE}th of it" if IS_SMALL else title
    return DataSet(name, title, folder, len(sizes), sum(sizes))


_BLOCK = random.Random(1).randbytes(4 << 20)


def _content(number: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of a file: repeated noise, with the position in each block."""
    for at in range(0, size, len(_BLOCK)):
        place = number.to_bytes(8, "big") + at.to_bytes(8, "big")
        yield (place + _BLOCK[16:])[: size - at]
