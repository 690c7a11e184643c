"""The plan's facts as they stand in the state folder, for all that come after planning."""

from packager.core.releases import documents
from packager.engine.project.project import Project
from packager.engine.project.withdrawals_file import read_withdrawals
from packager.engine.stores.base import Place
from packager.errors import InputError
from packager.model import Plan, PlannedPhase


def read_plan(project: Project) -> Plan:
    """Return the plan as it stands. Raises InputError where there is none."""
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
    return project.export(phase.name) if phase.content == "catalogue" else project.source_place
