"""The list of files in a stranger's info dictionary: BEP 3's, BEP 52's or a hybrid's two, checked. Pure.

A path that could leave its folder, or that two files share, is refused; so are symbolic links (BEP 47).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from packager.core.bittorrent.bencode import Dictionary, Value, get_dictionary, get_integer, get_list, get_string
from packager.core.bittorrent.build_torrent import V2_DIGEST
from packager.errors import InputError
from packager.model import TorrentVersion
from packager.paths import NAME_MAX, display_text

TOTAL = 1 << 60  # bytes of all files, which stay below it
PATH_DEPTH = 100  # names in a path


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a torrent. `path`: names below the folder that a client saves to, the torrent's own first.

    A name that is not UTF-8 holds its bytes as os.fsencode takes them. length: bytes. offset: of its first
    byte in the stream of pieces; in a v2 torrent each file begins a piece. pieces_root: 32 bytes, None in
    v1 and for an empty file. pad: zero bytes that fill a piece and are not on disk (BEP 47).
    """

    path: tuple[str, ...]
    length: int
    offset: int
    pieces_root: bytes | None = None
    pad: bool = False


def parse_file_list(
    info: Dictionary, version: TorrentVersion, piece_length: int, where: object, remarks: list[str]
) -> tuple[ListedFile, ...]:
    """Return the files in their order; a hybrid's two lists must say the same. remarks: takes what was ignored."""
    if version == "v1":
        files = list(_v1_files(info, where, remarks))
    elif version == "v2":
        files = list(_v2_files(info, piece_length, where, remarks))
    else:
        v1, v2 = _v1_files(info, where, remarks), _v2_files(info, piece_length, where, remarks)
        files = _merged(list(v1), list(v2), piece_length, where)
    if not files:
        raise InputError(where, "lists no file")
    if files[-1].offset + files[-1].length >= TOTAL:
        raise InputError(where, f"its files hold {files[-1].offset + files[-1].length} bytes, 1 EiB or more")
    _check_paths(files, where)
    return tuple(files)


def _component(raw: Value, where: object) -> str:
    """Return one name of a path, safe to join to a folder."""
    if not isinstance(raw, bytes):
        raise InputError(where, "a path holds something that is not a string")
    if raw in (b"", b".", b"..") or b"/" in raw or b"\0" in raw or len(raw) > NAME_MAX:
        raise InputError(where, f'"{display_text(raw)}" cannot be the name of a file or folder')
    return raw.decode("utf-8", "surrogateescape")


def _in_utf8(fields: Dictionary, key: str, kind: type, remarks: list[str]) -> str:
    """Return the key under which old v1 torrents give a name once more in UTF-8, or `key` if they do not."""
    again = f"{key}.utf-8"
    value = fields.get(again.encode())
    if isinstance(value, kind):
        return again
    if value is not None:
        remarks.append(f'"{again}" is of the wrong type, and is ignored')
    return key


def torrent_name(info: Dictionary, where: object, remarks: list[str]) -> str:
    """Return the torrent's name."""
    return _component(get_string(info, _in_utf8(info, "name", bytes, remarks), where), where)


def _v1_files(info: Dictionary, where: object, remarks: list[str]) -> Iterator[ListedFile]:
    """Yield the files of BEP 3's "length" or "files", each beginning where the one before ends."""
    name = torrent_name(info, where, remarks)
    if b"files" not in info:
        _attributes(info, where, remarks)
        yield ListedFile((name,), get_integer(info, "length", where), 0)
        return
    if b"length" in info:
        raise InputError(where, '"info" has both "length" and "files"')
    offset = 0
    for entry in get_list(info, "files", where):
        if not isinstance(entry, dict):
            raise InputError(where, '"files" holds something that is not a dictionary')
        pad = b"p" in _attributes(entry, where, remarks)
        length = get_integer(entry, "length", where)
        unnamed = pad and b"path" not in entry  # libtorrent names it by its length
        names = [b".pad", b"%d" % length] if unnamed else get_list(entry, _in_utf8(entry, "path", list, remarks), where)
        if not 1 <= len(names) <= PATH_DEPTH:
            raise InputError(where, f"a path of {len(names)} names, not from 1 to {PATH_DEPTH}")
        yield ListedFile((name, *(_component(raw, where) for raw in names)), length, offset, pad=pad)
        offset += length


