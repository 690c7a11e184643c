"""The packager.toml that `packager init` writes: every key with a line that explains it, defaults as they are.

Pure: the folder is looked at by engine/project/load_project.py.
"""

from packager.paths import display_text

_TEMPLATE = """\
# What `packager release` makes of this collection. Sizes are like "64 GiB" or "500 MB".
# Paths are relative to this file. Every key is told in docs/reference/config.md.

[collection]
# Short name in file names: a-z, 0-9, ".", "_", "-". Do not change it after the first release.
name = {name}
# What people read at the top of every page.
title = {title}
# The folder of files to release; it is only read.
source = {source}
# A paragraph or more about the collection.
description = ""
# A CSV, JSONL, Parquet or SQLite file that tells more about the files (title, popularity, ...).
{records}
# The terms under which others may share it, such as "CC0-1.0" or "CC-BY-4.0".
licence = ""
# How to reach you.
contact = ""
# An http(s) address that tells more.
homepage = ""
# true: keep the files' times in the tables (copies of the same files then give other tables).
mtimes = false

[shards]
# No tar is larger than this.
size = "64 GiB"
# Where the tars are written.
directory = "shards"
# A file larger than a shard: "own-shard" gives it one, "refuse" stops.
oversize = "own-shard"
# true: hash every whole tar with SHA-256 too; the pieces root already names it.
sha256 = false
# false: pack writes no tars; packager serve makes their bytes from your files when they are asked for.
materialise = true

[torrent]
# "hybrid" works in old and new clients; or "v1", or "v2".
version = "hybrid"
# true: publish a v1 torrent of each shard beside the other.
also_v1 = false
# "auto", or a power of two from "16 KiB" to "16 MiB".
piece_length = "auto"
# Tracker tiers, such as [["udp://tracker.example:1337/announce"]].
trackers = []
# Folders on the web that hold the tars, such as ["https://files.example/shards/"].
web_seeds = []

# Phases are released one after the other. A record goes to the first phase whose `where` takes it.
# `where` and `order` are SQL over the columns id, path, kind ('audio', 'artwork', 'metadata',
# 'other'), size, title, artist, album, track, date, year, isrc, duration, codec, licence,
# popularity, fault, sha256 and extra (further fields: extra->>'label').

[[phases]]
name = "metadata"
title = "Metadata"
# "catalogue" publishes the catalogue itself; "files", the default, the files that `where` takes.
content = "catalogue"

[[phases]]
name = "audio"
title = {audio_title}
where = "kind = 'audio'"
# The order inside the phase: what stands first is in the first shards.
order = {audio_order}
# The tars of the phase take at most this many bytes. Other files go to the next phase whose `where` selects them, if
# that does not open earlier; else they wait. packager plan shows where they go.
# budget = "1 TB"
# The records that this phase takes are not published before this date, by this phase or any other. A record that an
# earlier phase takes is not held: put a phase with an embargo before phases that select the same records.
# embargo = "2030-01-01"
# "folder" publishes each shard as a folder, from which any client picks single files: for thousands, not millions.
# container = "tar"

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
# The folder of the site: pages, torrents, lists.
output = "output"
# Where that folder will be on the web, such as "https://archive.example/"; feeds need it.
base_url = ""
# The date of the release; without it, the day it is made.
# date = "2026-01-01"
# The secret key that signs the release: make one with packager keygen.
# key = "release.key"
# To change keys: the public key that signs the releases after the next one.
# next_key = "next.pub"
# A folder of your own page templates, which take the place of ours one by one.
# templates = "templates"
"""


def starter_config(name: str, title: str, source: str, records: str | None, *, popularity: bool = False) -> str:
    """Return the text of a new packager.toml, all defaults but for what is given.

    name: a slug. source, records: paths as they shall stand in the file. popularity: the records file
    has that column, so the most popular audio comes first.
    """
    return _TEMPLATE.format(
        name=quoted(name),
        title=quoted(title),
        source=quoted(source),
        records=f"records = {quoted(records)}" if records is not None else '# records = "records.csv"',
        audio_title=quoted("Audio, most popular first" if popularity else "Audio"),
        audio_order=quoted("popularity DESC NULLS LAST, path" if popularity else "path"),
    )


def starter_title(folder: str) -> str:
    """Return the title for a folder's name: the name, on one line and without control characters."""
    return display_text(" ".join(folder.split())) or "Collection"


def quoted(text: str) -> str:
    r"""Return a TOML basic string (TOML 1.0, "String"); what is not printable is written as \UXXXXXXXX."""
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
