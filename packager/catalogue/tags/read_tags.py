"""Reads the tags of audio files with mutagen. This is the only module that imports it.

Files are untrusted: they are opened read-only, the bytes that are read and unpacked are limited, and every error of
mutagen becomes a fault of the file.
"""

import io
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import mutagen
import mutagen.id3._frames as id3_frames

from packager import paths
from packager.catalogue.records.field_rules import TEXT_MAX, clean_text, extension_of, year_of
from packager.catalogue.tags.bounded_file import READ_MAX, BoundedFile, BoundedInflater, TooMuchError
from packager.engine.files.regular_file import RegularFile
from packager.errors import first_line

_SECONDS_MAX = 1e9
_TRACK = re.compile(r"\s*([0-9]{1,9})(?![0-9])")

# Errors of mutagen 1.48 on broken files, besides MutagenError.
_BROKEN = (
    mutagen.MutagenError,
    # Found by fuzzing with truncated and mutated files of every format:
    struct.error,  # a header shorter than its structure
    ValueError,  # an impossible length or text (UnicodeError)
    LookupError,  # a block that ends inside a field, an unknown code
    ArithmeticError,  # zero sample rates, lengths above a double or an off_t
    NotImplementedError,  # an undefined ASF object
    RecursionError,  # endlessly nested MP4 atoms and ID3 chapters
    # Raised in its parsers' code, but not yet seen. One such file must not stop a scan:
    OSError,  # "not enough data", without an errno
    EOFError,  # a missing Ogg page
    zlib.error,  # a broken compressed frame
    MemoryError,  # an impossible length
    AssertionError,  # a check of a stream
    AttributeError,  # a missing part of the stream's description
    TypeError,  # arithmetic with such a part
)


class Tags(NamedTuple):
    """A file's tags, as columns of the catalogue. fault: what was wrong; is_read: False if reading failed."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    track: int | None = None
    date: str | None = None
    year: int | None = None
    isrc: str | None = None
    duration: float | None = None
    codec: str | None = None
    licence: str | None = None
    fault: str | None = None
    is_read: bool = True


_inflate = BoundedInflater()
setattr(id3_frames, "zlib", _inflate)  # noqa: B010  # the attribute has the type of a module


def read_many(files: Iterable[bytes]) -> list[Tags]:
    """Return the tags of several files, in order. This is a worker's task."""
    return [read_tags(file) for file in files]


def read_tags(file: bytes) -> Tags:
    """Return the tags of an audio file. Raises nothing: an error is in `fault`.

    Several values of a field are joined by "; ", and each is cut at TEXT_MAX characters. The duration is in seconds,
    rounded to milliseconds. Memory: at most a few times READ_MAX.
    """
    try:
        with os.fdopen(RegularFile(file).descriptor, "rb") as opened:
            return _parse(BoundedFile(opened, "x." + extension_of(os.fsdecode(os.path.basename(file)))))
    except OSError as error:
        return _unread(error)


def read_open(file: io.RawIOBase, path: bytes) -> Tags:
    """Return the tags of an open file. Raises nothing: an error is in `fault`."""
    try:
        return _parse(BoundedFile(file, "x." + extension_of(os.fsdecode(os.path.basename(path)))))
    except OSError as error:
        return _unread(error)


def _parse(file: BoundedFile) -> Tags:
    """Parse an open file."""
    _inflate.left = READ_MAX
    try:
        parsed = mutagen.File(file)
        tags = _fields(parsed) if parsed is not None else Tags(fault="its tags cannot be read: no known audio format")
    except TooMuchError:
        tags = Tags(fault=f"its tags cannot be read: they need more than {READ_MAX >> 20} MiB")
    except _BROKEN as error:
        tags = Tags(fault=f"its tags cannot be read: {_said(error)}")
    return tags if file.failure is None else _unread(file.failure)


def _unread(error: OSError) -> Tags:
    """Return the fault of a file that cannot be read."""
    return Tags(fault=f"cannot be read ({error.strerror})", is_read=False)


def _said(error: Exception) -> str:
    """Return the first line of an error's message. A RecursionError gets a message that does not mention the stack."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return paths.display_text(first_line(error), 120)


def _fields(parsed: mutagen.FileType) -> Tags:
    """Return the catalogue's fields of a parsed file."""
    faults: list[str] = []
    look_up = _reader(parsed)
    text = {name: _joined(look_up(name), name, faults) for name in _KEYS}
    track = _TRACK.match(text["track"] or "")
    return Tags(
        title=text["title"],
        artist=text["artist"],
        album=text["album"],
        track=int(track[1]) if track else None,
        date=text["date"],
        year=year_of(text["date"]),
        isrc=text["isrc"],
        duration=_duration(parsed.info, faults),
        codec=_codec(parsed),
        licence=text["licence"],
        fault="; ".join(faults) or None,
    )


