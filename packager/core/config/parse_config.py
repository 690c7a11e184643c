"""The text of packager.toml -> Config. Every fault is named by its key, its value and the nearest right spelling.

Nothing is read but the text: whether paths exist engine/project/load_project.py asks, whether SQL fits the
catalogue engine/tables/phase_sql.py.
"""

import hashlib
import tomllib
from collections.abc import Mapping

import msgspec

from packager.core.config import option_values, url_values
from packager.core.config.option_values import Reader, nearest, type_error
from packager.errors import InputError
from packager.options import CollectionOptions, Config, PhaseOptions, ReleaseOptions, ShardOptions, TorrentOptions
from packager.paths import display_text
from packager.slug import is_slug

# The readers of every table's keys; a key of options.py that is not here cannot be set.
TABLES: dict[str, dict[str, Reader]] = {
    "collection": {
        "name": option_values.name,
        "title": option_values.title,
        "source": option_values.path,
        "description": option_values.text,
        "records": option_values.path,
        "licence": option_values.line,
        "contact": option_values.line,
        "homepage": url_values.web_page,
        "mtimes": option_values.flag,
    },
    "shards": {
        "size": option_values.shard_size,
        "directory": option_values.path,
        "oversize": option_values.one_of("own-shard", "refuse"),
        "sha256": option_values.flag,
        "materialise": option_values.flag,
    },
    "torrent": {
        "version": option_values.one_of("hybrid", "v1", "v2"),
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
        "output": option_values.path,
        "base_url": url_values.base_url,
        "date": option_values.date,
        "key": option_values.path,
        "next_key": option_values.path,
        "templates": option_values.path,
    },
}
OPTIONS: dict[str, type[msgspec.Struct]] = {
    "collection": CollectionOptions,
    "shards": ShardOptions,
    "torrent": TorrentOptions,
    "phases": PhaseOptions,
    "release": ReleaseOptions,
}


def parse_config(text: str, where: str = "packager.toml") -> Config:
    """Return the checked config that `text` holds.

    where: what the messages call the file. Raises InputError for the first fault in the file's order;
    what is missing from a table, or does not fit together, comes after the faults of its keys.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise InputError(where, "not valid TOML: nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, and int() for a number of thousands of digits
        raise InputError(where, f"not valid TOML: {display_text(str(error))}") from None
    checked: dict[str, object] = {}
    for key, value in document.items():
        if key not in TABLES:
            raise _unknown(f"{where}: {_key(key)}", key, None, table_meant=isinstance(value, dict | list))
        if key == "phases":
            checked[key] = _phases(value, where)
        else:
            checked[key] = _table(key, value, f"{where}: {key}", "")
    for key in ("collection", "phases"):
        if key not in checked:
            raise InputError(
                f"{where}: {key}", "missing", f"write {_header(key)} and its keys, or run: packager init FOLDER"
            )
    return msgspec.convert(checked, Config)


def phase_key(where: str, index: int, key: str, name: object) -> str:
    """Return how messages name a key of a phase: `packager.toml: phases[1].where (phase "audio")`; index from 0."""
    return f"{where}: phases[{index}].{key}{_phase_suffix(name)}"


def _phase_suffix(name: object) -> str:
    """Return what tells a phase by its name, where that is one."""
    return f' (phase "{name}")' if isinstance(name, str) and is_slug(name) else ""


def _key(key: str) -> str:
    """Return a key as a message shows it."""
    return display_text(key, 80) or '""'


def _header(table: str) -> str:
    """Return the line that opens a table."""
    return "[[phases]]" if table == "phases" else f"[{table}]"


def _unknown(where: str, key: str, table: str | None, *, table_meant: bool = False) -> InputError:
    """Return the error for a key that `table` (None: the top) does not have."""
    noun = "table" if table_meant else "key"
    home = next((each for each in TABLES if each != table and key in TABLES[each]), None)
    known = tuple(TABLES[table]) if table else tuple(TABLES)
    close = nearest(key, known)
    if home:
        fix = f"it belongs below {_header(home)}"
    elif close:
        fix = f'did you mean "{close}"?'
    else:
        fix = f"known here: {', '.join(known)}"
    return InputError(where, f"unknown {noun} {type_error(key)}", fix)


def _table(table: str, value: object, prefix: str, suffix: str) -> dict[str, object]:
    """Return a table's checked values by key. The messages name a key as prefix.KEYsuffix."""
    if not isinstance(value, dict):
        raise InputError(
            prefix + suffix, f"{type_error(value)} is not a table", f"write {_header(table)} on a line of its own"
        )
    checked: dict[str, object] = {}
    for key, each in value.items():
        where = f"{prefix}.{_key(key)}{suffix}"
        if key not in TABLES[table]:
            raise _unknown(where, key, table)
        checked[key] = TABLES[table][key](each, where)
    if table == "torrent":
        _check_versions(checked, f"{prefix}.also_v1")
    if table == "phases":
        _check_content(checked, prefix, suffix)
        checked.setdefault("title", _title(checked.get("name")))
    for field in msgspec.structs.fields(OPTIONS[table]):
        if field.required and field.name not in checked:
            raise InputError(
                f"{prefix}.{field.name}{suffix}", "missing", f'write {field.name} = "..." below {_header(table)}'
            )
    return checked


