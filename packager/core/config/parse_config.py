"""The text of packager.toml -> Config. Every error names the key, the value and the most similar correct one.

Only the text is read: engine/project/load_project.py checks that paths exist, engine/tables/phase_sql.py the SQL.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from packager.core.config import option_values, url_values
from packager.core.config.option_values import Reader, nearest, type_error
from packager.errors import InputError
from packager.options import (
    CollectionOptions,
    Config,
    PhaseOptions,
    RecordsOptions,
    ReleaseOptions,
    ShardOptions,
    SiteOptions,
    SourceOptions,
    TorrentOptions,
)
from packager.paths import display_text

# The readers of every table's keys; a key of options.py that is not here cannot be set.
TABLES: dict[str, dict[str, Reader]] = {
    "collection": {
        "name": option_values.name,
        "title": option_values.title,
        "source": option_values.path,
        "description": option_values.text,
        "licence": option_values.line,
        "contact": option_values.line,
        "homepage": url_values.web_page,
    },
    "sources": {"path": option_values.path},
    "records": {"files": option_values.records_files, "file_times": option_values.flag},
    "shards": {
        "size": option_values.shard_size,
        "folder": option_values.path,
        "large_files": option_values.one_of("own-shard", "refuse"),
        "write_tars": option_values.flag,
        "tar_sha256": option_values.flag,
    },
    "torrents": {
        "format": option_values.one_of("hybrid", "v1", "v2"),
        "also_v1": option_values.flag,
        "piece_length": option_values.piece_length,
        "trackers": url_values.trackers,
        "web_seeds": url_values.web_seeds,
    },
    "phases": {
        "name": option_values.name,
        "title": option_values.title,
        "where": option_values.sql,
        "order": option_values.sql,
        "budget": option_values.size,
        "content": option_values.one_of("files", "catalogue"),
        "container": option_values.one_of("tar", "folder"),
        "embargo": option_values.date,
    },
    "release": {
        "url": url_values.base_url,
        "date": option_values.date,
        "secret_key": option_values.path,
        "next_public_key": option_values.path,
    },
    "site": {"folder": option_values.path, "templates": option_values.path},
}
OPTIONS: dict[str, type[msgspec.Struct]] = {
    "collection": CollectionOptions,
    "sources": SourceOptions,
    "records": RecordsOptions,
    "shards": ShardOptions,
    "torrents": TorrentOptions,
    "phases": PhaseOptions,
    "release": ReleaseOptions,
    "site": SiteOptions,
}
REPEATED = ("sources", "phases")  # tables written in double brackets, once for each


def parse_config(text: str, where: str = "packager.toml") -> Config:
    """Return the checked config of `text`.

    where: what the messages call the file. Raises InputError for the first fault in the file's order; the faults of
    a table's keys come before what is missing from it or cannot be combined.
    """
    document = parse_toml(text, where)
    checked: dict[str, object] = {}
    for key, value in document.items():
        if key not in TABLES:
            raise _unknown(f"{where}: {_key(key)}", key, None, is_table=isinstance(value, dict | list))
        if key in REPEATED:
            checked[key] = _tables(key, value, where)
        else:
            checked[key] = _table(key, value, f"{where}: {key}")
    for key in ("collection", "phases"):
        if key not in checked:
            raise InputError(
                f"{where}: {key}", "is missing", f"write {_header(key)} and its keys, or run: packager init DIR"
            )
    _check_source(document, where)
    return msgspec.convert(checked, Config)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the document in a text. Raises InputError if it is not TOML."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(where, "not valid TOML: nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, and int() for a number of thousands of digits
        raise InputError(where, f"not valid TOML: {display_text(str(error))}") from None


def phase_key(where: str, index: int, key: str) -> str:
    """Return how messages name a key of a phase: `packager.toml: phases[1].where`; index from 0."""
    return f"{where}: phases[{index}].{key}"


def _key(key: str) -> str:
    """Return a key as a message shows it."""
    return display_text(key, 80) or '""'


def _header(table: str) -> str:
    """Return the line that opens a table."""
    return f"[[{table}]]" if table in REPEATED else f"[{table}]"


def _unknown(where: str, key: str, table: str | None, *, is_table: bool = False) -> InputError:
    """Return the error for a key that `table` (None: the top) does not have."""
    homes = [_header(each) for each in TABLES if each != table and key in TABLES[each]]
    known = tuple(TABLES[table]) if table else tuple(TABLES)
    close = nearest(key, known)
    if homes:
        fix = f"it belongs below {' or '.join(homes)}"
    elif close:
        fix = f'did you mean "{close}"?'
    else:
        fix = f"known here: {', '.join(known)}"
    return InputError(where, "unknown table" if is_table else "unknown key", fix)


def _table(table: str, value: object, prefix: str) -> dict[str, object]:
    """Return a table's checked values by key. The messages name a key as prefix.KEY."""
    if not isinstance(value, dict):
        raise InputError(prefix, f"{type_error(value)} is not a table", f"write {_header(table)} on a line of its own")
    checked: dict[str, object] = {}
    for key, each in value.items():
        where = f"{prefix}.{_key(key)}"
        if key not in TABLES[table]:
            raise _unknown(where, key, table)
        checked[key] = TABLES[table][key](each, where)
    if table == "torrents":
        _check_formats(checked, f"{prefix}.also_v1")
    if table == "phases":
        _check_content(checked, prefix)
        checked.setdefault("title", _title(checked.get("name")))
    for field in msgspec.structs.fields(OPTIONS[table]):
        if field.required and field.name not in checked:
            raise InputError(
                f"{prefix}.{field.name}", "is missing", f'write {field.name} = "..." below {_header(table)}'
            )
    return checked


