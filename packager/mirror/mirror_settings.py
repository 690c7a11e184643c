"""mirror.toml -> the settings of a mirror. Every error names the key and the value, and the fix. Pure."""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from packager.core.config import option_values
from packager.core.config.option_values import Reader, nearest, parse_string, type_error
from packager.core.config.parse_config import parse_toml
from packager.core.http.allowed_hosts import AllowedHosts, allowed_hosts
from packager.core.http.listen_address import parse_listen
from packager.errors import InputError
from packager.model import ASK_FOR, STRATEGIES, AskFor, FrozenStruct, Strategy, Uint63
from packager.paths import display_text
from packager.units import GIB, parse_rate, parse_seconds, parse_size

FILE = "mirror.toml"
_ID_LENGTH = 200  # characters


class Settings(FrozenStruct, frozen=True, kw_only=True):
    """What the owner of a mirror asks of it. source: a URL that ends in "/", or a folder. Bytes and seconds.

    The state keeps the settings of the last run, so that a plan can show what changed.
    """

    source: str
    budget: Uint63
    strategy: Strategy = "spread"
    mirror_id: str
    phases: tuple[str, ...] | None = None
    where: str | None = None
    reserve: Uint63 = 50 * GIB
    client: str = "builtin"
    warn_age: Uint63 = msgspec.field(default=180 * 86_400, name="max_age")
    seed_counts: AskFor = msgspec.field(default="auto", name="counts")
    allow_hosts: tuple[str, ...] = ()  # HOST[:PORT] that may be contacted at any address
    key: str | None = None  # the publisher's public key: its line or its file; None: the one beside the release
    allow_unsigned: bool = False
    listen: str = ":6881"
    dht: bool = False
    upload_limit: Uint63 = 0  # bytes per second; 0: no limit
    download_limit: Uint63 = 0
    web_seeds: bool = True
    check_every: float = 6 * 3600
    timeout: float = 60

    @property
    def allowed(self) -> AllowedHosts:
        """The hosts that may be contacted: those, and where the release is. Raises InputError."""
        return allowed_hosts(self.allow_hosts).with_origin(self.source)


def check_mirror_id(text: str, where: str) -> str:
    """Return a mirror's id. Raises InputError if it is empty, too long or not printable."""
    if not 1 <= len(text) <= _ID_LENGTH or not text.isprintable():
        raise InputError(where, f'"{display_text(text, 40)}" is not 1 to {_ID_LENGTH} printable characters')
    return text


def _written(parse: Callable[[str, str], object]) -> Reader:
    """Return the reader of a value that is written as text or as a plain number."""

    def read(value: object, where: str) -> object:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else parse_string(value, where)
        return parse(text, where)

    return read


def _text(value: object, where: str) -> str:
    """Return one line of text that is not empty."""
    text = option_values.line(value, where)
    if not text.strip():
        raise InputError(where, "is empty", "write a value, or remove the line")
    return text


def _texts(value: object, where: str) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list):
        fix = f"write [{type_error(value)}]" if isinstance(value, str) else ""
        raise InputError(where, f"{type_error(value)} is not a list", fix)
    return tuple(_text(each, f"{where}[{index}]") for index, each in enumerate(value))


def _phases(value: object, where: str) -> tuple[str, ...] | None:
    """Return the names of phases; None for an empty list, which is all of them."""
    return _texts(value, where) or None


def _where(value: object, where: str) -> str | None:
    """Return an SQL condition; None for an empty one, which is true for all shards."""
    return option_values.text(value, where) or None


def _listen(value: object, where: str) -> str:
    """Return an address to listen on."""
    parse_listen(parse_string(value, where), where)
    return str(value)


def _hosts(value: object, where: str) -> tuple[str, ...]:
    """Return hosts that may be contacted."""
    hosts = _texts(value, where)
    try:
        allowed_hosts(hosts)
    except InputError as error:
        raise InputError(where, error.what, error.fix) from error
    return hosts


def _mirror_id(value: object, where: str) -> str:
    """Return a mirror's id."""
    return check_mirror_id(parse_string(value, where), where)


def _whole_seconds(text: str, where: str) -> int:
    """Return a time in whole seconds."""
    return round(parse_seconds(text, where))