# field: Vorbis comment and APEv2 keys | ID3 frames | MP4 atoms | ASF attributes. MP4 and ASF have no licence.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "title": (("title",), ("TIT2",), ("\xa9nam",), ("Title",)),
    "artist": (("artist",), ("TPE1",), ("\xa9ART",), ("Author",)),
    "album": (("album",), ("TALB",), ("\xa9alb",), ("WM/AlbumTitle",)),
    "track": (("tracknumber", "track"), ("TRCK",), ("trkn",), ("WM/TrackNumber",)),
    "date": (("date", "year"), ("TDRC", "TDRL", "TDOR"), ("\xa9day",), ("WM/Year",)),
    "isrc": (("isrc",), ("TSRC", "TXXX:ISRC"), ("----:com.apple.iTunes:ISRC",), ("WM/ISRC",)),
    "licence": (("license", "licence"), ("WCOP", "TXXX:LICENSE"), (), ()),
}


def _reader(parsed: mutagen.FileType) -> Callable[[str], list[str]]:
    """Return a function that returns the values of a field, for the tag format of a file."""
    tags: Any = parsed.tags
    module = type(tags).__module__
    column = 2 if "mp4" in module else 3 if "asf" in module else 1 if hasattr(tags, "getall") else 0

    def look_up(name: str) -> list[str]:
        for key in _KEYS[name][column] if tags is not None else ():
            if key in tags:
                return _values(tags[key])
        return []

    return look_up


def _values(found: Any) -> list[str]:  # mutagen's values have no common type
    """Return the texts of any of mutagen's value types."""
    if isinstance(found, str):
        return [found]
    if isinstance(found, bytes):  # MP4's free-form values
        return [found.decode("utf-8", "replace")]
    if isinstance(found, tuple):  # MP4's (track, number of tracks); 0 means unknown
        return [str(found[0])] if found and found[0] else []
    texts = getattr(found, "text", getattr(found, "url", None))  # ID3 text and link frames, and their time stamps
    if texts is not None:
        return _values(texts)
    if isinstance(found, Iterable):
        return [value for each in found for value in _values(each)]
    return [str(found)]


def _joined(values: list[str], name: str, faults: list[str]) -> str | None:
    """Return several values as one text. A value that is too long is cut, and a fault is added."""
    if any(len(value) > TEXT_MAX for value in values):
        faults.append(f"its {name} was cut at {TEXT_MAX:,} characters")
    cut = dict.fromkeys(clean_text(value[:TEXT_MAX]) for value in values)  # some programs write a value twice
    return "; ".join(text for text in cut if text) or None


def _duration(info: Any, faults: list[str]) -> float | None:  # mutagen's values have no common type
    """Return a stream's length in seconds, rounded to milliseconds; None if the value makes no sense."""
    length = getattr(info, "length", None)
    if length is None:
        return None
    if not math.isfinite(length) or not 0 <= length < _SECONDS_MAX:
        faults.append("its duration is not a length of time")
        return None
    return round(float(length), 3)


_CODECS = {
    "FLAC": "flac", "OggFLAC": "flac", "OggVorbis": "vorbis", "OggOpus": "opus", "OggSpeex": "speex",
    "OggTheora": "theora", "AIFF": "pcm", "WavPack": "wavpack", "MonkeysAudio": "ape", "Musepack": "musepack",
    "TrueAudio": "tta", "AAC": "aac", "ASF": "wma", "TAK": "tak", "OptimFROG": "optimfrog", "DSF": "dsd",
    "DSDIFF": "dsd", "SMF": "midi",
}  # fmt: skip
_MP4_CODECS = {"mp4a.40": "aac", "mp4a.66": "aac", "mp4a.67": "aac", "mp4a.68": "aac", "mp4a.69": "mp3",
               "mp4a.6b": "mp3", "alac": "alac", "ac-3": "ac3", "ec-3": "eac3"}  # fmt: skip
_WAVE_CODECS = {1: "pcm", 3: "pcm", 6: "alaw", 7: "mulaw", 0x55: "mp3", 0xFFFE: "pcm"}  # RFC 2361


def _codec(parsed: mutagen.FileType) -> str | None:
    """Return the usual name of a stream's codec; None if it is unknown."""
    kind = type(parsed).__name__
    info: Any = parsed.info
    if kind == "MP3":
        return f"mp{info.layer}"
    if kind == "MP4":
        said = str(info.codec).lower()
        return _MP4_CODECS.get(".".join(said.split(".")[:2])) or clean_text(said[:32])
    if kind == "WAVE":
        return _WAVE_CODECS.get(info.audio_format)
    if kind == "AC3":
        return "eac3" if info.codec == "ec-3" else "ac3"
    return _CODECS.get(kind)
