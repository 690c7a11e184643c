"""What several texts of fields share: the values that a field can have, and facts that several types have."""

from typing import Any, TypeAlias

Rule: TypeAlias = dict[str, Any]
FieldText: TypeAlias = str | tuple[str, Rule]  # the meaning of a field, and perhaps the rule of its values
TypeTexts: TypeAlias = dict[str, dict[str, FieldText]]  # by type and field

HEX64 = {"pattern": "^[0-9a-f]{64}$"}
HEX40 = {"pattern": "^[0-9a-f]{40}$"}
DATE = {"pattern": "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z$"}
SLUG = {"pattern": "^[a-z0-9][a-z0-9._-]{0,31}$"}
SHARD = {"pattern": "^[a-z0-9][a-z0-9._-]*-[0-9]{5}$"}
TAR = {"pattern": "^[a-z0-9][a-z0-9._-]*-[0-9]{5}(\\.tar)?$"}
MAGNET = {"pattern": "^magnet:\\?xt=urn:bt(ih:[0-9a-f]{40}|mh:1220[0-9a-f]{64})&"}
SITE_PATH = {"pattern": "^[a-z]+/[^/]+$"}
KEY = {"pattern": "^RW[A-Za-z0-9+/]{54}$"}  # "Ed", 8-byte key id, 32-byte key
ONE_UP = {"minimum": 1}
PIECE = {"minimum": 16384}
FORMAT = {"const": 1}

PHASE_FACTS: dict[str, FieldText] = {
    "name": ("The phase's name.", SLUG),
    "title": "What people read.",
    "records": "Records that the phase holds.",
    "files": "Members of its shards.",
    "payload": "Bytes of those files.",
    "content": "The records' files, or the catalogue itself.",
}

STATE = "published; of the others the first is next, the rest planned."

# What both a manifest and a release's list of shards say of a shard.
SHARD_FACTS: dict[str, FieldText] = {
    "name": ("The shard's name: COLLECTION-PHASE-NNNNN.", SHARD),
    "phase": ("The phase's name.", SLUG),
    "number": ("The shard's number in its phase.", ONE_UP),
    "file": ("The name of the tar or folder, which is the torrent's name.", TAR),
    "size": ("Bytes of the tar, or of all files of the folder.", ONE_UP),
    "payload": "Bytes of its members.",
    "members": ("Its members.", ONE_UP),
    "piece_length": ("Bytes of a piece, a power of two.", PIECE),
    "pieces_root": ("Pieces root of the tar (BEP 52); null in a v1-only release, and of a folder.", HEX64),
    "infohash_v1": ("Infohash of BEP 3; null in a v2-only release.", HEX40),
    "infohash_v2": ("Infohash of BEP 52; null in a v1-only release.", HEX64),
    "twin_infohash": ("Infohash of the extra v1-only torrent; left out where there is none.", HEX40),
    "sha256": ("SHA-256 of the whole tar; left out where it was not asked for.", HEX64),
}
