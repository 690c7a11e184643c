"""Run over targets: make each inventory, send pieces and files to the hashing processes, and collect faults.

A target's documents are opened when it is read and released after its last piece, so memory does not grow with
the number of shards.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from packager.check.targets.target import Inventory, PieceStream, VerifyTarget
from packager.check.verify.read_policy import ReadPolicy
from packager.core.config.store_url import StoreUrl
from packager.core.reports.check_reports import VerifiedTarget, VerifyMode, VerifyReport
from packager.core.reports.faults import Fault, file_fault, piece_faults
from packager.engine.hashing.check_tasks import FileCheck, FileDigestCheck, Finding, PieceCheck, Runnable, Task
from packager.engine.hashing.hash_pool import MOST, SPAN, HashPool, pieces_of_task
from packager.engine.processes.worker_pool import WorkerPool
from packager.errors import IncompleteError, PackagerError
from packager.paths import display_text
from packager.progress import Progress
from packager.units import count_of

Clock: TypeAlias = Callable[[], float]  # Unix seconds


@dataclass(frozen=True)
class RunLimits:
    """Limits of a run: processes, bytes read per second (0: no limit), seconds (None: no limit).

    cluster: its workers read instead of local processes; the rate does not limit them.
    """

    workers: int
    rate: int = 0
    max_time: float | None = None
    cluster: WorkerPool | None = None

    def hashers(self, size: int) -> HashPool:
        """Return the worker pool for about `size` bytes."""
        return HashPool(max(1, min(self.workers, -(-size // SPAN))), self.rate, cluster=self.cluster)


class _OutOfTime(Exception):  # noqa: N818 (not an error: the time limit is reached)
    """Ends the reading; is never shown to a user."""


@dataclass
class _Wrong:
    """The bad pieces of a stream; unreadable ones with the system's message."""

    bad: list[int] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class _Open:
    """A target and its results so far."""

    target: VerifyTarget
    faults: list[Fault] = field(default_factory=list)
    wrong: dict[PieceStream, _Wrong] = field(default_factory=dict)
    due: int = 0  # tasks started and not finished
    drawn: bool = False  # all its tasks were started
    refused: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that had to be read was read."""
        return self.drawn and not self.due and not self.refused

    def make_faults(self) -> None:
        """Add the faults of its pieces, and release its documents."""
        for stream, wrong in self.wrong.items():
            self.faults += piece_faults(stream.path, stream.known, wrong.bad, wrong.unreadable)
        self.wrong = {}


@dataclass(frozen=True)
class _Place:
    """The target of a task: a stream and its first piece, or files."""

    opened: _Open
    stream: PieceStream | None = None
    first: int = 0
    files: tuple[FileDigestCheck, ...] = ()


class VerifyRun:
    """One run over targets; collects its results."""

    def __init__(self, targets: Sequence[VerifyTarget], choice: ReadPolicy, progress: Progress) -> None:
        """Start without results."""
        self._opened = [_Open(target) for target in targets]
        self._choice, self._progress = choice, progress
        self._read = 0
        self._cluster: WorkerPool | None = None

    def look_quickly(self, clock: Clock) -> float:
        """Compare presence and sizes, and return the seconds this took."""
        begun = clock()
        self._progress.begin("Checking", len(self._opened), "target")
        for opened in self._opened:
            try:
                opened.faults += opened.target.quick()
            except PackagerError as error:
                self._refuse(opened, error)
            opened.drawn = True
            self._progress.advance(1)
        self._progress.end()
        return clock() - begun

    def read(self, limits: RunLimits, size: int, clock: Clock) -> float:
        """Read what the policy chooses, about `size` bytes, and return the seconds this took."""
        begun = clock()

        def advance(amount: int) -> None:
            self._read += amount
            self._progress.advance(amount)
            if limits.max_time is not None and clock() - begun >= limits.max_time:
                raise _OutOfTime

        self._progress.begin("Checking", size)
        self._cluster = limits.cluster
        try:
            with limits.hashers(size) as hashers:
                for place, task, findings in hashers.run(self._tasks(), advance):
                    self._take(place, task, findings)
        except _OutOfTime:
            for opened in self._opened:
                opened.make_faults()
        self._progress.end()
        return clock() - begun

    def _tasks(self) -> Iterator[tuple[_Place, Task]]:
        """Yield every task of every target."""
        unit = 0
        for opened in self._opened:
            try:
                look = opened.target.look()
            except PackagerError as error:
                self._refuse(opened, error)
                look = Inventory()
            opened.faults += look.faults
            for place, task in self._tasks_of(opened, look, unit):
                opened.due += 1
                yield place, task
            unit += opened.target.units
            opened.drawn = True
            self._close_if_complete(opened)

    def _tasks_of(self, opened: _Open, look: Inventory, unit: int) -> Iterator[tuple[_Place, Task]]:
        """Yield the tasks of one target; its first piece or file is number `unit`."""
        for stream in look.streams:
            pieces = stream.known.pieces
            step = pieces_of_task(pieces.piece_length, v1=pieces.pieces_root is None)
            for run in self._choice.pieces(stream, unit):
                for first in range(run.start, run.stop, step):
                    yield _Place(opened, stream, first), stream.span(first, min(first + step, run.stop))
            unit += pieces.count
        held: list[FileDigestCheck] = []
        size = 0
        for number, file in enumerate(look.files, unit):
            if file is not None and self._choice.wants(file, number):
                held.append(file)
                size += file.size
            if held and (size >= SPAN or len(held) == MOST // 8):
                yield _Place(opened, files=tuple(held)), FileCheck(tuple(held))
                held, size = [], 0
        if held:
            yield _Place(opened, files=tuple(held)), FileCheck(tuple(held))

    def _refuse(self, opened: _Open, error: PackagerError) -> None:
        """Skip a target if its documents cannot be used; if it is the only one, raise the error.

        A store that is unreachable also ends the run, since the other targets need it, too.
        """
        fails = isinstance(error, IncompleteError) and isinstance(opened.target.path, StoreUrl)
        if len(self._opened) == 1 or fails:
            raise error
        opened.refused = str(error)
        self._progress.note(f"error: {opened.target.path}: not checked: {error}")

    def _take(self, place: _Place, task: Runnable[list[Finding]], findings: Sequence[Finding]) -> None:
        """Add the results of a task."""
        if isinstance(task, PieceCheck):
            self._take_pieces(place, task, findings)
        else:
            self._take_files(place, findings)
        place.opened.due -= 1
        self._close_if_complete(place.opened)

    def _take_files(self, place: _Place, findings: Sequence[Finding]) -> None:
        """Add the results of files."""
        place.opened.faults += [file_fault(each.verdict, place.files[each.index].path, each.what) for each in findings]
        wrong = {each.index for each in findings}
        for index, file in enumerate(place.files):
            if index not in wrong:
                self._choice.add_verified_file(file)

    def _take_pieces(self, place: _Place, span: PieceCheck, findings: Sequence[Finding]) -> None:
        """Add the results of pieces."""
        assert place.stream is not None
        right, start = [], place.first
        for each in findings:
            piece = place.first + each.index
            wrong = place.opened.wrong.setdefault(place.stream, _Wrong())
            if each.verdict == "bad":
                wrong.bad.append(piece)
            else:
                wrong.unreadable[piece] = each.what
            right.append(range(start, piece))
            start = piece + 1
        right.append(range(start, place.first + -(-span.size // span.piece_length)))
        self._choice.add_verified(place.stream, [run for run in right if run])

    def _close_if_complete(self, opened: _Open) -> None:
        """Finish a target that has no more tasks."""
        if opened.complete:
            opened.make_faults()
            found = count_of(len(opened.faults), "fault") if opened.faults else "good"
            self._progress.detail(f"{display_text(bytes(opened.target.path))}: {found}")

    def report(self, mode: VerifyMode, *, seconds: float, verified_earlier: int = 0) -> VerifyReport:
        """Return the report."""
        targets = tuple(
            VerifiedTarget(
                path=display_text(bytes(opened.target.path)),
                kind=opened.target.kind,
                checked_against=opened.target.checked_against,
                evidence=opened.target.evidence,
                size=opened.target.size,
                pieces=opened.target.pieces,
                files=opened.target.files,
                faults=len(opened.faults),
                complete=opened.complete,
                error=opened.refused,
            )
            for opened in self._opened
        )
        faults = tuple(fault for opened in self._opened for fault in opened.faults)
        refused = any(opened.refused for opened in self._opened)
        return VerifyReport(
            mode=mode,
            ok=not faults and not refused,
            complete=all(opened.complete or opened.refused for opened in self._opened),
            targets=targets,
            faults=faults,
            size=sum(opened.target.size for opened in self._opened),
            read_bytes=self._read,
            verified_earlier_bytes=verified_earlier,
            seconds=seconds,
            sample=None,
            retried_tasks=self._cluster.retried_tasks if self._cluster else 0,
        )
