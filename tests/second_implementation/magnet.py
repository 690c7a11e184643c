"""Magnet links (section 11)."""

from typing import Any

from tests.second_implementation.torrent import Kept

PLAIN = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quoted(text: str, also: bytes = b"") -> str:
    """Return a text percent-encoded."""
    return "".join(chr(byte) if byte in PLAIN or byte in also else f"%{byte:02X}" for byte in text.encode())


def magnet(v1: str | None, v2: str | None, shard: dict[str, Any], parts: Kept) -> str:
    """Return a shard's magnet from its listed facts and the trackers and web seeds of its torrent."""
    fields = [f"xt=urn:btih:{v1}"] * (v1 is not None) + [f"xt=urn:btmh:1220{v2}"] * (v2 is not None)
    fields += [f"dn={quoted(shard['file'])}", f"xl={shard['size']}"]
    fields += [f"tr={quoted(url)}" for tier in parts.tiers for url in tier]
    fields += [f"ws={quoted(url)}" for url in addresses(shard, parts)]
    return "magnet:?" + "&".join(fields)


def addresses(shard: dict[str, Any], parts: Kept) -> list[str]:
    """Return the addresses of a shard at its web seeds: of the tar itself, or of a folder's parent (BEP 19)."""
    if shard.get("container", "tar") == "folder":
        return list(parts.web_seeds)
    return [url + shard["file"] if url.endswith("/") else url for url in parts.web_seeds]


def values(link: str, key: str) -> list[str]:
    """Return the decoded values of one key of a magnet link."""
    pairs = (field.partition("=") for field in link.removeprefix("magnet:?").split("&"))
    return [unquoted(value) for name, _, value in pairs if name == key]


def unquoted(text: str) -> str:
    """Return a percent-encoded text decoded."""
    out, raw, at = bytearray(), text.encode(), 0
    while at < len(raw):
        if raw[at : at + 1] == b"%":
            out.append(int(raw[at + 1 : at + 3], 16))
            at += 3
        else:
            out.append(raw[at])
            at += 1
    return out.decode()
