"""Make the demo collection again: short synthesised pieces, covers, notes and records.csv, all CC0.

    python docs/demo/make_collection.py [FOLDER]

Needs numpy, mutagen and Debian's flac, vorbis-tools, opus-tools, lame and ffmpeg. The result does not depend on time
or random numbers, so the same versions of these programs write the same bytes; other versions may encode differently.
"""

import csv
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mutagen
import mutagen.id3
import mutagen.mp4
import numpy as np
import numpy.typing as npt

Row = tuple[str | int, ...]  # as COLUMNS
Samples = npt.NDArray[np.float64]

RATE = 32000  # samples per second of the synthesis; some encoders resample
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "in": (0, 1, 5, 7, 8),
}
LICENCE = "CC0-1.0"
COLUMNS = ("id", "path", "title", "artist", "album", "date", "isrc", "popularity", "licence", "instrument")
NOTE = """This collection was synthesised for the packager demo. No person, band or album in it exists.

To the extent possible under law, its makers have waived all copyright and related rights to it:
CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/
"""


@dataclass(frozen=True)
class Album:
    """An invented album: how it sounds, how it is encoded, and its (title, popularity from 0 to 100) tracks."""

    artist: str
    title: str
    year: int
    codec: str  # the file extension
    voice: str
    scale: str
    root: int  # MIDI note of the tonic
    hues: tuple[float, float]  # of the cover's gradient, 0..1
    cover: str  # the cover's file name
    tracks: tuple[tuple[str, int], ...] = field(repr=False)


ALBUMS = (
    Album("Ærø Ensemble", "Havtåge", 2021, "flac", "pad", "dorian", 50, (0.52, 0.62), "cover.png",
          (("Fyrskib", 91), ("Søvand", 64), ("Sidste færge", 47), ("Øst for øen", 12))),
    Album("The Bracket Quartet", "[b] sides", 2019, "ogg", "organ", "major", 55, (0.02, 0.12), "cover.jpg",
          (("a[b]", 77), ("Index [0]", 58), ("Half (open]", 33), ("[/i] Leaning", 8))),
    Album("水の音", "夜の庭", 2023, "opus", "koto", "in", 57, (0.70, 0.92), "cover.png",
          (("石灯籠", 85), ("小さな雨", 52), ("朝まで", 29))),
    Album("Percent Ten", "100% Sine", 2020, "mp3", "bell", "pentatonic", 60, (0.30, 0.45), "folder.jpg",
          (("Fundamental", 96), ("Second Partial", 71), ("Beating at 3 Hz", 40), ("Silence, almost", 5))),
    Album("Lindqvist & Vega", "Plucked Letters", 2018, "ogg", "pluck", "minor", 52, (0.08, 0.95), "cover.png",
          (("Dear Harbour", 88), ("Postmark", 61), ("Return to Sender", 44), ("Sealing Wax", 21))),
    Album("Lindqvist & Vega", "Night Trains", 2022, "flac", "pluck", "dorian", 45, (0.60, 0.75), "cover.jpg",
          (("Sleeper Car", 74), ("Level Crossing", 49), ("The 23:58", 17))),
    Album("Orrery", "Slow Orbits", 2024, "m4a", "pad", "pentatonic", 48, (0.85, 0.66), "cover.png",
          (("Perihelion", 68), ("Aphelion", 37), ("Resonance 3:2", 26))),
    Album("Orrery", "Field Tests 1951", 2024, "wav", "bell", "minor", 62, (0.14, 0.20), "cover.png",
          (("Test tone, warm", 19), ("Test tone, cold", 3))),
)  # fmt: skip

# Records that have metadata but no file: title, artist, album, year, popularity.
LOST = (
    ("Lighthouse (tape lost)", "Ærø Ensemble", "Havtåge", 2021, 15),
    ("Sine of the Times", "Percent Ten", "99% Noise", 2017, 54),
    ("夕立", "水の音", "昼の庭", 2016, 9),
)


def hertz(note: float) -> float:
    """Return the frequency of a MIDI note."""
    return float(440.0 * 2 ** ((note - 69) / 12))


def seconds(length: float) -> Samples:
    """Return the time of each sample of `length` seconds."""
    return np.arange(int(length * RATE)) / RATE


def pad(note: float, length: float) -> Samples:
    """Three sines a little out of tune, swelling and ebbing."""
    t = seconds(length)
    swell = np.sin(np.pi * np.minimum(t / length, 1)) ** 0.7
    return sum((np.sin(2 * np.pi * hertz(note + d) * t) for d in (-0.06, 0.0, 0.07)), np.zeros_like(t)) * swell / 3


def organ(note: float, length: float) -> Samples:
    """Drawbars: the first harmonics, with a slow tremolo."""
    t = seconds(length)
    bars = ((1, 1.0), (2, 0.5), (3, 0.3), (4, 0.15))
    tone = sum((gain * np.sin(2 * np.pi * hertz(note) * bar * t) for bar, gain in bars), np.zeros_like(t))
    return tone * (0.85 + 0.15 * np.sin(2 * np.pi * 5.3 * t)) * np.minimum(1, t * 60) * np.exp(-1.2 * t) / 2