def _check_source(document: Mapping[str, Any], where: str) -> None:
    """Raise InputError unless exactly one source is named."""
    sources, short = document.get("sources", ()), document["collection"].get("source")
    if short is not None and sources:
        raise InputError(f"{where}: collection.source", "[[sources]] names a source, too", "remove one of them")
    if len(sources) > 1:
        raise InputError(f"{where}: sources", f"{len(sources)} sources; there can be only one", "remove the others")
    if short is None and not sources:
        raise InputError(f"{where}: sources", "is missing", 'write [[sources]] and below it path = "..."')


def _check_formats(torrents: Mapping[str, object], where: str) -> None:
    """Raise InputError if a second, v1 torrent is asked for beside a v1 torrent."""
    if torrents.get("also_v1") and torrents.get("format") == "v1":
        raise InputError(where, 'true has no effect with format = "v1"', "remove the line")


def _check_content(phase: Mapping[str, object], prefix: str) -> None:
    """Raise InputError if a catalogue phase has a key that only a phase of files can have."""
    for key in phase:
        if phase.get("content") == "catalogue" and key in ("order", "budget"):
            raise InputError(
                f"{prefix}.{key}",
                f'{type_error(phase[key])} has no effect with content = "catalogue"',
                "remove the line",
            )
    if phase.get("content") == "catalogue" and phase.get("container") == "folder":
        raise InputError(
            f"{prefix}.container",
            '"folder" cannot be used with content = "catalogue"',
            "remove the line",
        )


def _title(name: object) -> str:
    """Return the title of a phase that gives none: "audio-popular" is "Audio popular"."""
    words = str(name).replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _tables(table: str, value: object, where: str) -> list[dict[str, object]]:
    """Return the checked values of every table of a repeated kind, in order."""
    if not isinstance(value, list):
        what = f"{type_error(value)} is not a list of tables"
        raise InputError(f"{where}: {table}", what, f"write {_header(table)} above each of them")
    if not value:
        raise InputError(f"{where}: {table}", "is empty", f"write {_header(table)} and its keys")
    checked: list[dict[str, object]] = []
    for index, each in enumerate(value):
        name = each.get("name") if isinstance(each, dict) else None
        checked.append(_table(table, each, f"{where}: {table}[{index}]"))
        earlier = [before.get("name") for before in checked[:-1]]
        if name is not None and name in earlier:
            what = f"{type_error(name)} is the name of phases[{earlier.index(name)}], too"
            raise InputError(phase_key(where, index, "name"), what, "give each phase its own name")
    return checked


def _deciding(phase: PhaseOptions) -> dict[str, object]:
    """Return the options of a phase that decide the plan; a key that is younger than the digest, only if it is set."""
    options = {key: value for key, value in msgspec.structs.asdict(phase).items() if key != "embargo"}
    return {key: value for key, value in options.items() if (key, value) != ("container", "tar")}


def options_digest(config: Config) -> str:
    """Return the SHA-256, in hex, of the options that decide the plan, the shards' bytes and what is hashed of them.

    Those are: collection.name, title, licence, contact and homepage; records.file_times; shards.size, large_files
    and tar_sha256; all of [torrents], and of [[phases]] all but embargo. Other options change no shard: where files
    are, [release], [site], collection.description. Canonical JSON: keys sorted, UTF-8. Its names are those of this
    digest, and not of packager.toml: a key that is renamed changes no plan.
    """
    collection, shards, torrents = config.collection, config.shards, config.torrents
    deciding = {
        "collection": {
            **{key: getattr(collection, key) for key in ("name", "title", "licence", "contact", "homepage")},
            "mtimes": config.records.file_times,
        },
        "shards": {"size": shards.size, "oversize": shards.large_files, "sha256": shards.tar_sha256},
        "torrent": {
            "version": torrents.format,
            **{key: getattr(torrents, key) for key in ("also_v1", "piece_length", "trackers", "web_seeds")},
        },
        "phases": [_deciding(phase) for phase in config.phases],
    }
    return hashlib.sha256(msgspec.json.encode(deciding, order="sorted")).hexdigest()
