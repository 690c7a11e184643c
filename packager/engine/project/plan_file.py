"""The plan's facts as they stand in the state folder, for all that come after planning."""

from packager.core.releases import documents
from packager.engine.project.project import Workspace
from packager.engine.project.withdrawals_file import read_withdrawals
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.model import Plan, PlannedPhase


def read_plan(workspace: Workspace) -> Plan:
    """Return the plan as it stands. Raises InputError where there is none."""
    try:
        data = workspace.plan.read_bytes()
    except FileNotFoundError:
        raise InputError(workspace.plan, "no plan has been made yet", "run: packager plan") from None
    return documents.from_bytes(data, Plan, workspace.plan)


def check_current(workspace: Workspace, plan: Plan) -> None:
    """Raise InputError for a plan that is older than what is withdrawn now."""
    if plan.withdrawals != documents.digest(documents.to_bytes(read_withdrawals(workspace))):
        raise InputError("the plan", "is out of date: records were withdrawn since", "run: packager release")


def sources(workspace: Workspace, phase: PlannedPhase) -> Place:
    """Return the folder or store that a phase's members lie in."""
    return workspace.export(phase.name) if phase.content == "catalogue" else workspace.source_place
