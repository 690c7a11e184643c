"""How fast this machine is, measured in a moment."""

import time

from packager.engine.files.direct_writer import BUFFER, Discard
from packager.engine.hashing.hashing_writer import HashingWriter
from packager.engine.hashing.tar_hasher import open_tar_hasher


def hash_rate(*, v1: bool, v2: bool, flat: bool, seconds: float = 0.5) -> float:
    """Return the bytes a second that one core hashes as a pass over a shard does, its members' SHA-256 too.

    Takes a little more than `seconds`. No disk is read or written: it may be the slower of the two.
    """
    began, size = time.monotonic(), 0
    with HashingWriter(open_tar_hasher(1 << 50, 4 << 20, v1=v1, v2=v2, flat=flat), Discard(), lambda _: None) as stream:
        stream.begin_member()
        while (spent := time.monotonic() - began) < seconds:
            stream.filled(len(stream.space(BUFFER)))
            size += BUFFER
    return size / spent
