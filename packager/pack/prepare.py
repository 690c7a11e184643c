"""From the catalogue to the plan: each phase's SQL, next-fit over its rows, every shard's facts.

Out of core: DuckDB sorts on disk, a streaming pass cuts, and what is held is one batch and one entry
a shard. The plan stands until the catalogue or an option that decides it changes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from packager import documents
from packager.config import options_digest
from packager.cut import Cutter
from packager.engine import durable, phases, selection, tables
from packager.engine.workspace import Workspace
from packager.errors import InputError
from packager.model import CATALOGUE, PLANNED, Plan, PlannedPhase
from packager.options import Config, PhaseOptions
from packager.pack.export import export
from packager.progress import SILENT, Progress
from packager.reports import PlanReport


def read_plan(workspace: Workspace) -> Plan:
    """Return the plan as it stands. Raises InputError where there is none."""
    try:
        data = workspace.plan.read_bytes()
    except FileNotFoundError:
        raise InputError(workspace.plan, "no plan has been made yet", "run: packager plan") from None
    return documents.from_bytes(data, Plan, workspace.plan)


def prepare(workspace: Workspace, config: Config, *, now: str, progress: Progress = SILENT) -> PlanReport:
    """Make the plan, or find that the one there still stands.

    now: RFC 3339, the release date where the config gives none. Raises InputError where a phase's SQL
    is wrong, a file is larger than a shard and the config refuses that, or nothing is left to release.
    """
    if not workspace.catalogue.exists():
        raise InputError(workspace.catalogue, "no catalogue has been made yet", "run: packager scan")
    with open(workspace.catalogue, "rb") as file:
        catalogue = hashlib.file_digest(file, "sha256").hexdigest()
    options = options_digest(config)
    old = read_plan(workspace) if workspace.plan.exists() else None
    date = config.release.date or now
    if old and (old.catalogue, old.options) == (catalogue, options) and config.release.date in (None, old.date):
        return PlanReport(plan=old, changed=False)
    phases.check_phases(config)
    # Without its facts no half-made plan can be taken for a plan.
    workspace.plan.unlink(missing_ok=True)
    durable.fsync_folder(durable.make_folder(workspace.plan.parent))
    made, unphased = _phases(workspace, config, progress)
    plan = Plan(
        format=documents.FORMAT,
        collection=config.collection.name,
        date=date,
        catalogue=catalogue,
        options=options,
        unphased=unphased,
        phases=made,
    )
    if not any(phase.shards for phase in made):
        raise InputError("packager.toml: phases", "no phase takes any file", "widen a phase's where, or its budget")
    durable.write_bytes(workspace.plan, documents.to_bytes(plan))
    return PlanReport(plan=plan, changed=True)


@dataclass(frozen=True)
class _Planner:
    """What planning each phase needs."""

    database: tables.Database
    workspace: Workspace
    config: Config
    progress: Progress

    def catalogue_phase(self, phase: PhaseOptions) -> PlannedPhase:
        """Plan a phase whose members are the catalogue's own files."""
        folder = self.workspace.export(phase.name)
        records, rows = export(self.database, phase, folder, mtimes=self.config.collection.mtimes)
        cutter = Cutter(self.config, phase)
        tables.write_table(self.workspace.planned(phase.name), PLANNED, cutter.cut(iter(rows.to_batches())))
        return cutter.phase(records=records, left_out=0)

    def files_phase(self, phase: PhaseOptions, taken: selection.Taken) -> PlannedPhase:
        """Plan a phase of the collection's files, and count what its budget left out."""
        found = selection.count_selected(self.database, phase, taken)
        batches = tables.run_batches(self.database, selection.selected(phase, taken), _SELECTED)
        cutter = Cutter(self.config, phase)
        rows = tables.write_table(self.workspace.planned(phase.name), PLANNED, self._counted(cutter.cut(batches)))
        return cutter.phase(records=rows, left_out=found - rows)

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Tell the progress of the rows that go by."""
        for batch in batches:
            self.progress.advance(batch.num_rows)
            yield batch


_SELECTED = pa.schema([CATALOGUE.field(name) for name in PLANNED.names if name != "shard"])


def _phases(workspace: Workspace, config: Config, progress: Progress) -> tuple[tuple[PlannedPhase, ...], int]:
    """Return every phase's plan, its members written, and how many files no phase took."""
    readable = [workspace.catalogue, *(workspace.planned(phase.name) for phase in config.phases)]
    spill = workspace.state / "spill"
    taken = selection.Taken()
    made = []
    with selection.open_catalogue(workspace.catalogue, readable, spill) as database:
        planner = _Planner(database, workspace, config, progress)
        progress.begin("plan", selection.count_files(database), "file")
        for phase in config.phases:
            if phase.content == "catalogue":
                made.append(planner.catalogue_phase(phase))
            else:
                made.append(planner.files_phase(phase, taken))
                taken = taken.after(phase, workspace.planned(phase.name), cut=made[-1].left_out > 0)
        unphased = selection.count_left(database, taken)
        progress.end()
    durable.remove_tree(spill)
    return tuple(made), unphased


def sources(workspace: Workspace, phase: PlannedPhase) -> Path:
    """Return the folder that a phase's members lie in."""
    return workspace.export(phase.name) if phase.content == "catalogue" else workspace.source
