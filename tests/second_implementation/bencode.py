"""Bencoding, both ways (BEP 3; section 10). Strings are bytes; keys are raw bytes, sorted, each once."""

from typing import Any

from tests.second_implementation.problems import WrongError, must


def encode(value: Any) -> bytes:
    """Return a value bencoded. Texts are UTF-8."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, list | tuple):
        return b"l" + b"".join(map(encode, value)) + b"e"
    if isinstance(value, dict):
        raw = {k if isinstance(k, bytes) else k.encode(): v for k, v in value.items()}
        return b"d" + b"".join(encode(k) + encode(raw[k]) for k in sorted(raw)) + b"e"
    text = value if isinstance(value, bytes) else value.encode()
    return b"%d:%s" % (len(text), text)


def decode(data: bytes) -> Any:
    """Return what was bencoded; WrongError unless it is canonical and nothing follows it."""
    value, end = _value(data, 0)
    must(end == len(data), f"{len(data) - end} bytes follow the bencoded value")
    must(encode(value) == data, "the bencoding is not canonical")
    return value


def info_bytes(data: bytes) -> bytes:
    """Return the bytes of the info dictionary of a .torrent, as they are in it."""
    at = 1
    while data[at : at + 1] != b"e":
        key, start = _value(data, at)
        _, at = _value(data, start)
        if key == b"info":
            return data[start:at]
    raise WrongError("the torrent has no info dictionary")


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """Return the value that begins at `at`, and where it ends."""
    first = data[at : at + 1]
    if first == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if first == b"l":
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _value(data, at)
            items.append(item)
        return items, at + 1
    if first == b"d":
        found, at = {}, at + 1
        while data[at : at + 1] != b"e":
            key, at = _value(data, at)
            found[key], at = _value(data, at)
        return found, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    must(end <= len(data), "a bencoded string ends after the file")
    return data[colon + 1 : end], end
