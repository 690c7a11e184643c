"""What a project keeps of itself, read back: the releases made so far, the plan, what is withdrawn."""

import os

from packager.core.releases import documents, minisign_signature
from packager.core.releases.next_release import opened_phases
from packager.core.releases.withdrawn_records import Withdrawals
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.project.project import Project
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.model import FrozenStruct, Infohash, Plan, PlannedPhase, Release, ShardName, Uint63
from packager.paths import display_text

_LAST_PACK = "last-pack.json"


def read_last_release(project: Project) -> Release | None:
    """Return the last release made here, or None."""
    last = read_last_release_bytes(project)
    return last[0] if last else None


def read_last_release_bytes(project: Project) -> tuple[Release, bytes] | None:
    """Return the last release made here and its bytes, or None."""
    serials = sorted(int(path.stem) for path in project.releases.glob("*.json") if path.stem.isdigit())
    if not serials:
        return None
    path = project.releases / f"{serials[-1]}.json"
    data = path.read_bytes()
    return documents.from_bytes(data, Release, path), data


def signer_of(project: Project, serial: int) -> str | None:
    """Return the id of the key that signed a release made here; None if it was not signed."""
    try:
        signature = (project.releases / f"{serial}.json.minisig").read_bytes()
    except FileNotFoundError:
        return None
    return minisign_signature.describe(signature).key


class LastPack(FrozenStruct, frozen=True, kw_only=True):
    """The last run that packed shards: the bytes of those that are complete, and the seconds that it took."""

    format: Uint63 = 1
    size: Uint63
    seconds: float


def note_last_pack(project: Project, size: int, seconds: float) -> None:
    """Keep how fast the last run packed, if it packed anything."""
    if size:
        note = LastPack(size=size, seconds=seconds)
        atomic_files.write_bytes(project.state / _LAST_PACK, documents.to_bytes(note))


def last_pack_rate(project: Project) -> float | None:
    """Return the bytes a second of the last run that packed shards; None if it took less than a second, or none did."""
    path = project.state / _LAST_PACK
    if not path.is_file():
        return None
    note = documents.from_bytes(read_limited(path, documents.LIMIT), LastPack, path)
    return note.size / note.seconds if note.seconds >= 1 else None


def check_site(project: Project) -> None:
    """Raise InputError if the site's folder shows a release that this project did not make."""
    path = project.site / "release.json"
    if not os.path.lexists(path):
        return
    if not is_own_release(project, read_limited(path, documents.LIMIT)):
        what = "shows a release that this project did not make"
        fix = "move that folder away, or set another site.folder"
        raise InputError(display_text(str(project.site)), what, fix)


def is_own_release(project: Project, data: bytes) -> bool:
    """Return whether the bytes are those of a release that was made here."""
    made = project.releases / f"{documents.claimed_serial(data)}.json"
    return made.is_file() and made.read_bytes() == data


def check_releases(project: Project) -> None:
    """Raise InputError unless every release made so far is here, since each site has them all."""
    last = read_last_release(project)
    for serial in range(1, last.serial if last else 1):
        path = project.releases / f"{serial}.json"
        if not path.is_file():
            raise InputError(path, "an earlier release is missing", "bring it back from the site's releases/")


def published_phases(project: Project) -> set[str]:
    """Return the names of the phases that the last release has published."""
    return opened_phases(read_last_release(project))


def published_shards(project: Project) -> dict[ShardName, tuple[Infohash | None, Infohash | None]]:
    """Return the infohashes, v1 and v2, of the shards that the last release lists."""
    last = read_last_release(project)
    return {shard.name: (shard.infohash_v1, shard.infohash_v2) for shard in last.shards} if last else {}


def read_plan(project: Project) -> Plan:
    """Return the plan as it is. Raises InputError if there is none."""
    try:
        data = project.plan.read_bytes()
    except FileNotFoundError:
        raise InputError(project.plan, "no plan has been made yet", "run: packager plan") from None
    return documents.from_bytes(data, Plan, project.plan)


def check_current(project: Project, plan: Plan) -> None:
    """Raise InputError for a plan that is older than what is withdrawn now."""
    if plan.withdrawals != documents.digest(documents.to_bytes(read_withdrawals(project))):
        raise InputError("the plan", "is out of date: records were withdrawn since", "run: packager release")


def sources(project: Project, phase: PlannedPhase) -> Place:
    """Return the folder or store that a phase's members lie in."""
    return project.export(phase.name) if phase.content == "catalogue" else project.source_location


def read_withdrawals(project: Project) -> Withdrawals:
    """Return what was withdrawn; nothing if there is no such file. Raises InputError for a broken one."""
    path = project.withdrawals
    if not path.is_file():
        return Withdrawals(format=documents.FORMAT, type="withdrawals")
    return documents.from_bytes(read_limited(path, documents.LIMIT), Withdrawals, display_text(str(path)))


def write_withdrawals(project: Project, withdrawals: Withdrawals) -> None:
    """Keep what is withdrawn, durably. Raises IncompleteError."""
    atomic_files.write_bytes(project.withdrawals, documents.to_bytes(withdrawals))
