"""Stores of files that are met by an address: s3://, sftp:// and file://, each behind one door.

Whoever asks gets whole, right bytes, or an error: what fails for now is tried again, for a while; a range that was
cut goes on where it ended, and only while the file is the same one. A file that is written is not there before
all of it is.
"""

from packager.engine.stores.base import Store
from packager.store_address import StoreAddress


def open_store(address: StoreAddress) -> Store:
    """Return the store at an address; nothing is asked of it yet.

    Raises InputError where the library that it needs is not installed.
    """
    if address.scheme == "s3":
        from packager.engine.stores.s3 import S3Store  # an extra, and slow to import

        return S3Store(address)
    if address.scheme == "sftp":
        from packager.engine.stores.sftp import SftpStore  # an extra, and slow to import

        return SftpStore(address)
    from packager.engine.stores.folder import FolderStore

    return FolderStore(address)
