"""The packager.toml that `packager init` writes: every key with its comment; a key after `#` is off. Pure."""

from dataclasses import dataclass

from packager.paths import display_text

_TEMPLATE = """\
# Settings of this release. Paths are relative to this file. Sizes: "64 GiB", "500 MB".
# Every key is described in the documentation; run: packager docs config
[collection]                # changing name, title, licence or contact changes new shards
{name}# short name in file names; do not change it after the first release
{title}# shown at the top of every page
description = ""            # a paragraph or more
{licence}# terms for sharing, such as "CC-BY-4.0"
{contact}# how to reach you
homepage = ""               # a web page about the collection
[[sources]]                 # the folder or store with the files; packager only reads it
{source}
[records]                   # what you know about the files: CSV, JSONL, Parquet or SQLite
{records}# such as ["records.csv"]; matched to files by id or path
file_times = false          # true: publish the files' modification times
[shards]
{size}# maximum size of a tar
folder = "shards"           # where tars are written; or s3://, sftp://
large_files = "own-shard"   # a file larger than size: "own-shard" or "refuse"
write_tars = true           # false: write no tars; packager serve makes their bytes from the sources
tar_sha256 = false          # true: also publish the SHA-256 of each tar (a third more hashing)
[torrents]
format = "hybrid"           # old and new clients; or "v1", "v2"
also_v1 = false             # true: a second, v1-only torrent for clients that cannot read hybrids
piece_length = "auto"       # or a power of two, "16 KiB" to "16 MiB"
{trackers}# tiers, such as [["udp://tracker.example:1337/announce"]]
web_seeds = []              # web folders with the tars, such as ["https://files.example/shards/"]
# A record goes to the first phase whose `where` selects it. `where` and `order` are SQL; run: packager docs phases
[[phases]]
name = "metadata"
title = "Metadata"
content = "catalogue"       # the catalogue itself; "files", the default: the files that `where` selects
[[phases]]
name = "audio"
{audio_title}
where = "kind = 'audio'"
{audio_order}# the first records are in the first shards
container = "tar"           # "folder": clients can pick single files; for thousands, not millions
# budget = "1 TB"           # maximum size of the phase's tars; other files go to a later phase, or wait
# embargo = "2030-01-01"    # not published before; files over the budget never go out earlier either
[[phases]]
name = "artwork"
title = "Artwork"
where = "kind = 'artwork'"
order = "path"
[[phases]]
name = "rest"
title = "Everything else"
where = "true"
order = "path"
[release]
{url}# where the site will be, such as "https://archive.example/"; feeds need it
# date = "2026-01-01"       # default: today
{secret_key}# signs the release; make it with packager keygen
# next_public_key = "next.pub"     # to change keys: the key that signs the releases after the next one
[site]
folder = "site"             # put this on a web server; it is replaced at each publish
# templates = "templates"   # your own page templates, which replace ours one by one
"""
_COMMENT = 28  # the column of a comment


@dataclass(frozen=True)
class Starter:
    """What a new packager.toml says that is not a default.

    name: a slug. source, records, secret_key: paths as the file writes them. trackers: tiers. popularity: the records
    file has that column, so the most popular audio comes first.
    """

    name: str
    title: str
    source: str
    records: str | None = None
    licence: str = ""
    contact: str = ""
    url: str = ""
    trackers: tuple[tuple[str, ...], ...] = ()
    shard_size: str = "64 GiB"
    secret_key: str | None = None
    popularity: bool = False


def starter_config(starter: Starter) -> str:
    """Return the text of a new packager.toml."""
    records = [] if starter.records is None else [starter.records]
    tiers = ", ".join(_list(tier) for tier in starter.trackers)
    return _TEMPLATE.format(
        name=_line("name", quoted(starter.name)),
        title=_line("title", quoted(starter.title)),
        licence=_line("licence", quoted(starter.licence)),
        contact=_line("contact", quoted(starter.contact)),
        source=f"path = {quoted(starter.source)}",
        records=_line("files", _list(records)),
        size=_line("size", quoted(starter.shard_size)),
        trackers=_line("trackers", f"[{tiers}]"),
        audio_title=f"title = {quoted('Audio, most popular first' if starter.popularity else 'Audio')}",
        audio_order=_line("order", quoted("popularity DESC NULLS LAST, path" if starter.popularity else "path")),
        url=_line("url", quoted(starter.url)),
        secret_key=_line("secret_key", quoted(starter.secret_key))
        if starter.secret_key is not None
        else '# secret_key = "release.key"       ',
    )


def _line(key: str, value: str) -> str:
    """Return a key and its value, up to the column of the comment."""
    return f"{key} = {value} ".ljust(_COMMENT)


def _list(strings: "list[str] | tuple[str, ...]") -> str:
    """Return a TOML list of strings."""
    return f"[{', '.join(map(quoted, strings))}]"


def starter_title(folder: str) -> str:
    """Return the title for a folder's name: the name with a capital, on one line and without control characters."""
    title = display_text(" ".join(folder.split())) or "Collection"
    return title[:1].upper() + title[1:]


def quoted(text: str) -> str:
    r"""Return a TOML basic string (TOML 1.0, "String"); what is not printable is written as \UXXXXXXXX."""
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
