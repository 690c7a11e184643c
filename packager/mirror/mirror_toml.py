"""The text of mirror.toml: a new one with its comments, and one in which only some keys change. Pure."""

import re
import tomllib
from collections.abc import Mapping

import msgspec

from packager.core.config.starter_config import quoted
from packager.errors import InputError
from packager.mirror.mirror_settings import FILE, KEYS, Settings, parse_mirror_settings
from packager.units import format_limit

_COLUMN = 28  # of a comment
_HEAD = """\
# Settings of this mirror. Paths are relative to this file. Sizes: "64 GiB", "500 MB".
# Change them here, or run packager mirror follow with the options to change. Then run: packager mirror sync
"""
# Each key, its comment, and for a key that is off what it could be.
_LINES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "mirror": (
        ("budget", "maximum size of the tars and their documents", ""),
        ("reserve", "space of the disk that stays free", ""),
        ("id", "makes this mirror choose other shards than other mirrors", ""),
        ("client", 'or "none", "qbittorrent:URL", "transmission:URL", "aria2:URL", "watch:DIR"', ""),
        ("listen", "address for connections of peers; open this port in your router", ""),
        ("upload_limit", "send at most this much", '"5 MiB/s"'),
        ("download_limit", "receive at most this much", '"100 Mbit/s"'),
        ("dht", "true: find peers through the DHT", ""),
        ("web_seeds", "false: do not use the web seeds that the torrents name", ""),
        ("allow_hosts", "also contact these hosts if a document or a redirect names them", '["nas.example"]'),
        ("timeout", "give up a server that sends nothing for this long", ""),
        ("check_every", "packager mirror run looks for a new release this often", ""),
    ),
    "follow": (
        ("source", "the address or folder of the release", ""),
        ("key", "the publisher's public key; it signs the first release that is followed", '"RW..."'),
        ("allow_unsigned", "true: follow a release that is not signed", "true"),
        ("strategy", "which shards: spread, rarest, popular, phase or oldest", ""),
        ("phases", "only these phases", '["audio"]'),
        ("where", "only these: SQL over name, phase, size, members, added, seeders", '"seeders < 3"'),
        ("seed_counts", "where seed counts come from: auto, list, trackers or dht", ""),
        ("warn_age", "warn of a release that is older", ""),
    ),
}


def new_mirror_toml(settings: Settings) -> str:
    """Return the text of a new mirror.toml; a key after "#" is off."""
    text = _HEAD
    for table, lines in _LINES.items():
        text += f"{_header(table)}\n"
        for key, comment, example in lines:
            value = _value(table, key, settings)
            text += _line(key, value, comment) if value is not None else "# " + _line(key, example, comment, 2)
    return text


def change_mirror_toml(text: str, new: Settings, where: str = FILE) -> str:
    """Return the text of a mirror.toml with the keys changed that differ from the settings `new`; all else stays.

    Raises InputError for a key that is written in a way that this cannot change.
    """
    old = parse_mirror_settings(text, where)
    for table, keys in KEYS.items():
        for key, (field, _) in keys.items():
            if getattr(old, field) != getattr(new, field):
                value = _value(table, key, new, off=_off(field))
                text = _changed(text, table, key, str(value))
                old = msgspec.structs.replace(old, **{field: getattr(new, field)})
                if _parsed(text, where) != old:
                    fix = f"write {key} = {value} below {_header(table)} yourself"
                    raise InputError(f"{where}: {key}", "cannot be changed by this command", fix)
    return text


def _parsed(text: str, where: str) -> Settings | None:
    """Return the settings in a text, None if it is damaged."""
    try:
        return parse_mirror_settings(text, where)
    except InputError:
        return None


def _header(table: str) -> str:
    """Return the line that opens a table."""
    return "[[follow]]" if table == "follow" else f"[{table}]"


def _line(key: str, value: str, comment: str, indent: int = 0) -> str:
    """Return a key, its value and its comment as a line."""
    if comment and not comment.startswith("#"):
        comment = f"# {comment}"
    return f"{f'{key} = {value} '.ljust(_COLUMN - indent)}{comment}".rstrip() + "\n"


def _off(field: str) -> str:
    """Return how a setting is written that has no value any more."""
    return {"phases": "[]", "allow_hosts": "[]", "where": '""', "allow_unsigned": "false", "key": '""'}.get(field, "0")


def _value(table: str, key: str, settings: Settings, off: str | None = None) -> str | None:
    """Return a setting as mirror.toml writes it; `off` for one that is not set."""
    field = KEYS[table][key][0]
    value = getattr(settings, field)
    if value is None or value == () or (field in ("upload_limit", "download_limit", "allow_unsigned") and not value):
        return off
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(quoted, value))}]"
    if isinstance(value, str):
        return quoted(value)
    if field in ("upload_limit", "download_limit"):
        return quoted(f"{format_limit(value)}/s")
    return quoted(format_limit(value) if field in ("budget", "reserve") else format_time(value))


def format_time(seconds: float) -> str:
    """Return a time as its user wrote it, in the largest unit in which it is a whole number: "180 d", "90 s"."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:g} s"


def _changed(text: str, table: str, key: str, value: str) -> str:
    """Return a text with another value of one key, which gets a line if it has none. Comments stay."""
    lines = text.split("\n")
    heads = [at for at, line in enumerate(lines) if re.match(rf"\s*{re.escape(_header(table))}\s*(#.*)?$", line)]
    if not heads:
        return "\n".join([*lines, _header(table), f"{key} = {value}"])
    start = heads[0] + 1
    end = next((at for at in range(start, len(lines)) if re.match(r"\s*\[\[?[\w. ]+\]", lines[at])), len(lines))
    for pattern in (rf"\s*{key}\s*=", rf"\s*#\s*{key}\s*="):
        for at in range(start, end):
            if re.match(pattern, lines[at]):
                stop, comment = _extent(lines, at, end)
                lines[at:stop] = [_line(key, value, comment).rstrip("\n")]
                return "\n".join(lines)
    lines.insert(start, f"{key} = {value}")
    return "\n".join(lines)


def _extent(lines: list[str], at: int, end: int) -> tuple[int, str]:
    """Return where the value that begins in a line ends, as the number of the next line, and the comment after it."""
    for stop in range(at + 1, end + 1):
        written = "\n".join([lines[at].lstrip("# "), *lines[at + 1 : stop]])
        if not _is_toml(written):
            continue
        for found in re.finditer("#", written):
            if _is_toml(written[: found.start()]):
                return stop, written[found.start() :]
        return stop, ""
    return at + 1, ""


def _is_toml(text: str) -> bool:
    """Return whether a text is TOML."""
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
