"""Which piece length a torrent gets, and why. A power of two; no file is read."""

from collections.abc import Sequence

from packager.core.bittorrent.merkle import BLOCK
from packager.model import TorrentVersion
from packager.units import KIB, MIB

SMALLEST = 256 * KIB  # bytes of a piece; smaller ones gain nothing where a member is some megabytes
LARGEST = 16 * MIB  # some clients refuse more
WANTED = MIB  # bytes of a .torrent that is quick to fetch and to load
LOADABLE = 10_000_000  # bytes of a .torrent that libtorrent loads at all
ALLOWANCE = 64 * KIB  # bytes of a .torrent for name, trackers and web seeds
DIGESTS: dict[TorrentVersion, int] = {
    "v1": 20,
    "v2": 32,
    "hybrid": 52,
}  # bytes of a .torrent a piece (BEP 3, BEP 52)


def choose_piece_length(size: int, version: TorrentVersion) -> int:
    """Return the bytes of a piece for a file of `size` bytes.

    The smallest power of two from 256 KiB to 16 MiB whose .torrent stays under 1 MiB; 16 MiB where
    none does, and more only where the .torrent would be larger than the 10,000,000 bytes that clients load.
    A v1-only twin (torrents.also_v1) is never larger, so it needs no asking.
    """
    digests = DIGESTS[version]
    length = SMALLEST
    while (torrent := -(-size // length) * digests + ALLOWANCE) > LOADABLE or (torrent > WANTED and length < LARGEST):
        length *= 2
    return length


def piece_length_of_files(sizes: Sequence[int], version: TorrentVersion) -> int:
    """Return the bytes of a piece for a torrent of files of these sizes.

    For one file, and in v1, where files touch, as `choose_piece_length` has it. Where each file begins a piece,
    longer pieces only spare those that a file has beyond its first, so those alone are counted; and where files
    have less than 256 KiB on the average, pieces begin as small, down to 16 KiB, so that v1 clients are not given
    more zeros than bytes.
    """
    total = sum(sizes)
    if version == "v1" or len(sizes) == 1:
        return choose_piece_length(total, version)
    digests = DIGESTS[version]
    length = min(SMALLEST, max(BLOCK, 1 << (max(1, total // len(sizes)) - 1).bit_length()))
    while length < LARGEST:
        beyond = sum(-(-size // length) - 1 for size in sizes if size)
        if beyond * digests + ALLOWANCE <= WANTED:
            break
        length *= 2
    return length