def bell(note: float, length: float) -> Samples:
    """Two-operator FM with a falling index."""
    t = seconds(length)
    f = hertz(note)
    return np.sin(2 * np.pi * f * t + 2.2 * np.exp(-4 * t) * np.sin(2 * np.pi * f * 3.5 * t)) * np.exp(-2.6 * t)


def string(note: float, length: float, damping: float) -> Samples:
    """Karplus-Strong, a period at a time: a burst whose neighbours are averaged at each return."""
    burst = np.random.default_rng(int(note * 10)).uniform(-1, 1, round(RATE / hertz(note)))
    burst = (burst + np.roll(burst, 1)) / 2
    periods = []
    for _ in range(int(length * RATE) // len(burst) + 1):
        periods.append(burst)
        burst = damping * (burst + np.roll(burst, 1)) / 2
    return np.concatenate(periods)[: int(length * RATE)] * np.exp(-0.8 * seconds(length))


VOICES: dict[str, Callable[[float, float], Samples]] = {
    "pad": pad,
    "organ": organ,
    "bell": bell,
    "pluck": lambda note, length: string(note, length, 0.999),
    "koto": lambda note, length: string(note + 12, length, 0.985),
}


def piece(album: Album, number: int) -> Samples:
    """Return the samples of a track, in -1..1: a drone, three chords, and a melody walking the scale."""
    rng = np.random.default_rng([album.root, album.year, number])
    scale, voice = SCALES[album.scale], VOICES[album.voice]
    beat = (0.36, 0.3, 0.42, 0.27)[number % 4]
    beats = 9 + int(rng.integers(0, 3))
    mix = np.zeros(int((beats * beat + 1.0) * RATE))

    def degree(step: int) -> int:
        return album.root + 12 * (step // len(scale)) + scale[step % len(scale)]

    def place(sound: Samples, start: float, gain: float) -> None:
        at = int(start * RATE)
        sound = sound[: len(mix) - at]
        mix[at : at + len(sound)] += gain * sound

    place(pad(album.root - 12, len(mix) / RATE), 0.0, 0.35)
    for bar, chord in enumerate(((0, 3, 4), (0, 4, 0), (0, 2, 4), (0, 4, 3))[number % 4]):
        for third in (0, 2, 4):
            place(pad(degree(chord + third), 3.2 * beat), bar * 3 * beat, 0.16)
    step = int(rng.integers(2, 6))
    for at in range(beats):
        if at % 4 != 3 or rng.random() < 0.4:  # a rest now and then
            place(voice(degree(step) + 12, 1.4), at * beat, 0.5)
        step = min(9, max(0, step + int(rng.choice([-2, -1, -1, 1, 1, 2]))))
    tail = int(0.8 * RATE)
    mix[-tail:] *= np.linspace(1, 0, tail) ** 1.5
    return 0.8 * mix / np.abs(mix).max()


def wav(samples: Samples, rate: int) -> bytes:
    """Return a mono 16-bit WAV file at `rate`, a divisor of RATE: each output sample is the mean of its inputs."""
    few = RATE // rate
    pcm = (samples[: len(samples) // few * few].reshape(-1, few).mean(axis=1) * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(pcm)) + pcm
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def encode(samples: Samples, path: Path, serial: int) -> None:
    """Write the samples to `path` in the codec that its extension names. serial: of an Ogg stream."""
    exact = ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1"]
    commands = {
        ".flac": ["flac", "-s", "-8", "-f", "--no-padding", "-o", path, "-"],
        ".ogg": ["oggenc", "-Q", "-q", "1", "--serial", str(serial), "-o", path, "-"],
        ".opus": ["opusenc", "--quiet", "--bitrate", "40", "--serial", str(serial), "-", path],
        ".mp3": ["lame", "--quiet", "-m", "m", "-b", "56", "--cbr", "-", path],
        ".m4a": ["ffmpeg", "-v", "error", "-y", "-i", "-", "-c:a", "aac", "-b:a", "56k", *exact, path],
    }
    if path.suffix == ".wav":
        path.write_bytes(wav(samples, RATE // 2))
    else:
        rate = RATE // 2 if path.suffix == ".flac" else RATE
        subprocess.run(commands[path.suffix], input=wav(samples, rate), check=True)


def tag(path: Path, album: Album, number: int, code: str) -> None:
    """Write the tags of a track in its format."""
    title, _ = album.tracks[number - 1]
    file = mutagen.File(path)
    if path.suffix in (".mp3", ".wav"):
        if file.tags is None:
            file.add_tags()
        frames = {"TIT2": title, "TPE1": album.artist, "TALB": album.title, "TDRC": str(album.year),
                  "TRCK": f"{number}/{len(album.tracks)}", "TSRC": code}  # fmt: skip
        for name, text in frames.items():
            file.tags.add(getattr(mutagen.id3, name)(encoding=3, text=text))
    elif path.suffix == ".m4a":
        file.update({"\xa9nam": title, "\xa9ART": album.artist, "\xa9alb": album.title, "\xa9day": str(album.year)})
        file["trkn"] = [(number, len(album.tracks))]
        file["----:com.apple.iTunes:ISRC"] = mutagen.mp4.MP4FreeForm(code.encode())
    else:
        file.update({"title": title, "artist": album.artist, "album": album.title, "date": str(album.year)})
        file.update({"tracknumber": str(number), "isrc": code, "license": LICENCE})
    file.save()


def colour(hue: npt.NDArray[np.float64], light: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return RGB of hues (0..1) at a lightness (0..1)."""
    turns = hue[..., None] + np.array([0.0, 1 / 3, 2 / 3])
    return ((0.5 + 0.42 * np.cos(2 * np.pi * turns)) * light[..., None] * 255).clip(0, 255).astype(np.uint8)


def picture(album: Album, width: int = 320) -> npt.NDArray[np.uint8]:
    """Return the album's cover, width x width x 3: a gradient with the ripples of its two lowest notes."""
    y, x = np.mgrid[0:width, 0:width] / width
    far = np.hypot(x - 0.3 - 0.4 * album.hues[0], y - 0.35)
    ripple = np.sin(far * album.root * 0.9) * np.sin((x + y) * (album.year % 7 + 2))
    first, last = album.hues
    hue = first + (last - first) * y + 0.03 * np.round(ripple * 3) / 3
    light = 0.55 + 0.45 * (1 - far) + 0.08 * np.round(ripple * 2) / 2
    return colour(np.round(hue * 48) / 48, np.round(light.clip(0, 1) * 24) / 24)  # few colours: PNG stays small


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an RGB image as a PNG file."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(rows, 9)) + part(b"IEND", b"")


def write_cover(album: Album, folder: Path) -> None:
    """Write the album's cover, PNG by hand or JPEG by ffmpeg."""
    image = png(picture(album))
    if album.cover.endswith(".png"):
        (folder / album.cover).write_bytes(image)
    else:
        command = ["ffmpeg", "-v", "error", "-y", "-f", "png_pipe", "-i", "-", "-q:v", "5", "-bitexact"]
        subprocess.run([*command, "-update", "1", folder / album.cover], input=image, check=True)


def write_notes(root: Path) -> None:
    """Write the files beside the audio: the licence, a cue sheet, notes."""
    (root / "LICENSE.txt").write_text(NOTE)
    orbits = next(a for a in ALBUMS if a.title == "Slow Orbits")
    lines = [f'PERFORMER "{orbits.artist}"', f'TITLE "{orbits.title}"', f"REM DATE {orbits.year}"]
    for number, (title, _) in enumerate(orbits.tracks, 1):
        lines += [f'FILE "{file_name(orbits, number)}" MP4', f"  TRACK {number:02} AUDIO", f'    TITLE "{title}"']
        lines.append("    INDEX 01 00:00:00")
    (folder_of(root, orbits) / "Slow Orbits.cue").write_text("\n".join(lines) + "\n")
    tests = next(a for a in ALBUMS if a.title == "Field Tests 1951")
    text = "Two tones for setting levels, made as if in 1951. Mono, 16 kHz, 16 bits.\n"
    (folder_of(root, tests) / "notes.txt").write_text(text)


def file_name(album: Album, number: int) -> str:
    """Return a track's file name; "/" and ":" would stop some file systems."""
    title = album.tracks[number - 1][0].replace("/", "_").replace(":", ".")
    return f"{number:02} {title}.{album.codec}"


def folder_of(root: Path, album: Album) -> Path:
    """Return an album's folder."""
    return root / album.artist / album.title


def isrc(serial: int) -> str:
    """Return an invented code in the form of an ISRC."""
    return f"QZDEM26{serial:05}"


def records(root: Path) -> Iterator[Row]:
    """Write each track and yield its row of records.csv; then yield the rows without a file."""
    serial = 0
    for album in ALBUMS:
        folder = folder_of(root, album)
        folder.mkdir(parents=True, exist_ok=True)
        write_cover(album, folder)
        for number, (title, popularity) in enumerate(album.tracks, 1):
            serial += 1
            path = folder / file_name(album, number)
            encode(piece(album, number), path, serial)
            tag(path, album, number, isrc(serial))
            names = (str(path.relative_to(root)), title, album.artist, album.title, album.year)
            yield (f"demo-{serial:04}", *names, isrc(serial), popularity, LICENCE, album.voice)
    for title, artist, name, year, popularity in LOST:
        serial += 1
        yield (f"demo-{serial:04}", "", title, artist, name, year, isrc(serial), popularity, LICENCE, "")


def main(folder: Path) -> None:
    """Write collection/ and records.csv into `folder`."""
    rows = list(records(folder / "collection"))
    write_notes(folder / "collection")
    with (folder / "records.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
