"""The headers of a shard's tar, byte by byte (section 3)."""

BLOCK = 512
END = bytes(2 * BLOCK)
LARGE = 8 << 30  # bytes from which the size is in a pax record


def padded(data: bytes) -> bytes:
    """Return data and zeros up to the next multiple of 512."""
    return data + padding(len(data))


def padding(size: int) -> bytes:
    """Return the zeros that follow `size` bytes."""
    return bytes(-size % BLOCK)


def header(path: str, size: int) -> bytes:
    """Return all header blocks of one regular file."""
    prefix, name = split(path)
    records = b""
    if name is None:
        records += pax_record("path", path)
        name = "".join(c if c.isascii() else "_" for c in path)[-100:].lstrip("/")
    if size >= LARGE:
        records += pax_record("size", str(size))
    block = header_block(name, 0 if size >= LARGE else size, b"0", prefix)
    if not records:
        return block
    pax = header_block("PaxHeaders/" + name[-89:].replace("/", "_"), len(records), b"x", "")
    return pax + padded(records) + block


def split(path: str) -> tuple[str, str | None]:
    """Return prefix and name by rules 1 and 2; the name is None where rule 3 applies."""
    if path.isascii() and len(path) <= 100:
        return "", path
    if path.isascii():
        cut = path.find("/", len(path) - 101)
        if 1 <= cut <= 155 and cut != len(path) - 1:
            return path[:cut], path[cut + 1 :]
    return "", None


def pax_record(key: str, value: str) -> bytes:
    """Return one pax record; its length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = next(n for n in range(len(rest), len(rest) + 20) if n == len(rest) + len(str(n)))
    return str(length).encode() + rest


def header_block(name: str, size: int, typeflag: bytes, prefix: str) -> bytes:
    """Return one block of 512 bytes; every field is put at its offset."""
    block = bytearray(BLOCK)
    for offset, content in (
        (0, name.encode("ascii")),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, b"%011o\0" % size),
        (136, b"02263523000\0"),
        (148, b" " * 8),
        (156, typeflag),
        (257, b"ustar\0"),
        (263, b"00"),
        (329, b"0000000\0"),
        (337, b"0000000\0"),
        (345, prefix.encode("ascii")),
    ):
        block[offset : offset + len(content)] = content
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
