"""Verify targets in one of three ways: presence and sizes, a sample, or every byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packager.check.targets.target import VerifyTarget
from packager.check.verify.read_policy import ReadAll, ReadSample
from packager.check.verify.scrub_state import open_scrub_state
from packager.check.verify.verify_run import Clock, RunLimits, VerifyRun
from packager.core.estimates import sampling
from packager.core.estimates.sampling import SampleSize, parse_sample
from packager.core.reports.check_reports import Sample, VerifyReport
from packager.errors import InputError
from packager.option_fields import KEY, RELEASE_OPTION, option
from packager.progress import Progress
from packager.units import parse_rate, parse_seconds


@dataclass(frozen=True)
class VerifyOptions:
    """What to compare data with, and how much to read. At most one of release, manifest, torrent and sums."""

    release: Path | str | None = option(RELEASE_OPTION)
    key: Path | str | None = option(KEY)
    manifest: Path | None = option("A shard's .manifest.json. Default: the one near the tar.", metavar="FILE")
    torrent: Path | None = option("A .torrent of the data at PATH, made by any program.", metavar="FILE")
    sums: Path | None = option("A file of digests, as sha256sum writes it, for files in PATH.", metavar="FILE")
    quick: bool = option("Check only that files exist and have the right size.", False)
    sample: str | None = option("Check a random sample of this size and report the confidence.", metavar="2%|N")
    sample_seed: int | None = option("Check the same sample again. Default: a new one each time.", metavar="N", least=0)
    state_file: Path | None = option(
        "Record what was checked and when; the next run continues there.", None, "--state", metavar="FILE"
    )
    older_than: float | None = option(
        'With --state: check again what was checked this long ago, such as "90 d".', metavar="TIME", parse=parse_seconds
    )
    stop_after: float | None = option(
        'Stop cleanly after this long, such as "6 h"; exit code 3.', None, "--for", metavar="TIME", parse=parse_seconds
    )
    read_limit: int | None = option(
        'Read at most this much, such as "100 MB/s"; 0: no limit.', metavar="RATE", parse=parse_rate
    )

    def check(self) -> None:
        """Raise InputError if two options exclude each other or the sample is invalid."""
        asked = {"--quick": self.quick, "--sample": self.sample is not None, "--state": self.state_file is not None}
        given = [name for name, wanted in asked.items() if wanted]
        if len(given) > 1:
            raise InputError("", f"{given[1]} cannot be used with {given[0]}", "remove one of them")
        if self.older_than is not None and self.state_file is None:
            fix = "add --state FILE, which records what was checked and when"
            raise InputError("", "--older-than needs --state", fix)
        if self.sample is not None:
            parse_sample(self.sample)


def verify(
    targets: Sequence[VerifyTarget],
    options: VerifyOptions,
    limits: RunLimits,
    *,
    random_seed: int = 0,
    clock: Clock,
    progress: Progress,
) -> VerifyReport:
    """Check targets and return every fault. random_seed: for a sample, if the options have none.

    If there is only one target, errors of its documents are raised.
    """
    if options.quick:
        run = VerifyRun(targets, ReadAll(), progress)
        return run.report("quick", seconds=run.look_quickly(clock))
    if options.sample is not None:
        seed = random_seed if options.sample_seed is None else options.sample_seed
        return _by_sample(targets, parse_sample(options.sample), seed, limits, clock=clock, progress=progress)
    size = sum(target.size for target in targets)
    if options.state_file is None:
        run = VerifyRun(targets, ReadAll(), progress)
        return run.report("full", seconds=run.read(limits, size, clock))
    with open_scrub_state(options.state_file, clock, options.older_than) as scrub:
        run = VerifyRun(sorted(targets, key=lambda target: scrub.age(target.path)), scrub, progress)
        seconds = run.read(limits, max(0, size - scrub.verified_bytes()), clock)
        return run.report("full", seconds=seconds, verified_earlier=scrub.skipped)


def _by_sample(
    targets: Sequence[VerifyTarget],
    size: SampleSize,
    seed: int,
    limits: RunLimits,
    *,
    clock: Clock,
    progress: Progress,
) -> VerifyReport:
    """Read a sample of all pieces and files, and return what it proves."""
    total = sum(target.units for target in targets)
    numbers = sampling.sample(total, size.of(total), seed)
    due = sum(target.size for target in targets) * len(numbers) // max(total, 1)
    run = VerifyRun(targets, ReadSample(numbers), progress)
    report = run.report("sample", seconds=run.read(limits, due, clock))
    return msgspec.structs.replace(report, sample=_sample(report, seed, len(numbers), total))


def _sample(report: VerifyReport, seed: int, taken: int, total: int) -> Sample:
    """Return what a sample proves; a sample with faults or an incomplete one proves nothing about the rest."""
    pieces, files = any(s.pieces for s in report.targets), any(s.files for s in report.targets)
    unit = "piece or file" if pieces and files else "piece" if pieces else "file"
    clean = report.ok and report.complete and total > 0
    if clean:
        proves = sampling.sample_conclusion(total, taken, unit)
    elif report.faults:
        proves = "faults were found; run verify without --sample to find all of them"
    else:
        proves = "the sample was not read completely, so it proves nothing about the rest"
    return Sample(
        random_seed=seed,
        sampled=taken,
        total=total,
        unit=unit,
        confidence=float(sampling.CONFIDENCE),
        fewer_bad_than=sampling.bad_below(total, taken) if clean else None,
        conclusion=proves,
    )
