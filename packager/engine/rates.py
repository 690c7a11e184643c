"""How fast this machine is, measured in a moment."""

import mmap
import os
import time
from hashlib import sha256

from packager.engine.hashing import OnePass
from packager.engine.writer import BUFFER


def hash_rate(*, v1: bool, v2: bool, flat: bool, seconds: float = 0.5) -> float:
    """Return the bytes a second that one core hashes as a pass over a shard does, its members' SHA-256 too.

    Takes a little more than `seconds`. No disk is read or written: it may be the slower of the two.
    """
    data = memoryview(mmap.mmap(-1, BUFFER))
    data[:] = os.urandom(BUFFER)
    hashes, member = OnePass(1 << 50, 4 << 20, v1=v1, v2=v2, flat=flat), sha256()
    began, size = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        member.update(data)
        hashes.update(data)
        size += BUFFER
    return size / spent
