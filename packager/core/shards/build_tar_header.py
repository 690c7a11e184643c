"""POSIX ustar headers, with a pax extended header only where a field does not fit (IEEE Std 1003.1, pax).

Deterministic: uid = gid = 0, no names, mode 0644, one fixed time. Nothing here reads or writes a file.
"""

from packager.units import GIB

BLOCK = 512
MTIME = 315532800  # 1980-01-01T00:00:00Z: GNU tar warns of older times
END = bytes(2 * BLOCK)  # POSIX: two zero blocks end the archive; no more, so that the size is known
_USTAR_SIZE = 8 * GIB  # eleven octal digits
_NAME, _PREFIX = 100, 155


def padding(size: int) -> int:
    """Return the zero bytes that follow `size` bytes of data."""
    return -size % BLOCK


def build_tar_header(path: str, size: int) -> bytes:
    """Return the header block(s) of a regular file of `size` bytes.

    One block of 512 bytes where the path is ASCII and fits ustar's name and prefix and the size is
    below 8 GiB; otherwise a pax extended header (typeflag x, its records, padding) and then the block.
    """
    prefix, name = _split(path)
    records = b""
    if name is None:
        records += _record("path", path)
        prefix, name = "", _ascii(path)[-_NAME:].lstrip("/")
    if size >= _USTAR_SIZE:
        records += _record("size", str(size))
    block = _block(prefix, name, 0 if size >= _USTAR_SIZE else size, b"0")
    if not records:
        return block
    pax = _block("", "PaxHeaders/" + name[-(_NAME - 11) :].replace("/", "_"), len(records), b"x")
    return pax + records + bytes(padding(len(records))) + block


def header_size(path: str, size: int) -> int:
    """Return len(header(path, size)) without making it."""
    records = 0
    if len(path) > _NAME or not path.isascii():
        records += 0 if _split(path)[1] is not None else len(_record("path", path))
    if size >= _USTAR_SIZE:
        records += len(_record("size", str(size)))
    return BLOCK + (BLOCK + records + padding(records) if records else 0)


def _split(path: str) -> tuple[str, str | None]:
    """Return ustar's (prefix, name); name is None if the path does not fit or is not ASCII."""
    if not path.isascii():
        return "", None
    if len(path) <= _NAME:
        return "", path
    cut = path.find("/", len(path) - _NAME - 1)
    if cut <= 0 or cut > _PREFIX or cut == len(path) - 1:
        return "", None
    return path[:cut], path[cut + 1 :]


def _ascii(path: str) -> str:
    """Return the path with "_" for what is not ASCII: what a reader without pax sees."""
    return "".join(c if c.isascii() else "_" for c in path)


def _record(key: str, value: str) -> bytes:
    r"""Return one pax record, "LENGTH KEY=VALUE\n", whose length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


_OWNER = b"0000644\0" + b"0000000\0" * 2  # mode, uid, gid
_TIME = b"%011o\0" % MTIME
_OTHERS = b"ustar\0" + b"00" + bytes(64) + b"0000000\0" * 2  # magic, version, uname, gname, devmajor, devminor
_FIXED = sum(_OWNER) + sum(_TIME) + sum(b" " * 8) + sum(_OTHERS)  # the checksum counts itself as spaces


def _block(prefix: str, name: str, size: int, typeflag: bytes) -> bytes:
    """Return one 512-byte ustar header block with its checksum."""
    first, octal, last = name.encode("ascii"), b"%011o\0" % size, prefix.encode("ascii")
    checksum = _FIXED + sum(first) + sum(octal) + typeflag[0] + sum(last)
    return b"".join(
        (
            first.ljust(_NAME, b"\0"),
            _OWNER,
            octal,
            _TIME,
            b"%06o\0 " % checksum,
            typeflag,
            bytes(100),  # linkname
            _OTHERS,
            last.ljust(_PREFIX + 12, b"\0"),
        )
    )
