"""The JSON documents: canonical bytes, and the fields of each in their order (sections 8, 9, 12, 20)."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.second_implementation.problems import must

ALWAYS = object()  # the field is always written
DATE = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")


@dataclass(frozen=True)
class Field:
    """One field. holds: whether a value is of its type. left_out: the value for which it is not written."""

    name: str
    holds: Callable[[Any], bool]
    left_out: Any = ALWAYS


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def date(value: Any) -> bool:
    return text(value) and DATE.fullmatch(value) is not None


def digits(count: int) -> Callable[[Any], bool]:
    return lambda value: text(value) and re.fullmatch(f"[0-9a-f]{{{count}}}", value) is not None


def either(*choices: str) -> Callable[[Any], bool]:
    return lambda value: value in choices


def nullable(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def a(fields: Sequence[Field]) -> Callable[[Any], bool]:
    """Return whether a value is an object of these fields; raise WrongError for what is wrong in it."""

    def holds(value: Any) -> bool:
        check(value, fields)
        return True

    return holds


def many(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


EXTENSIONS = Field("extensions", lambda value: isinstance(value, dict), {})
FILE = (Field("path", text), Field("size", whole), Field("sha256", digits(64)))
FACTS = (
    Field("piece_length", whole),
    Field("pieces_root", nullable(digits(64))),
    Field("infohash_v1", nullable(digits(40))),
    Field("infohash_v2", nullable(digits(64))),
)
MANIFEST = (
    Field("format", whole),
    Field("type", either("manifest")),
    Field("tool", text),
    Field("collection", text),
    Field("name", text),
    Field("phase", text),
    Field("number", whole),
    Field("container", either("tar", "folder")),
    Field("file", text),
    Field("size", whole),
    Field("payload", whole),
    Field("members", whole),
    Field("oversize", flag),
    *FACTS,
    Field("twin_infohash", digits(40), None),
    Field("sha256", digits(64), None),
    Field("bag_info", text),
    Field("mtimes", flag, False),
    Field("withdrawn", whole, 0),
    EXTENSIONS,
)
SHARD = (
    Field("name", text),
    Field("phase", text),
    Field("number", whole),
    Field("file", text),
    Field("size", whole),
    Field("payload", whole),
    Field("members", whole),
    Field("added", date),
    *FACTS,
    Field("magnet", text),
    Field("torrent", a(FILE)),
    Field("manifest", a(FILE)),
    Field("members_table", a(FILE)),
    Field("members_tsv", a(FILE)),
    Field("twin_infohash", digits(40), None),
    Field("twin_magnet", text, None),
    Field("twin_torrent", a(FILE), None),
    Field("sha256", digits(64), None),
    Field("container", either("tar", "folder"), "tar"),
    Field("since", whole, 1),
    Field("obsolete", flag, False),
    Field("obsolete_since", whole, 0),
    Field("superseded_by", texts, []),
    Field("reason", text, ""),
    Field("withdrawn", whole, 0),
)
PHASE = (
    Field("name", text),
    Field("title", text),
    Field("state", either("published", "next", "planned")),
    Field("content", either("files", "catalogue")),
    Field("records", whole),
    Field("files", whole),
    Field("payload", whole),
    Field("size", whole),
    Field("shards", whole),
    Field("embargo", date, None),
)
WITHDRAWN_FILE = (Field("size", whole), Field("sha256", digits(64)))
WITHDRAWAL = (
    Field("id", text),
    Field("reason", text),
    Field("date", date),
    Field("since", whole, 1),
    Field("shards", texts, []),
    Field("title", text, ""),
    Field("artist", text, ""),
    Field("files", many(a(WITHDRAWN_FILE)), []),
    Field("lifted", whole, 0),
)
COLLECTION = tuple(Field(name, text) for name in ("name", "title", "description", "licence", "contact", "homepage"))
RELEASE = (
    Field("format", whole),
    Field("type", either("release")),
    Field("serial", whole),
    Field("date", date),
    Field("previous", nullable(digits(64))),
    Field("collection", a(COLLECTION)),
    Field("base_url", text),
    Field("catalogue_records", whole),
    Field("phases", many(a(PHASE))),
    Field("shards", many(a(SHARD))),
    Field("withdrawals", many(a(WITHDRAWAL))),
    Field("next_key", text, None),
    Field("unread", whole, 0),
    EXTENSIONS,
)
LOOKUP = (
    Field("format", whole),
    Field("type", either("lookup")),
    Field("collection", text),
    Field("serial", whole),
    Field("keys", whole),
    Field("buckets", whole),
    Field("slots", whole),
    Field("part_buckets", whole),
    Field("parts", many(a(FILE))),
    Field("phases", texts),
    Field("trackers", texts),
    Field("web_seeds", texts),
    EXTENSIONS,
)


def check(value: Any, fields: Sequence[Field]) -> None:
    """Check an object: no field missing, unknown, out of order or of another type, none written where left out."""
    must(isinstance(value, dict), f"{value!r} is not an object")
    known = [field.name for field in fields]
    unknown = [name for name in value if name not in known]
    must(not unknown, f"has unknown fields: {unknown}")
    must(list(value) == [name for name in known if name in value], f"has its fields in another order: {list(value)}")
    for field in fields:
        if field.name not in value:
            must(field.left_out is not ALWAYS, f"has no {field.name}")
            continue
        must(field.holds(value[field.name]), f"{field.name} is {value[field.name]!r}")
        must(value[field.name] != field.left_out, f"{field.name} is written though it is {field.left_out!r}")


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a document."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def parse(data: bytes, fields: Sequence[Field] | None) -> Any:
    """Return a document that is canonical, has no key twice and, if given, exactly these fields."""
    must(len(data) <= 48 << 20, "has more than 48 MiB")
    value = json.loads(data, object_pairs_hook=once)
    must(canonical(value) == data, "is not written canonically")
    if fields is not None:
        check(value, fields)
        must(value["format"] == 1, f"has format {value['format']}")
    return value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; WrongError for a key that is there twice."""
    found = dict(pairs)
    must(len(found) == len(pairs), "has a key twice")
    return found
