"""The state of a mirror, in DIR/.packager-mirror. At any time a file is either complete or absent.

mirror.json             what of the releases may never change, the shards chosen and by which settings: written last
mirror.json.sha256      digests of the last mirror.json and the one before it
verified.json           when each tar was verified, and its uploaded bytes: a cache, rebuilt if it is damaged
release/                release.json, its signature, the chosen shards' documents, as published
release/releases/       SERIAL.json of the release in mirror.json

The settings are beside it, in DIR/mirror.toml.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from packager.core.releases import documents
from packager.core.releases.kept_entries import FollowedState
from packager.core.releases.minisign_signature import LIMIT, describe
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.published.accept_release import MINISIG, release_evidence
from packager.engine.published.open_release import TrustedRelease
from packager.engine.published.release_reader import RELEASE, parse_release_location
from packager.errors import InputError, PackagerError, TrustError, from_os_error
from packager.mirror.mirror_settings import FILE, Settings, parse_mirror_settings
from packager.mirror.mirror_toml import change_mirror_toml, new_mirror_toml
from packager.model import FrozenStruct, PublishedFile, Release, ShardName, Uint63
from packager.paths import display_text

STATE = ".packager-mirror"
_DIGESTS = "mirror.json.sha256"
LIVE_SECONDS = 10  # between two updates of live.json


class ChosenShard(FrozenStruct, frozen=True, kw_only=True):
    """A chosen shard, why, and since when."""

    name: ShardName
    why: str
    since: str


class MirrorState(FrozenStruct, frozen=True, kw_only=True):
    """mirror.json. settings: those of the last run; mirror.toml has those of the next one."""

    format: Uint63
    type: Literal["mirror"]
    settings: Settings
    followed: FollowedState
    chosen: tuple[ChosenShard, ...]
    dropped: tuple[ShardName, ...] = ()  # chosen before but not now; their tars here belong to this mirror


class VerifiedTar(FrozenStruct, frozen=True, kw_only=True):
    """When a tar was verified in full, with its size and time then. If these change, the proof is void.

    uploaded: bytes of it that were sent to peers in all runs. bad: faults that were found in it then.
    """

    verified: str | None = None
    size: Uint63 = 0
    mtime_ns: int = 0
    uploaded: Uint63 = 0
    bad: Uint63 = 0


class VerifiedTars(FrozenStruct, frozen=True, kw_only=True):
    """verified.json."""

    format: Uint63
    type: Literal["verified"]
    shards: dict[ShardName, VerifiedTar]


class RunState(FrozenStruct, frozen=True, kw_only=True):
    """live.json: the state of the built-in client's torrents a few seconds ago. port: for peers."""

    format: Uint63
    type: Literal["live"]
    at: float  # Unix seconds
    shards: dict[ShardName, tuple[float, bool, int]]  # share, seeding, peers