def _check_versions(torrent: Mapping[str, object], where: str) -> None:
    """Raise InputError where a second, v1 torrent is asked for beside a v1 torrent."""
    if torrent.get("also_v1") and torrent.get("version") == "v1":
        raise InputError(where, 'true means nothing where version = "v1"', "take the line out")


def _check_content(phase: Mapping[str, object], prefix: str, suffix: str) -> None:
    """Raise InputError where a catalogue phase has a key that only files have."""
    for key in phase:
        if phase.get("content") == "catalogue" and key in ("order", "budget"):
            raise InputError(
                f"{prefix}.{key}{suffix}",
                f'{type_error(phase[key])} means nothing where content = "catalogue"',
                "take the line out",
            )
    if phase.get("content") == "catalogue" and phase.get("container") == "folder":
        raise InputError(
            f"{prefix}.container{suffix}",
            '"folder" is for files that stay where they lie, and those of content = "catalogue" do not',
            "take the line out",
        )


def _title(name: object) -> str:
    """Return the title of a phase that gives none: "audio-popular" is "Audio popular"."""
    words = str(name).replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _phases(value: object, where: str) -> list[dict[str, object]]:
    """Return every phase's checked values, in order."""
    if not isinstance(value, list):
        raise InputError(
            f"{where}: phases", f"{type_error(value)} is not a list of tables", "write [[phases]] above each phase"
        )
    if not value:
        raise InputError(f"{where}: phases", "there is no phase", "write [[phases]] and its keys")
    checked: list[dict[str, object]] = []
    for index, phase in enumerate(value):
        name = phase.get("name") if isinstance(phase, dict) else None
        checked.append(_table("phases", phase, f"{where}: phases[{index}]", _phase_suffix(name)))
        earlier = [each["name"] for each in checked[:-1]]
        if checked[-1]["name"] in earlier:
            what = f"{type_error(name)} is the name of phases[{earlier.index(name)}] too"
            raise InputError(phase_key(where, index, "name", None), what, "give each phase its own name")
    return checked


def _deciding(phase: PhaseOptions) -> dict[str, object]:
    """Return what of a phase decides the plan; a key that is younger than the digest, only where it is set."""
    told = {key: value for key, value in msgspec.structs.asdict(phase).items() if key != "embargo"}
    return {key: value for key, value in told.items() if (key, value) != ("container", "tar")}


def options_digest(config: Config) -> str:
    """Return the SHA-256, in hex, of the options that decide the plan, the shards' bytes and what is hashed of them.

    Those are: collection.name, title, licence, contact, homepage and mtimes; shards.size, oversize and
    sha256; all of [torrent], and of [[phases]] but embargo. Where files lie (source, records, directory, [release])
    and how they are shown (description, templates) change no shard. Canonical JSON: keys sorted, UTF-8.
    """
    collection, shards = config.collection, config.shards
    deciding = {
        "collection": {
            key: getattr(collection, key) for key in ("name", "title", "licence", "contact", "homepage", "mtimes")
        },
        "shards": {key: getattr(shards, key) for key in ("size", "oversize", "sha256")},
        "torrent": config.torrent,
        "phases": [_deciding(phase) for phase in config.phases],
    }
    return hashlib.sha256(msgspec.json.encode(deciding, order="sorted")).hexdigest()
