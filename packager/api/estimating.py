"""`estimate`: the size, time and cost of a release that is not made yet."""

from dataclasses import replace

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

_NAMES = ("collection", "phase")  # of common length, used if no names are known


def estimate(config: AnyPath | None = None, options: EstimateOptions | None = None) -> EstimateReport:
    """Return the shards, torrents, site, time, disks and cost of a release, and what fits a budget.

    config: packager.toml of a scanned project; if there is a plan, its shards are counted. It is not read if
    options.records and options.size describe the files. Takes no lock. Raises InputError.
    """
    options = options or EstimateOptions()
    options.check()
    if options.records is not None and options.size is not None:
        lot = estimates.described(options.records, options.size)
        size = ShardOptions(size=options.shard_size) if options.shard_size else ShardOptions()
        cut = estimates.cut(lot, _NAMES, size, TorrentOptions())
        return estimates.estimate(
            "description",
            records=lot.files,
            lot=lot,
            shards=cut,
            rate=options.rate or hash_rate.hash_rate(v1=True, v2=True, flat=False),
            workers=worker_count(options.workers),
            options=replace(options, budget=None),
        )
    if config is None:
        raise InputError("", "there is no packager.toml", "use --records and --size")
    return _of_project(*load_project.load_project(as_path(config)), options)


def _of_project(config: Config, project: Project, options: EstimateOptions) -> EstimateReport:
    """Return the estimate of a project, from its plan or its catalogue."""
    if not project.catalogue.exists():
        raise InputError(project.catalogue, "no catalogue has been made yet", "run: packager scan")
    torrents = config.torrents
    v1, v2 = torrents.format != "v2" or torrents.also_v1, torrents.format != "v1"
    measured = options.rate or hash_rate.hash_rate(v1=v1, v2=v2, flat=config.shards.tar_sha256)
    workers = worker_count(options.workers)
    spill = project.state / "spill-estimate"
    try:
        fits = budgets.budget_fits(project.catalogue, spill, options.budget) if options.budget is not None else []
        if project.plan.exists() and options.shard_size is None:
            plan = read_plan(project)
            files, payload = (sum(getattr(phase, name) for phase in plan.phases) for name in ("files", "payload"))
            return estimates.estimate(
                "plan",
                records=parquet.count_rows(project.catalogue),
                lot=FileTotals(files, payload, 0, 0),
                shards=estimates.planned(plan),
                rate=measured,
                workers=workers,
                options=options,
                fits=fits,
            )
        records, lot = budgets.catalogue_totals(project.catalogue, spill)
    finally:
        atomic_files.remove_tree(spill)
    size = ShardOptions(size=options.shard_size) if options.shard_size else config.shards
    names = (config.collection.name, max((phase.name for phase in config.phases), key=len))
    return estimates.estimate(
        "catalogue",
        records=records,
        lot=lot,
        shards=estimates.cut(lot, names, size, torrents),
        rate=measured,
        workers=workers,
        options=options,
        fits=fits,
    )
