"""`verify` of a mirror's folder: what its tars are compared with, and the result for `mirror status`."""

from collections.abc import Sequence
from pathlib import Path

from packager.api.workers import now
from packager.check.targets.target import VerifyTarget
from packager.check.verify.verify import VerifyOptions
from packager.core.releases.minisign_key import PublicKey
from packager.core.reports.check_reports import VerifyReport
from packager.engine.files import atomic_files
from packager.engine.stores.base import Place
from packager.errors import InputError, PackagerError
from packager.mirror.local_shards import keep_checks
from packager.mirror.state import MirrorFolder
from packager.paths import display_text
from packager.progress import Progress


def find_mirror(paths: Sequence[Place], options: VerifyOptions) -> MirrorFolder | None:
    """Return the mirror that contains all these paths; None if there is none or a document is named."""
    if options.release or options.manifest or options.torrent or options.sums or not paths:
        return None
    folders = {(path if path.is_dir() else path.parent).absolute() for path in paths if isinstance(path, Path)}
    mirror = (
        MirrorFolder(folders.pop()) if len(folders) == 1 and all(isinstance(path, Path) for path in paths) else None
    )
    return mirror if mirror is not None and (mirror.state / "mirror.json").is_file() else None


def chosen_tars(mirror: MirrorFolder, places: Sequence[Place], progress: Progress) -> list[Place]:
    """Return the places, with a mirror's folder replaced by the existing tars of its chosen shards.

    Other tars are reported, because a mirror has no current documents for them. Raises InputError if there are no tars.
    """
    found: list[Place] = []
    for place in places:
        if not isinstance(place, Path) or not place.is_dir():
            found.append(place)
            continue
        tars = [place / f"{each.name}.tar" for each in mirror.required().chosen]
        found += [tar for tar in tars if tar.is_file()]
        for tar in sorted(set(place.glob("*.tar")) - set(tars)):
            progress.note(f"{display_text(str(tar))}: not checked: it is not a chosen shard of this mirror")
        if not any(tar.is_file() for tar in tars):
            where = display_text(str(place))
            raise InputError(where, "no chosen shard of this mirror is complete", f"run: packager mirror sync {where}")
    return found


def without_control_files(targets: Sequence[VerifyTarget]) -> list[VerifyTarget]:
    """Return targets without aria2's control files: it keeps them while it shares tars that are complete.

    The tars beside them are read in full, so one that is not complete is found bad.
    """
    return [each for each in targets if not str(each.path).endswith(".tar.aria2")]


def pinned_key(mirror: MirrorFolder) -> str | None:
    """Return the key, as its line, that signed the release of a mirror; None if the release is not signed."""
    held = mirror.required()
    signer = mirror.trusted_release(held).evidence.key
    return next((line for line in held.followed.keys if PublicKey.parse(line).name == signer), None)


def keep_result(mirror: MirrorFolder, report: VerifyReport, progress: Progress) -> None:
    """Store when each tar was read completely, and its faults. Warn if this cannot be stored now."""
    if report.mode != "full" or report.verified_earlier_bytes:
        return
    checked = {Path(each.path).stem: each.faults for each in report.targets if each.complete and not each.error}
    release = mirror.load_release(mirror.required())
    try:
        with atomic_files.lock_state_folder(mirror.state, "verify"):
            keep_checks(mirror, checked, release, now=now())
    except PackagerError as error:
        progress.note(f"warning: packager mirror status will not show this check: {error}")
