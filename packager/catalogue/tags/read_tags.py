"""The door to mutagen: what an audio file says of itself. Files are opened read-only; nothing hostile gets out.

A file is bytes that anybody may have made: what is read of it and what is unpacked from it is bounded, and every way
in which mutagen fails on broken files becomes a fault of that file.
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

# How mutagen 1.48 fails on broken files beside MutagenError.
_BROKEN = (
    mutagen.MutagenError,
    # Seen by fuzzing truncated and mutated files of every format:
    struct.error,  # a header shorter than its structure
    ValueError,  # a length or text that cannot be; UnicodeError among them
    LookupError,  # a block that ends inside a field, a code outside its table
    ArithmeticError,  # zero sample rates, lengths beyond a double or an off_t
    NotImplementedError,  # an ASF object nobody defined
    RecursionError,  # MP4 atoms and ID3 chapters nested without end
    # Raised by its parsers' code, not seen yet; one such file must not stop the scan of millions:
    OSError,  # its "not enough data", without an errno
    EOFError,  # an Ogg page that is not there
    zlib.error,  # a compressed frame that is none
    MemoryError,  # a length that the system refuses
    AssertionError,  # its own checks on a stream
    AttributeError,  # a part of the stream's description that was not set
    TypeError,  # arithmetic with such a part
)


class Tags(NamedTuple):
    """A file's tags, as the catalogue's columns. fault: what was wrong; is_read: False where reading itself failed."""

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
setattr(id3_frames, "zlib", _inflate)  # noqa: B010  # typed as the module that it replaces


def read_many(files: Iterable[bytes]) -> list[Tags]:
    """Return the tags of several files, in order: a worker's task."""
    return [read_tags(file) for file in files]


def read_tags(file: bytes) -> Tags:
    """Return what the audio file at a path says of itself. Raises nothing: what is wrong is in `fault`.

    Text fields with several values are joined by "; ", each is cut at TEXT_MAX characters; duration is in seconds,
    rounded to milliseconds. Memory: some multiple of READ_MAX at worst.
    """
    try:
        with os.fdopen(RegularFile(file).descriptor, "rb") as opened:
            return _parse(BoundedFile(opened, "x." + extension_of(os.fsdecode(os.path.basename(file)))))
    except OSError as error:
        return _unread(error)


def read_open(file: io.RawIOBase, path: bytes) -> Tags:
    """Return the tags of an open file, which raises OSError where it cannot be read. Raises nothing."""
    try:
        return _parse(BoundedFile(file, "x." + extension_of(os.fsdecode(os.path.basename(path)))))
    except OSError as error:
        return _unread(error)


def _parse(file: BoundedFile) -> Tags:
    """Return the tags of an open file."""
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
    """Return the tags of a file that the system could not read; some parsers go on after that."""
    return Tags(fault=f"cannot be read ({error.strerror})", is_read=False)


def _said(error: Exception) -> str:
    """Return the first line of an error's message; of one that tells of this process's stack, only what it means."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return paths.display_text(first_line(error), 120)


def _fields(parsed: mutagen.FileType) -> Tags:
    """Return a parsed file's fields as the catalogue has them."""
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
    """Return a function from a field's name to its values, for the kind of tags that a file has."""
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
    """Return what any of mutagen's kinds of value holds, as text."""
    if isinstance(found, str):
        return [found]
    if isinstance(found, bytes):  # MP4's free-form values
        return [found.decode("utf-8", "replace")]
    if isinstance(found, tuple):  # MP4's (track, of how many); 0 is "not said"
        return [str(found[0])] if found and found[0] else []
    held = getattr(found, "text", getattr(found, "url", None))  # ID3 text and link frames, and the instants in them
    if held is not None:
        return _values(held)
    if isinstance(found, Iterable):
        return [value for each in found for value in _values(each)]
    return [str(found)]


def _joined(values: list[str], name: str, faults: list[str]) -> str | None:
    """Return several values as one text; each is cut where it is too long, and the fault told."""
    if any(len(value) > TEXT_MAX for value in values):
        faults.append(f"its {name} was cut at {TEXT_MAX:,} characters")
    cut = dict.fromkeys(clean_text(value[:TEXT_MAX]) for value in values)  # some writers say a value twice
    return "; ".join(text for text in cut if text) or None


def _duration(info: Any, faults: list[str]) -> float | None:  # mutagen's values have no common type
    """Return a stream's length in seconds, rounded to milliseconds; None where the file says nonsense."""
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
    """Return the field's common name of a stream's codec; None where the file does not say."""
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
