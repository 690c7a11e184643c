"""Stores of files that are met by an address: s3://, sftp:// and file://, each behind one door.

A caller gets complete, right bytes, or an error: what fails for now is tried again, for a while; a range that was
cut goes on where it ended, and only while the file is the same one. A file that is written is not there before
all of it is.
"""

from functools import lru_cache
from pathlib import Path

from packager.core.config.store_url import StoreUrl, is_store_url, parse_store_url
from packager.engine.stores.base import Place, Store


def open_store(address: StoreUrl) -> Store:
    """Return the store at an address; nothing is asked of it yet.

    Raises InputError if the library that it needs is not installed.
    """
    if address.scheme == "s3":
        from packager.engine.stores.s3 import S3Store  # an extra, and slow to import

        return S3Store(address)
    if address.scheme == "sftp":
        from packager.engine.stores.sftp import SftpStore  # an extra, and slow to import

        return SftpStore(address)
    from packager.engine.stores.folder import FolderStore

    return FolderStore(address)


store_at = lru_cache(maxsize=8)(open_store)  # a process's connections


def parse_location(written: str | Path, where: str) -> Place:
    """Return the path or the address that is meant; file:// is a path. where: what messages call it.

    Raises InputError for an address that will not do.
    """
    if isinstance(written, Path) or not is_store_url(written):
        return Path(written)
    address = parse_store_url(written, where)
    return Path(address.path) if address.scheme == "file" else address
