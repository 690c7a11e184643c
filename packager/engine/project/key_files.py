"""Key files of minisign's format: made once and never overwritten, read with their rights looked at."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from packager.core.releases import minisign_signature
from packager.core.releases.minisign_key import KEY_LIMIT, PublicKey, ScryptParameters, SecretKey
from packager.engine.files.atomic_files import fsync_folder, make_folder
from packager.engine.files.regular_file import RegularFile
from packager.errors import InputError, from_os_error
from packager.paths import display_text
from packager.progress import SILENT, Progress

RANDOM = 72  # bytes that a new key pair is made of: key id 8, seed 32, salt 32
_INLINE = re.compile(r"RW[A-Za-z0-9+/]{54}")  # a public key as one line: "Ed" in base64, and the rest


def write_key_pair(secret_path: Path, public_path: Path, *, password: str | None, random: bytes) -> PublicKey:
    """Make a key pair's two files, durably, and return its public key.

    password: None for a secret key that none covers. random: RANDOM bytes from the system's generator.
    The secret key file has mode 0600. Takes some seconds and 1 GiB of memory where there is a password.
    Raises InputError if either file is there already (neither is touched) or the password cannot be
    one, IncompleteError where the system refuses to write; then neither file is left behind.
    """
    if len(random) != RANDOM:
        raise ValueError(f"a key pair is made of {RANDOM} random bytes, not {len(random)}")
    for path in (secret_path, public_path):
        if os.path.lexists(path):
            raise _exists(path)
    secret = SecretKey(random[:8], random[8:40])
    text = secret.text if password is None else secret.protected(password, ScryptParameters(random[40:]))
    _create(secret_path, text, 0o600)
    try:
        _create(public_path, secret.public.text, 0o644)
    except BaseException:
        secret_path.unlink(missing_ok=True)
        raise
    return secret.public


def read_secret(path: Path, password: Callable[[], str], *, progress: Progress = SILENT) -> SecretKey:
    """Return the key of a secret key file; `password` is called only where one covers it.

    Raises InputError: no such file, not a secret key, wrong password, or a file that others may write
    to, since it may no longer be the user's key. One that others may only read is noted and used.
    """
    return SecretKey.parse(_read_guarded(path, progress), password, _name(path))


def _read_guarded(path: Path, progress: Progress) -> str:
    """Return the text of a secret key file; note that others may read it. Raises InputError if they may write."""
    text, mode = _read(path, "make one with: packager keygen")
    if mode & 0o022:
        raise InputError(_name(path), "others may write to this secret key", f"chmod 600 {_name(path)}")
    if mode & 0o044:
        progress.note(f"{_name(path)}: others may read this secret key; chmod 600 {_name(path)}")
    return text


def read_public(source: Path | str) -> PublicKey:
    """Return a public key: a Path is its file; a str is its one line, its file's text or its file's path.

    Raises InputError if it is none of them.
    """
    if isinstance(source, str):
        if _INLINE.fullmatch(source.strip()) or "\n" in source:
            return PublicKey.parse(source)
        source = Path(source)
    text, _ = _read(source, "give the publisher's .pub file, or its line that begins with RW")
    return PublicKey.parse(text, _name(source))


def _create(path: Path, text: str, mode: int) -> None:
    """Make a file that is not there, durably; one that cannot be finished is removed again."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise from_os_error(error, _name(path)) from error
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode("ascii"))
            file.flush()
            os.fsync(descriptor)
        fsync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise from_os_error(error, _name(path)) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _read(path: Path, fix: str) -> tuple[str, int]:
    """Return a small regular file's text and mode. Raises InputError."""
    try:
        with RegularFile(os.fsencode(path), follow_links=True) as file:
            data = b"".join(file.chunks(0, min(file.size, KEY_LIMIT + 1)))
            return data.decode("utf-8", "replace"), os.fstat(file.descriptor).st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        what = error.strerror if isinstance(error, OSError) else None
        raise InputError(_name(path), f"this key file cannot be read ({what or error})", fix) from error


def _exists(path: Path) -> InputError:
    """Return the error of a file that would be overwritten."""
    return InputError(_name(path), "already exists, and a key is never overwritten", "give another path, or move it")


def _name(path: Path) -> str:
    """Return a path as messages show it."""
    return display_text(str(path))


class Signer:
    """A secret key file that signs; it is opened, and its password asked for, at the first signature or check."""

    def __init__(self, path: Path, password: Callable[[], str] | None, *, progress: Progress = SILENT) -> None:
        """Sign with the key of `path`, which is not read yet. password: None if nothing will be signed."""
        self._path, self._password, self._progress = path, password, progress
        self._secret: SecretKey | None = None

    def check(self) -> None:
        """Open the key, and ask for its password if this is to sign. Raises InputError as read_secret does."""
        if self._password is None:
            text = _read_guarded(self._path, self._progress)
            SecretKey.check(text, _name(self._path))
        else:
            self._opened()

    @property
    def mark(self) -> str:
        """What tells this key file from another: the SHA-256 of its bytes, in hex. Needs no password."""
        text, _ = _read(self._path, "make one with: packager keygen")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def public(self) -> PublicKey:
        """The public half. Asks for the password where it was not asked for yet."""
        return self._opened().public

    def sign(self, data: bytes, trusted_comment: str) -> bytes:
        """Return the .minisig of `data`. Raises InputError as read_secret does."""
        return minisign_signature.sign(data, self._opened(), trusted_comment)

    def _opened(self) -> SecretKey:
        """Return the secret key, opened once."""
        if self._secret is None:
            assert self._password is not None, "this signs nothing"
            self._secret = read_secret(self._path, self._password, progress=self._progress)
        return self._secret
