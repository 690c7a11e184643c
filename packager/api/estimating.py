"""How an archivist learns what a release will take, before anything is made."""

from packager.api.arguments import AnyPath, as_path
from packager.api.workers import worker_count
from packager.core.estimates import estimate as estimates
from packager.core.estimates.estimate import EstimateOptions, EstimateReport, FileTotals
from packager.engine.files import atomic_files
from packager.engine.hashing import hash_rate
from packager.engine.project import load_project
from packager.engine.project.project import Project
from packager.engine.project.state_files import read_plan
from packager.engine.tables import catalogue_totals as budgets
from packager.engine.tables import parquet
from packager.errors import InputError
from packager.options import Config, ShardOptions, TorrentOptions

_NAMES = ("collection", "phase")  # names as long as most, where none are known


def estimate(
    config: AnyPath | None = None,
    *,
    described: tuple[int, int] | None = None,
    shard_size: int | None = None,
    upload_mbit: float = 1000,
    copies: int = 1,
    disk: int = 20 * 10**12,
    price: float = 15,
    budget: int | None = None,
    rate: float | None = None,
    processes: int | None = None,
) -> EstimateReport:
    """Return what a release will take: shards, torrents, site, hashing, upload, disks, money, and what fits a budget.

    config: of a project that is scanned; where it is planned too, its shards are taken as they are. described:
    files and their bytes, where there is no project. shard_size, disk and budget are bytes; price is of a TB;
    rate: bytes a second that one core hashes, None: measured. Takes no lock. Raises InputError.
    """
    config = as_path(config)
    wishes = EstimateOptions(worker_count(processes), upload_mbit, copies, disk, price)
    if described is not None:
        lot = estimates.described(*described)
        size = ShardOptions(size=shard_size) if shard_size else ShardOptions()
        cut = estimates.cut(lot, _NAMES, size, TorrentOptions())
        measured = rate or hash_rate.hash_rate(v1=True, v2=True, flat=False)
        return estimates.estimate("description", records=lot.files, lot=lot, shards=cut, rate=measured, wishes=wishes)
    if config is None:
        raise InputError("estimate", "neither a packager.toml nor numbers were given", "give --records and --bytes")
    options, project = load_project.load_project(config)
    return _of_project(options, project, wishes, shard_size=shard_size, budget=budget, rate=rate)


def _of_project(
    options: Config,
    project: Project,
    wishes: EstimateOptions,
    *,
    shard_size: int | None,
    budget: int | None,
    rate: float | None,
) -> EstimateReport:
    """Return the estimate of a project, from its plan or its catalogue."""
    if not project.catalogue.exists():
        raise InputError(project.catalogue, "no catalogue has been made yet", "run: packager scan")
    torrent = options.torrent
    v1, v2 = torrent.version != "v2" or torrent.also_v1, torrent.version != "v1"
    measured = rate or hash_rate.hash_rate(v1=v1, v2=v2, flat=options.shards.sha256)
    spill = project.state / "spill-estimate"
    try:
        fits = budgets.budget_fits(project.catalogue, spill, budget) if budget is not None else []
        if project.plan.exists() and shard_size is None:
            plan = read_plan(project)
            files, payload = (sum(getattr(phase, name) for phase in plan.phases) for name in ("files", "payload"))
            return estimates.estimate(
                "plan",
                records=parquet.count_rows(project.catalogue),
                lot=FileTotals(files, payload, 0, 0),
                shards=estimates.planned(plan),
                rate=measured,
                wishes=wishes,
                budget=budget,
                fits=fits,
            )
        records, lot = budgets.catalogue_totals(project.catalogue, spill)
    finally:
        atomic_files.remove_tree(spill)
    size = ShardOptions(size=shard_size) if shard_size else options.shards
    names = (options.collection.name, max((phase.name for phase in options.phases), key=len))
    return estimates.estimate(
        "catalogue",
        records=records,
        lot=lot,
        shards=estimates.cut(lot, names, size, torrent),
        rate=measured,
        wishes=wishes,
        budget=budget,
        fits=fits,
    )
