"""The id of a record that no records file gives one: the path of its file, which no other file's name can change."""

_CONTROL = r"'\p{Cc}'"


def path_id(path: str, path_b64: str = "NULL::VARCHAR") -> str:
    """Return the id of a path as SQL, NULL for a NULL path.

    path, path_b64: SQL of the path as text and, where that is approximate, of its exact bytes in base64, as
    model.CATALOGUE has them. The rule is in FORMAT.md, "The members table": the path as it is; with control
    characters or bytes that are not UTF-8, U+FFFD for each of these, "~", and the first 32 hex digits of the SHA-256
    of its bytes.
    """
    replaced = f"regexp_replace({path}, {_CONTROL}, chr(65533), 'g')"
    digest = f"left(sha256(coalesce(from_base64({path_b64}), encode({path}))), 32)"
    changed = f"{path_b64} IS NOT NULL OR regexp_matches({path}, {_CONTROL})"
    return f"CASE WHEN {changed} THEN concat({replaced}, '~', {digest}) ELSE {path} END"


def is_path_id(record: str, path: str, path_b64: str) -> str:
    """Return the SQL condition that an id is that of a path."""
    return f"({record} = {path} OR (contains({record}, '~') AND {record} = {path_id(path, path_b64)}))"
