"""Rules for the fields of a record: kinds by file extension, years, clean text. No I/O."""

import re

from packager.model import Kind

TEXT_MAX = 16_384  # maximum characters of a tag's value

_EXTENSIONS: dict[Kind, str] = {
    "audio": "flac oga ogg opus spx mp3 mp2 m4a m4b mp4 aac ac3 eac3 alac wav wave bwf rf64 aif aiff aifc afc"
    " wv ape mpc mp+ mpp tta tak ofr ofs dsf dff wma asf mid midi kar au snd caf amr shn mod xm it s3m",
    "artwork": "jpg jpeg jpe jfif png gif webp tif tiff bmp avif heic heif jxl jp2 svg",
    "metadata": "cue log txt nfo m3u m3u8 pls xspf json jsonl ndjson csv tsv xml md rst lrc html htm yaml yml pdf"
    " sfv md5 sha1 sha256 ffp par2 accurip parquet sqlite sqlite3 db",
}
_KINDS = {extension: kind for kind, words in _EXTENSIONS.items() for extension in words.split()}

# Audio formats that mutagen cannot read. Their files have no tags.
_UNTAGGED = frozenset("au snd caf amr shn mod xm it s3m".split())  # noqa: SIM905  # reads better than a list
TAGGED = frozenset(extension for extension, kind in _KINDS.items() if kind == "audio") - _UNTAGGED
_YEAR = re.compile(r"[1-9][0-9]{3}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def extension_of(name: str) -> str:
    """Return a name's extension in lower case, without the dot; "" if it has none."""
    stem, dot, tail = name.rpartition(".")
    return tail.lower() if stem and dot else ""


def stem_of(path: str) -> str:
    """Return a path's file name without extension, which a record's id may be."""
    name = path.rpartition("/")[2]
    stem, dot, _ = name.rpartition(".")
    return stem if stem and dot else name


def kind_of(extension: str) -> Kind:
    """Return the kind of a file extension; "other" for an unknown one."""
    return _KINDS.get(extension, "other")


def year_of(date: str | None) -> int | None:
    """Return the year of a date: the first four digits in a row, from 1000 to 9999; None if there are none."""
    match = _YEAR.search(date or "")
    return int(match[0]) if match else None


def clean_text(text: str) -> str | None:
    """Return a tag's text as valid UTF-8 without spaces and NULs at its ends; None if nothing is left."""
    return _SURROGATE.sub("\ufffd", text).strip(" \t\r\n\0") or None
