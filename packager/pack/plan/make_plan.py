"""`plan`: assigns the catalogue's records to shards with each phase's SQL, and fills shards by next-fit.

DuckDB sorts on disk. Memory: one batch of rows, and one entry for each shard. Published shards do not change; only the
other records are planned. The plan is valid until the catalogue, a withdrawal or an option changes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

from packager.core.config.parse_config import options_digest
from packager.core.releases import documents
from packager.core.releases.next_release import embargoes, not_before
from packager.core.reports.plan_warnings import warnings
from packager.core.reports.reports import PlanReport
from packager.core.shards.cut_shards import ShardCutter
from packager.engine.files import atomic_files
from packager.engine.processes.prefetch import prefetch
from packager.engine.project import state_files
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_plan, read_withdrawals
from packager.engine.project.state_format import write_state_format
from packager.engine.published.moved_files import finish_moved
from packager.engine.tables import failing_records, parquet, phase_sql, sql
from packager.engine.tables.select_records import (
    RecordSelection,
    count_replaced,
    count_selected,
    embargoed,
    open_catalogue,
    taken_before,
)
from packager.errors import InputError
from packager.model import (
    CATALOGUE,
    PLANNED,
    OtherContent,
    Plan,
    PlannedPhase,
    PlannedShard,
    Release,
    ShardName,
    Superseded,
    TakenBefore,
    WithdrawnFile,
)
from packager.options import Config, PhaseOptions
from packager.pack.content.source_hashes import SourceHashes
from packager.pack.content.withdrawn_content import leave_out
from packager.pack.plan.compare import Comparison
from packager.pack.plan.export_catalogue import export_catalogue
from packager.pack.plan.published_state import (
    PublishedState,
    compare_catalogue,
    has_same_catalogue,
    keep_times,
    keeping_old_versions,
    read_published_state,
    sources_gone,
    successors,
)
from packager.pack.plan.recover_state import recover_state
from packager.progress import SILENT, Progress


def make_plan(
    project: Project, config: Config, *, now: str, virtual: bool = False, progress: Progress = SILENT
) -> PlanReport:
    """Make the plan, or keep the existing one if it is still valid, and return the report.

    now: RFC 3339, the release date if the config has none. virtual: write no tars, whatever the config says. Raises
    InputError for wrong SQL of a phase, a file that is larger than allowed, a plan without records, or a config of
    another collection than the published one.
    """
    if not project.catalogue.exists():
        raise InputError(project.catalogue, "no catalogue has been made yet", "run: packager scan")
    with open(project.catalogue, "rb") as file:
        catalogue = hashlib.file_digest(file, "sha256").hexdigest()
    options = options_digest(config)
    write_state_format(project.state)
    recover_state(project, config.collection.name, progress)
    finish_moved(project)
    last = state_files.read_last_release(project)
    withdrawals = read_withdrawals(project)
    digest = documents.digest(documents.to_bytes(withdrawals))
    old = read_plan(project) if project.plan.exists() else None
    date = config.release.date or not_before(last, now)
    opens = embargoes(config, published=state_files.published_phases(project), now=now)
    known = (old.catalogue, old.options, old.withdrawals, old.closed) if old else None
    same = known == (catalogue, options, digest, opens)
    if old and same and config.release.date in (None, old.date) and _knows(old, last):
        return PlanReport(plan=old, changed=False, warnings=warnings(old))
    phase_sql.check_phases(config)
    # This file is removed first and written last, so that an unfinished plan is not used.
    project.plan.unlink(missing_ok=True)
    atomic_files.fsync_folder(atomic_files.make_folder(project.plan.parent))
    state = read_published_state(project, config, last, withdrawals)
    is_virtual = virtual or not config.shards.write_tars
    planned = _plan(project, config, state, opens, progress, virtual=is_virtual)
    plan = Plan(
        format=documents.FORMAT,
        collection=config.collection.name,
        date=date,
        catalogue=catalogue,
        options=options,
        without_phase=planned.without_phase,
        records=planned.records,
        phases=tuple(planned.phases),
        superseded=tuple(planned.superseded),
        kept=sum(planned.compared.kept.values()),
        changed=planned.compared.changed,
        removed=planned.compared.removed,
        moved=planned.compared.moved,
        sources_gone=planned.sources_gone,
        withdrawals=digest,
        withdrawn_files=planned.withdrawn_files,
        withdrawn_named=planned.withdrawn_named,
        other_content=planned.other_content,
        taken_before=tuple(planned.taken_before) or msgspec.UNSET,
        selected=planned.selected or msgspec.UNSET,
        closed=opens,
    )
    if last is None and not any(phase.shards for phase in plan.phases):
        raise InputError("packager.toml: phases", "no phase selects any file", "change where or budget of a phase")
    atomic_files.write_bytes(project.plan, documents.to_bytes(plan))
    return PlanReport(plan=plan, changed=True, warnings=warnings(plan))


def _knows(plan: Plan, last: Release | None) -> bool:
    """Return whether a plan has every shard of the last release."""
    known = {shard.name for phase in plan.phases for shard in phase.shards} | {gone.name for gone in plan.superseded}
    return last is None or all(shard.obsolete or shard.name in known for shard in last.shards)


@dataclass
class _Planned:
    """A plan in progress, phase by phase."""

    compared: Comparison
    withdrawn_files: int = 0
    withdrawn_named: tuple[WithdrawnFile, ...] = ()
    other_content: OtherContent | msgspec.UnsetType = msgspec.UNSET
    taken_before: list[TakenBefore] = field(default_factory=list)
    selected: dict[str, int] = field(default_factory=dict)
    phases: list[PlannedPhase] = field(default_factory=list)
    cut: list[tuple[Path, list[PlannedShard]]] = field(
        default_factory=list
    )  # for each phase of files: its rows and new shards
    superseded: list[Superseded] = field(default_factory=list)
    sources_gone: tuple[ShardName, ...] = ()
    records: int = 0
    without_phase: int = 0


@dataclass(frozen=True)
class _Planner:
    """Plans the phases one by one."""

    database: sql.Database
    project: Project
    config: Config
    state: PublishedState
    selection: RecordSelection
    progress: Progress

    def cutter(self, phase: PhaseOptions, kept: tuple[PlannedShard, ...]) -> ShardCutter:
        """Return the cutter for a phase's new shards. kept: the shards that stay."""
        spent = sum(shard.size for shard in kept)
        return ShardCutter(self.config, phase, after=self.state.last_number(phase.name), spent=spent)

    def catalogue_phase(self, phase: PhaseOptions, planned: _Planned) -> None:
        """Plan a catalogue phase. If the catalogue's files changed, new shards replace the old ones."""
        folder = self.project.export(phase.name)
        may_go_out = self.selection.open_records(phase, published="latest" if self.state.of_files else None)
        records, rows = export_catalogue(
            self.database, phase, may_go_out, folder, file_times=self.config.records.file_times
        )
        kept = self.state.shards(phase.name)
        if not records and not kept:
            rows = rows.slice(0, 0)  # no shard for an empty catalogue
        if has_same_catalogue(self.state, phase.name, rows):
            keep_times(self.project, self.state, phase.name, folder)
            parquet.write_rows(self.project.planned(phase.name), PLANNED, ())
            planned.phases.append(ShardCutter(self.config, phase).phase(records=records, over_budget=0, kept=kept))
            return
        cutter = self.cutter(phase, ())
        parquet.write_rows(self.project.planned(phase.name), PLANNED, cutter.cut(iter(rows.to_batches())))
        by = tuple(shard.name for shard in cutter.shards)
        notes = self.state.replaced
        planned.superseded += [
            Superseded(name=shard.name, by=by, reason=notes.get(shard.name, "a newer catalogue")) for shard in kept
        ]
        planned.phases.append(cutter.phase(records=records, over_budget=0))

    def files_phase(self, phase: PhaseOptions, planned: _Planned) -> None:
        """Plan a phase of the collection's files."""
        live = self.state.shards(phase.name)
        kept = tuple(shard for shard in live if shard.name not in self.state.replaced)
        found = self.selection.count(phase)
        query = self.selection.query(phase, returning=bool(self.state.live_shards))
        cutter = self.cutter(phase, kept)
        path = self.project.planned(phase.name)
        placed = prefetch(cutter.cut(sql.run_batches(self.database, query, _SELECTED)))
        try:
            rows = parquet.write_rows(path, PLANNED, self._counted(placed), statistics=False, quick=True)
        except sql.RowError as error:
            condition = self.selection.wanted(phase)
            raise failing_records.order_failure(self.database, self.config, phase, condition) or error from error
        left_out = found - rows
        if left_out and rows < count_replaced(self.database, phase):
            what = "is too small for all members of the replaced shards"
            raise InputError(f"packager.toml: phases {phase.name}: budget", what, "raise it")
        planned.cut.append((path, cutter.shards))
        records = planned.compared.kept.get(phase.name, 0) + rows
        planned.phases.append(cutter.phase(records=records, over_budget=left_out, kept=kept))
        self.selection.finish(phase, path, over=left_out > 0)

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, and report progress."""
        for batch in batches:
            self.progress.advance(batch.num_rows)
            yield batch


_SELECTED = pa.schema([CATALOGUE.field(name) for name in PLANNED.names if name != "shard"])


def _plan(
    project: Project,
    config: Config,
    state: PublishedState,
    opens: Mapping[str, str],
    progress: Progress,
    *,
    virtual: bool,
) -> _Planned:
    """Plan every phase, and write the members of its new shards."""
    with open_catalogue(project.catalogue, list(state.withdrawn)) as database:
        failing_records.check_conditions(database, config)
        hashes = SourceHashes(database, project, progress)
        hashes.create()
        planned = _Planned(compare_catalogue(hashes, config, state, embargoed(config, opens)))
        count, named, other = leave_out(hashes, state.withdrawn)
        planned.withdrawn_files, planned.withdrawn_named = count, tuple(named)
        planned.other_content = other or msgspec.UNSET
        planner = _Planner(database, project, config, state, RecordSelection(database, config, opens), progress)
        planned.records = sql.count_rows(database, "catalogue")
        progress.begin("Planning", sql.count_rows(database, "files"), "file")
        for phase in config.phases:
            if phase.content == "files":
                planner.files_phase(phase, planned)
        for phase in config.phases:  # last, because they leave out records under embargo
            if phase.content == "catalogue":
                planner.catalogue_phase(phase, planned)
        planned.taken_before = taken_before(database, config, opens, project.planned)
        empty = [phase.name for phase in planned.phases if not phase.shards]
        planned.selected = count_selected(database, config, empty, project.catalogue)
        planned.superseded += successors(database, state, planned.cut)
        planned.without_phase = planner.selection.count_left()
        overflow = planner.selection.overflow()
        stay = keeping_old_versions(database, state, planned.cut)
        progress.end()
    atomic_files.remove_tree(project.state / "spill")  # from a killed run
    order = [phase.name for phase in config.phases]
    planned.phases = [
        msgspec.structs.replace(
            phase, overflow=overflow.get(phase.name, ()), records=phase.records + stay.get(phase.name, 0)
        )
        for phase in sorted(planned.phases, key=lambda phase: order.index(phase.name))
    ]
    planned.phases += state.removed_phases(config, Counter(planned.compared.kept) + Counter(stay))
    planned.superseded += state.ended_catalogues(config)
    planned.sources_gone = sources_gone(project, state, planned.compared.stale, virtual=virtual)
    return planned