def _attributes(entry: Dictionary, where: object, remarks: list[str]) -> bytes:
    """Return a file's attributes (BEP 47), a letter each; a symbolic link is refused."""
    attributes = entry.get(b"attr", b"")
    if not isinstance(attributes, bytes):
        remarks.append('"attr" is not a string, and is ignored')
        return b""
    if b"l" in attributes:
        raise InputError(where, "holds a symbolic link, which may lead out of its folder")
    return attributes


def _v2_files(info: Dictionary, piece_length: int, where: object, remarks: list[str]) -> Iterator[ListedFile]:
    """Yield the files of BEP 52's "file tree" in its order, each at the beginning of a piece."""
    tree = get_dictionary(info, "file tree", where)
    top = next(iter(tree.values()), None)
    single = len(tree) == 1 and isinstance(top, dict) and b"" in top and b"files" not in info
    offset = 0
    for path, leaf in _leaves(tree, () if single else (torrent_name(info, where, remarks),), where):
        length = get_integer(leaf, "length", where)
        root = get_string(leaf, "pieces root", where) if length else None
        if root is not None and len(root) != V2_DIGEST:
            raise InputError(where, f'a "pieces root" has {len(root)} bytes, not {V2_DIGEST}')
        if root is not None and not any(root):
            raise InputError(where, f'the pieces root of "{display_text("/".join(path))}" is all zeros')
        if b"p" in _attributes(leaf, where, remarks):
            raise InputError(where, '"file tree" holds a pad file')
        yield ListedFile(path, length, offset, root)
        offset += -(-length // piece_length) * piece_length


def _leaves(tree: Dictionary, path: tuple[str, ...], where: object) -> Iterator[tuple[tuple[str, ...], Dictionary]]:
    """Yield (path, properties) of each file below a folder; its depth is bounded by the decoder's."""
    for key, node in tree.items():
        inner = (*path, _component(key, where))
        if not isinstance(node, dict):
            raise InputError(where, '"file tree" holds something that is not a dictionary')
        if b"" not in node:
            yield from _leaves(node, inner, where)
        elif len(node) > 1:
            raise InputError(where, f'"{display_text("/".join(inner))}" is both a file and a folder')
        else:
            yield inner, get_dictionary(node, "", where)


def _merged(v1: list[ListedFile], v2: list[ListedFile], piece_length: int, where: object) -> list[ListedFile]:
    """Return a hybrid's v1 files with their pieces roots; both lists must name the same files, aligned (BEP 52)."""
    roots = iter(v2)
    merged = []
    for file in v1:
        if file.pad:
            merged.append(file)
            continue
        twin = next(roots, None)
        if twin is None or (twin.path, twin.length) != (file.path, file.length):
            raise InputError(where, f'its v1 and v2 lists differ at "{display_text("/".join(file.path))}"')
        if file.length and file.offset % piece_length:
            raise InputError(
                where, f'"{display_text("/".join(file.path))}" does not begin a piece, as a hybrid\'s file must'
            )
        merged.append(replace(file, pieces_root=twin.pieces_root))
    extra = next(roots, None)
    if extra is not None:
        raise InputError(where, f'its v1 list lacks "{display_text("/".join(extra.path))}", which its v2 list has')
    return merged


def _check_paths(files: list[ListedFile], where: object) -> None:
    """Refuse two files of one path, and a path that is a file and a folder. Pad files may share theirs."""
    paths: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for file in files:
        if file.pad:
            continue
        if file.path in paths:
            raise InputError(where, f'lists "{display_text("/".join(file.path))}" twice')
        paths.add(file.path)
        for depth in range(len(file.path) - 1, 0, -1):
            if file.path[:depth] in folders:
                break
            folders.add(file.path[:depth])
    if both := min(paths & folders, default=None):
        raise InputError(where, f'"{display_text("/".join(both))}" is both a file and a folder')
