"""Tars with one fault each, built block by block: nothing here asks the package how a tar is written."""

from hashlib import sha256

END = bytes(1024)


def number(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def block(
    name: bytes,
    size: int | bytes = 0,
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    prefix: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """A ustar header; `size` as bytes is put in as it is."""
    head = b"".join(
        (
            name.ljust(100, b"\0"),
            number(0o644, 8),
            number(0, 8) * 2,
            number(size, 12) if isinstance(size, int) else size,
            number(315532800, 12),
            b" " * 8,
            kind,
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            number(0, 8) * 2,
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return head[:148] + b"%06o\0 " % (sum(head) if checksum is None else checksum) + head[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def file(name: bytes, data: bytes = b"one\n") -> bytes:
    return block(name, len(data)) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def extended(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    return block(b"PaxHeaders/x", len(data) if size is None else size, kind) + padded(data)


def pax(key: bytes, value: bytes) -> bytes:
    return extended(b"x", record(key, value))


GOOD = file(b"a.txt")
SAID = sha256(b"one\n").hexdigest().encode()


def bag(*entries: bytes, lists: tuple[bytes, ...] = (b"data/a.txt",)) -> bytes:
    """A bag of a.txt and `entries`; `lists` are the paths in its manifest."""
    lines = b"".join(SAID + b"  " + path + b"\n" for path in lists)
    told = file(b"b/bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    return told + file(b"b/data/a.txt") + b"".join(entries) + file(b"b/manifest-sha256.txt", lines) + END


BAGS = {
    "bag-absolute-path.tar": bag(file(b"/etc/x.txt"), lists=(b"data/a.txt", b"/etc/x.txt")),
    "bag-backslash-climbs.tar": bag(file(b"b/data/..\\..\\x.txt")),
    "bag-cut-short.tar": bag(file(b"b/data/b.txt"))[:2600],
    "bag-device.tar": bag(block(b"b/data/null", 0, b"3")),
    "bag-digest-of-other-bytes.tar": bag(file(b"b/data/b.txt", b"two\n"), lists=(b"data/a.txt", b"data/b.txt")),
    "bag-doubled-member.tar": bag(file(b"b/data/a.txt", b"two\n")),
    "bag-escape-in-name.tar": bag(pax(b"path", b"b/data/\x1b[2J.txt") + file(b"x")),
    "bag-file-through-symlink.tar": bag(block(b"b/data/l", 0, b"2", link=b"/etc") + file(b"b/data/l/x.txt")),
    "bag-hard-link-out.tar": bag(block(b"b/data/h", 0, b"1", link=b"../../../etc/passwd")),
    "bag-member-not-in-manifest.tar": bag(file(b"b/data/b.txt")),
    "bag-manifest-climbs.tar": bag(lists=(b"data/a.txt", b"data/../../../etc/passwd")),
    "bag-manifest-lists-what-is-missing.tar": bag(lists=(b"data/a.txt", b"data/gone.txt")),
    "bag-nul-in-name.tar": bag(pax(b"path", b"b/data/a.txt\0.exe") + file(b"x")),
    "bag-parent-path.tar": bag(file(b"b/data/../../../x.txt")),
    "bag-pax-path-climbs.tar": bag(pax(b"path", b"b/data/../../../../x.txt") + file(b"x")),
}
MADE = BAGS | {
    "tar-absolute-path.tar": file(b"/etc/passwd") + END,
    "tar-backslash-climbs.tar": file(b"data\\..\\..\\x.dll") + END,
    "tar-bag-beside-another-folder.tar": file(b"bag/bagit.txt")
    + file(b"bag/manifest-sha256.txt", b"")
    + file(b"other/a.txt")
    + END,
    "tar-bag-without-manifest.tar": file(b"bag/bagit.txt") + file(b"bag/data/a.txt") + END,
    "tar-bidi-in-name.tar": pax(b"path", "gpj.\u202eexe.flac".encode()) + file(b"x") + END,
    "tar-case-twins.tar": file(b"Song.flac") + file(b"song.FLAC") + END,
    "tar-checksum-wrong.tar": GOOD + block(b"b.txt", 0, checksum=1) + END,
    "tar-cut-in-data.tar": block(b"a.txt", 4096) + bytes(1000),
    "tar-cut-in-header.tar": GOOD + block(b"b.txt")[:300],
    "tar-cut-in-pax-header.tar": block(b"PaxHeaders/x", 4096, b"x") + bytes(512),
    "tar-cut-where-zero-blocks-belong.tar": GOOD,
    "tar-device.tar": block(b"dev/sda", 0, b"4") + END,
    "tar-doubled-member.tar": GOOD + GOOD + END,
    "tar-drive-letter.tar": file(b"C:/x.txt") + END,
    "tar-escape-in-name.tar": pax(b"path", b"a\x1b[2J\x1b[31m.flac") + file(b"x") + END,
    "tar-fifo.tar": block(b"pipe", 0, b"6") + END,
    "tar-file-and-folder.tar": file(b"a") + file(b"a/b.txt") + END,
    "tar-file-through-symlink.tar": block(b"data", 0, b"2", link=b"/etc") + file(b"data/passwd") + END,
    "tar-folder-with-data.tar": block(b"folder/", 512, b"5") + bytes(512) + END,
    "tar-global-pax-path.tar": extended(b"g", record(b"path", b"../../x")) + GOOD + END,
    "tar-global-pax-size.tar": extended(b"g", record(b"size", b"1000000000000")) + GOOD + END,
    "tar-gnu-longlink-2gb.tar": block(b"././@LongLink", 2 << 30, b"K") + GOOD + END,
    "tar-gnu-longname-2gb.tar": block(b"././@LongLink", 2 << 30, b"L") + GOOD + END,
    "tar-gnu-longname-climbs.tar": extended(b"L", b"../" * 50 + b"x\0") + GOOD + END,
    "tar-gnu-sparse.tar": block(b"sparse", 512, b"S") + bytes(512) + END,
    "tar-hard-link-out.tar": block(b"a", 0, b"1", link=b"../../etc/passwd") + END,
    "tar-junk-after-end.tar": GOOD + END + b"MZ\x90 not part of the archive" + bytes(486),
    "tar-line-break-in-name.tar": pax(b"path", b"a\nsha256 of nothing  b.flac") + file(b"x") + END,
    "tar-name-empty.tar": file(b"") + END,
    "tar-name-not-utf8.tar": file(b"caf\xe9.flac") + END,
    "tar-name-over-255-bytes.tar": pax(b"path", b"n" * 300) + file(b"x") + END,
    "tar-normalisation-twins.tar": pax(b"path", "\u00e9.flac".encode())
    + file(b"x")
    + pax(b"path", "e\u0301.flac".encode())
    + file(b"x")
    + END,
    "tar-nul-in-pax-path.tar": pax(b"path", b"a.flac\0/../../etc/passwd") + file(b"x") + END,
    "tar-one-zero-block.tar": GOOD + bytes(512),
    "tar-one-zero-block-then-junk.tar": GOOD + bytes(512) + file(b"hidden.txt") + END,
    "tar-parent-path.tar": file(b"data/../../x") + END,
    "tar-pax-header-2gb.tar": extended(b"x", b"", 2 << 30) + GOOD + END,
    "tar-pax-length-lies.tar": extended(b"x", b"99 path=a\n") + GOOD + END,
    "tar-pax-length-zero.tar": extended(b"x", b"0 path=a\n") + GOOD + END,
    "tar-pax-path-climbs.tar": pax(b"path", b"../x") + GOOD + END,
    "tar-pax-size-differs.tar": pax(b"size", b"8") + file(b"a.txt", b"1234") + END,
    "tar-pax-size-negative.tar": pax(b"size", b"-512") + GOOD + END,
    "tar-pax-sparse.tar": pax(b"GNU.sparse.realsize", b"1000000000000") + GOOD + END,
    "tar-pax-without-entry.tar": GOOD + pax(b"path", b"b") + END,
    "tar-path-over-4096-bytes.tar": pax(b"path", b"deep/" * 1000 + b"x") + file(b"x") + END,
    "tar-size-base256-huge.tar": block(b"a", b"\x80" + b"\xff" * 11) + END,
    "tar-size-base256-negative.tar": block(b"a", b"\xff" * 12) + END,
    "tar-size-beyond-the-end.tar": block(b"a", b"77777777777\0") + bytes(512) + END,
    "tar-size-not-octal.tar": block(b"a", b"0000000019x\0") + END,
    "tar-symlink-out.tar": block(b"a", 0, b"2", link=b"../../../home") + END,
    "tar-trailing-dot.tar": file(b"notes.") + END,
    "tar-unknown-type.tar": block(b"a", 0, b"Z") + END,
    "tar-windows-reserved.tar": file(b"data/CON") + file(b"aux.flac") + END,
}