# Each key of mirror.toml by its table: its field in Settings, and its reader.
KEYS: Mapping[str, Mapping[str, tuple[str, Reader]]] = {
    "mirror": {
        "budget": ("budget", _written(parse_size)),
        "reserve": ("reserve", _written(parse_size)),
        "id": ("mirror_id", _mirror_id),
        "client": ("client", _text),
        "listen": ("listen", _listen),
        "upload_limit": ("upload_limit", _written(parse_rate)),
        "download_limit": ("download_limit", _written(parse_rate)),
        "dht": ("dht", option_values.flag),
        "web_seeds": ("web_seeds", option_values.flag),
        "allow_hosts": ("allow_hosts", _hosts),
        "timeout": ("timeout", _written(partial(parse_seconds, least=1))),
        "check_every": ("check_every", _written(partial(parse_seconds, least=1))),
    },
    "follow": {
        "source": ("source", _text),
        "key": ("key", _text),
        "allow_unsigned": ("allow_unsigned", option_values.flag),
        "strategy": ("strategy", option_values.one_of(*STRATEGIES)),
        "phases": ("phases", _phases),
        "where": ("where", _where),
        "seed_counts": ("seed_counts", option_values.one_of(*ASK_FOR)),
        "warn_age": ("warn_age", _written(_whole_seconds)),
    },
}
_REQUIRED = (("mirror", "budget"), ("mirror", "id"), ("follow", "source"))


def parse_mirror_settings(text: str, where: str = FILE) -> Settings:
    """Return the checked settings in the text of mirror.toml. where: what the messages call the file.

    Raises InputError for the first fault in the file's order, then for what is missing.
    """
    document = parse_toml(text, where)
    found: dict[str, object] = {}
    for table, value in document.items():
        if table not in KEYS:
            close = nearest(table, KEYS)
            fix = f'did you mean "{close}"?' if close else "the tables are [mirror] and [[follow]]"
            raise InputError(f"{where}: {display_text(table, 80)}", "unknown table", fix)
        found |= _values(table, _only_table(table, value, where), where)
    for table, key in _REQUIRED:
        if KEYS[table][key][0] not in found:
            place = "mirror" if table == "mirror" else "follow[0]"
            header = "[mirror]" if table == "mirror" else "[[follow]]"
            raise InputError(f"{where}: {place}.{key}", "is missing", f'write {key} = "..." below {header}')
    if found.get("allow_unsigned") and found.get("key"):
        raise InputError(f"{where}: follow[0].allow_unsigned", "true cannot be used with a key", "remove one of them")
    settings = Settings(**found)  # type: ignore[arg-type]  # each value was checked
    allowed_hosts(()).with_origin(settings.source)
    return settings


def _only_table(table: str, value: object, where: str) -> Mapping[str, object]:
    """Return the one table of a name."""
    if table == "follow":
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise InputError(f"{where}: follow", f"{type_error(value)} is not a list of tables", "write [[follow]]")
        if len(value) != 1:
            fix = "remove the others; another release can be followed in another folder"
            raise InputError(f"{where}: follow", f"{len(value)} sources; there can be only one", fix)
        return dict(value[0])
    if not isinstance(value, dict):
        raise InputError(f"{where}: mirror", f"{type_error(value)} is not a table", "write [mirror]")
    return value


def _values(table: str, values: Mapping[str, object], where: str) -> dict[str, object]:
    """Return the checked values of a table, by their fields in Settings."""
    place = f"{where}: {'follow[0]' if table == 'follow' else table}"
    found = {}
    for key, value in values.items():
        at = f"{place}.{display_text(key, 80)}"
        if key not in KEYS[table]:
            raise _unknown(at, table, key)
        field, read = KEYS[table][key]
        found[field] = read(value, at)
    return found


def _unknown(where: str, table: str, key: str) -> InputError:
    """Return the error for a key that a table does not have."""
    other = "follow" if table == "mirror" else "mirror"
    if key in KEYS[other]:
        return InputError(where, "unknown key", f"it belongs below {'[[follow]]' if other == 'follow' else '[mirror]'}")
    close = nearest(key, KEYS[table])
    return InputError(where, "unknown key", f'did you mean "{close}"?' if close else f"known: {', '.join(KEYS[table])}")
