"""Rules for values of fields, and texts of fields that several types share."""

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
    "title": "The title for people.",
    "records": "Records in the phase.",
    "files": "Members of its shards.",
    "payload": "Bytes of those files.",
    "content": "The records' files, or the catalogue itself.",
}

STATE = "published, next (the first phase that is not published) or planned."

# Fields of a shard in both a manifest and a release.
SHARD_FACTS: dict[str, FieldText] = {
    "name": ("The shard's name: COLLECTION-PHASE-NNNNN.", SHARD),
    "phase": ("The phase's name.", SLUG),
    "number": ("The shard's number in its phase.", ONE_UP),
    "file": ("The name of the tar or folder, which is the torrent's name.", TAR),
    "size": ("Bytes of the tar, or of all files of the folder.", ONE_UP),
    "payload": "Bytes of its members.",
    "members": ("Its members.", ONE_UP),
    "piece_length": ("Bytes of a piece, a power of two.", PIECE),
    "pieces_root": ("Pieces root of the tar (BEP 52); null in a v1-only release, and for a folder.", HEX64),
    "infohash_v1": ("Infohash of BEP 3; null in a v2-only release.", HEX40),
    "infohash_v2": ("Infohash of BEP 52; null in a v1-only release.", HEX64),
    "twin_infohash": ("Infohash of the extra v1-only torrent; left out if there is none.", HEX40),
    "sha256": ("SHA-256 of the tar; left out unless shards.tar_sha256 is set.", HEX64),
}