class MirrorFolder:
    """A mirror's folder: it contains the tars and the state folder."""

    def __init__(self, folder: Path) -> None:
        """Set the paths; nothing is read or created."""
        self.folder = Path(folder).absolute()
        self.state = self.folder / STATE
        self.release = self.state / "release"
        self.incoming = self.state / "incoming"
        self.config = self.folder / FILE

    @property
    def is_mirror(self) -> bool:
        """Whether this is a mirror's folder: it has a mirror.toml, or state."""
        return self.config.is_file() or (self.state / "mirror.json").exists()

    def settings(self) -> Settings | None:
        """Return the settings in mirror.toml; without one those of the last run; None: this is not a mirror.

        Paths are absolute. Raises InputError for a wrong value, or a damaged state.
        """
        text = self._config_text()
        if text is None:
            held = self.load()
            return held.settings if held is not None else None
        settings = parse_mirror_settings(text, display_text(str(self.config)))
        source, key = settings.source, settings.key
        if "://" not in source:
            source = str(self.folder / source)
        where = f"{display_text(str(self.config))}: follow[0].source"
        if key is not None and not key.startswith("RW"):
            key = str(self.folder / key)
        return msgspec.structs.replace(settings, source=parse_release_location(source, where), key=key)

    def save_settings(self, settings: Settings) -> None:
        """Write a mirror.toml that is not there, or change in it the keys that differ. Raises InputError."""
        text = self._config_text()
        if text is None:
            atomic_files.write_bytes(self.config, new_mirror_toml(settings).encode())
        elif settings != (held := self.settings()) and held is not None:
            written = parse_mirror_settings(text, FILE)
            same = {
                name: getattr(written, name)
                for name in ("source", "key")
                if getattr(held, name) == getattr(settings, name)
            }
            changed = change_mirror_toml(
                text, msgspec.structs.replace(settings, **same), display_text(str(self.config))
            )
            atomic_files.write_bytes(self.config, changed.encode())

    def _config_text(self) -> str | None:
        """Return the text of mirror.toml; None if there is none. Raises InputError if it is not UTF-8."""
        body = _state_file(self.config)
        try:
            return None if body is None else body.decode()
        except UnicodeDecodeError:
            raise InputError(display_text(str(self.config)), "is not UTF-8", "save it as UTF-8") from None

    def tar(self, name: ShardName) -> Path:
        """Return the path of a shard's complete tar."""
        return self.folder / f"{name}.tar"

    def document(self, file: PublishedFile) -> Path:
        """Return the path of a published file that was checked."""
        return self.release / file.path

    def load(self) -> MirrorState | None:
        """Return the state; None if no release is followed here yet. Raises InputError if it is damaged."""
        path = self.state / "mirror.json"
        fix = "move it away and follow the release again; tars that are here are checked and kept"
        try:
            body = _state_file(path)
        except InputError as error:  # its own fix is for a path of the command line
            raise InputError(error.where, error.what, fix) from error
        if body is None:
            return None
        try:
            mirror = documents.from_bytes(body, MirrorState, path)
        except InputError as error:
            raise InputError(error.where, error.what, error.fix or fix) from error
        if self._digests and documents.digest(body) not in self._digests:
            raise InputError(path, "is damaged: its SHA-256 is not the saved one", fix)
        return mirror

    @property
    def _digests(self) -> list[str]:
        """The SHA-256 that mirror.json may have: the last one, or the one before if a kill came in between."""
        try:
            return (_state_file(self.state / _DIGESTS) or b"").decode("ascii", "replace").split()  # old versions: none
        except InputError as error:
            raise InputError(error.where, error.what, "move it away; packager mirror sync writes it again") from error

    def required(self) -> MirrorState:
        """Return the state. Raises InputError if no release is followed here."""
        mirror = self.load()
        if mirror is None:
            where = display_text(str(self.folder))
            raise InputError(where, "not a mirror", f"run: packager mirror follow URL {where}")
        return mirror

    def load_release(self, mirror: MirrorState) -> Release:
        """Return the last accepted release. Raises TrustError if its file changed since."""
        path = self._copies(mirror)[0]
        body = _readable(path)
        if body is None or documents.digest(body) != mirror.followed.digest:
            raise TrustError(display_text(str(path)), "is not the release that was accepted", "packager mirror sync")
        return documents.from_bytes(body, Release, path)

    def trusted_release(self, mirror: MirrorState) -> TrustedRelease:
        """Return the last accepted release and its evidence. Raises the errors of `load_release`.

        Without a pinned key or a signature, the evidence is only the release itself.
        """
        release, path = self.load_release(mirror), self._copies(mirror)[0]
        signer = None
        with suppress(PackagerError):
            signer = describe(read_limited(path.with_name(path.name + MINISIG), LIMIT)).key
        where = display_text(mirror.settings.source)
        return TrustedRelease(release, release_evidence(release, where, signer if mirror.followed.keys else None))

    def _copies(self, mirror: MirrorState) -> tuple[Path, Path]:
        """Return the folder of an accepted release."""
        return self.release / "releases" / f"{mirror.followed.serial}.json", self.release / RELEASE

    def is_kept(self, mirror: MirrorState, body: bytes, minisig: bytes | None) -> bool:
        """Return whether this folder has an accepted release and its signature, unchanged."""
        return all(
            _readable(copy) == body and (minisig is None or _readable(copy.with_name(copy.name + MINISIG)) == minisig)
            for copy in self._copies(mirror)
        )

    def save(self, mirror: MirrorState, body: bytes, minisig: bytes | None) -> None:
        """Save an accepted release and its chosen shards, durably. The shards' documents must be here already."""
        kept, newest = self._copies(mirror)
        if minisig is not None:
            atomic_files.write_bytes(kept.with_name(kept.name + MINISIG), minisig)
        atomic_files.write_bytes(kept, body)
        state, data = self.state / "mirror.json", documents.to_bytes(mirror)
        digests = [documents.digest(each) for each in (data, _state_file(state) or data)]
        atomic_files.write_bytes(self.state / _DIGESTS, "".join(f"{each}\n" for each in digests).encode())
        atomic_files.write_bytes(state, data)
        if minisig is not None:
            atomic_files.write_bytes(newest.with_name(newest.name + MINISIG), minisig)
        atomic_files.write_bytes(newest, body)

    def proofs(self) -> dict[ShardName, VerifiedTar]:
        """Return the proofs of tars here; none if the file is damaged."""
        try:
            return self._read_proofs()
        except InputError:  # it is a cache; reading the tars restores it
            return {}

    def proofs_fault(self) -> str | None:
        """Return a warning if the proofs of tars here cannot be read; None if they can."""
        try:
            self._read_proofs()
        except InputError as error:
            return f"{error.where}: {error.what}; it is set aside, and the tars are checked again"
        return None

    def _read_proofs(self) -> dict[ShardName, VerifiedTar]:
        """Return the proofs of tars here. Raises InputError if the file is damaged."""
        path = self.state / "verified.json"
        body = _state_file(path)
        return documents.from_bytes(body, VerifiedTars, path).shards if body is not None else {}

    def save_proofs(self, proofs: dict[ShardName, VerifiedTar]) -> None:
        """Save the proofs, durably; an unreadable file is renamed first."""
        if self.proofs_fault() is not None:
            path = self.state / "verified.json"
            path.replace(path.with_name("verified.json.damaged"))
        kept = VerifiedTars(format=documents.FORMAT, type="verified", shards=proofs)
        atomic_files.write_bytes(self.state / "verified.json", documents.to_bytes(kept))

    def live(self, now: float) -> RunState | None:
        """Return the state of the built-in client; None if it does not run."""
        path = self.state / "live.json"
        try:
            body = _state_file(path)
            live = documents.from_bytes(body, RunState, path) if body is not None else None
        except InputError:  # the client writes it again in some seconds
            return None
        return live if live is not None and abs(now - live.at) < 3 * LIVE_SECONDS else None

    def save_live(self, live: RunState | None) -> None:
        """Write the state of the built-in client for `mirror status`; None: the client ends."""
        if live is None:
            (self.state / "live.json").unlink(missing_ok=True)
        else:
            atomic_files.write_bytes(self.state / "live.json", msgspec.json.encode(live))


def _state_file(path: Path) -> bytes | None:
    """Return the bytes of a state file; None if it does not exist.

    Raises InputError if it is not a file, IncompleteError if the system refuses access.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise from_os_error(error, display_text(str(path))) from error
    return read_limited(path, documents.LIMIT)


def _readable(path: Path) -> bytes | None:
    """Return the bytes of a copy that can be fetched again; None if it cannot be read."""
    try:
        return read_limited(path, documents.LIMIT)
    except PackagerError:
        return None
